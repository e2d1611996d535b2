/*
 * src/types/io.c
 *
 * Text and binary forms. Plaintext unless the format settings say ciphertext;
 * never guessed from the content. Ciphertext that comes in is checked by the
 * keys room and stored as it is; nothing is sealed twice.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "pg/guc.h"
#include "tcop/pquery.h"
#include "types/armor.h"
#include "types/call.h"
#include "types/envelope.h"
#include "types/literal.h"
#include "types/printed.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

KR_FUNCTION(keyring_value_in);
KR_FUNCTION(keyring_value_out);
KR_FUNCTION(keyring_value_recv);
KR_FUNCTION(keyring_value_send);

/* The base type's own function, for each of the four. */
typedef struct IoCall
{
	KrCall call;
	FmgrInfo function;
	Oid typioparam;
} IoCall;

typedef void (*TypeInfo)(Oid type, Oid *function, Oid *typioparam);

/* Looks the base type's function up, at its first use. */
static FmgrInfo *
base_function(IoCall *io, FunctionCallInfo fcinfo, TypeInfo info)
{
	Oid function;

	if (!OidIsValid(io->function.fn_oid))
	{
		info(io->call.base->oid, &function, &io->typioparam);
		fmgr_info_cxt(function, &io->function, fcinfo->flinfo->fn_mcxt);
	}
	return &io->function;
}

static void
output_info(Oid type, Oid *function, Oid *typioparam)
{
	bool varlena;

	getTypeOutputInfo(type, function, &varlena);
}

static void
send_info(Oid type, Oid *function, Oid *typioparam)
{
	bool varlena;

	getTypeBinaryOutputInfo(type, function, &varlena);
}

/* The value of a text form; false for a soft error of the base type. */
static bool
read_string(IoCall *io, FunctionCallInfo fcinfo, Datum *plain)
{
	FmgrInfo *input;

	if (io->call.base->oid == TEXTOID)
	{
		*plain = CStringGetTextDatum(PG_GETARG_CSTRING(0));
		return true;
	}
	input = base_function(io, fcinfo, getTypeInputInfo);
	return kr_pg_input(input, PG_GETARG_CSTRING(0), io->typioparam, -1, fcinfo->context, plain);
}

/* The envelope of a value's text form; NULL for a soft error. */
static struct varlena *
seal_string(IoCall *io, FunctionCallInfo fcinfo)
{
	const KrBaseType *base = io->call.base;
	int32 typmod = PG_GETARG_INT32(2);
	struct varlena *envelope;
	Datum plain;

	if (base->seal_string != NULL)
		return base->seal_string(base, PG_GETARG_CSTRING(0), typmod);

	if (!read_string(io, fcinfo, &plain))
		return NULL;
	envelope = kr_types_seal(base, plain, typmod);
	kr_types_forget(base, plain);
	return envelope;
}

/* What the parser gets for a literal of a query: what it got for the same one before, a stand-in, or an envelope. */
static struct varlena *
literal_value(IoCall *io, FunctionCallInfo fcinfo)
{
	const KrBaseType *base = io->call.base;
	char *string = PG_GETARG_CSTRING(0);
	struct varlena *result = kr_types_recall_literal(base, string);
	Datum plain;

	if (result != NULL)
		return result;
	if (kr_types_may_stand_in(fcinfo))
	{
		if (!read_string(io, fcinfo, &plain))
			return NULL;
		result = kr_types_stand_in(base, string, plain);
		kr_types_forget(base, plain);
		if (result != NULL)
			return result;
	}
	result = seal_string(io, fcinfo);
	if (result != NULL)
		kr_types_remember_literal(base, string, result);
	return result;
}

Datum
keyring_value_in(PG_FUNCTION_ARGS)
{
	IoCall *io = KR_CALL(fcinfo, IoCall);
	const KrBaseType *base = io->call.base;
	int32 typmod = PG_GETARG_INT32(2);
	struct varlena *envelope;

	if (typmod < 0)
		kr_types_met_literal = true;
	if (kr_pg_input_format() == KR_FORMAT_CIPHERTEXT)
	{
		envelope = kr_types_unarmor(PG_GETARG_CSTRING(0), fcinfo->context);
		if (envelope == NULL)
			PG_RETURN_NULL();
		kr_keys_accept(base->oid, envelope, typmod);
		PG_RETURN_POINTER(envelope);
	}
	kr_types_took_plaintext = true;
	envelope = typmod < 0 && kr_types_parsing_literal() ? literal_value(io, fcinfo) : seal_string(io, fcinfo);
	if (envelope == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(envelope);
}

Datum
keyring_value_recv(PG_FUNCTION_ARGS)
{
	StringInfo buffer = (StringInfo) PG_GETARG_POINTER(0);
	int32 typmod = PG_GETARG_INT32(2);
	IoCall *io = KR_CALL(fcinfo, IoCall);
	const KrBaseType *base = io->call.base;
	struct varlena *envelope;
	FmgrInfo *receive;
	Datum plain;

	if (kr_pg_input_format() == KR_FORMAT_CIPHERTEXT)
	{
		int len = buffer->len - buffer->cursor;

		envelope = palloc(VARHDRSZ + len);
		SET_VARSIZE(envelope, VARHDRSZ + len);
		pq_copymsgbytes(buffer, VARDATA(envelope), len);
		kr_keys_accept(base->oid, envelope, typmod);
		PG_RETURN_POINTER(envelope);
	}
	kr_types_took_plaintext = true;
	receive = base_function(io, fcinfo, getTypeBinaryInputInfo);
	plain = ReceiveFunctionCall(receive, buffer, io->typioparam, -1);
	envelope = kr_types_seal(base, plain, typmod);
	kr_types_forget(base, plain);
	PG_RETURN_POINTER(envelope);
}

/* Whether to print the envelope itself; 42501 for a user who may not have it. */
static bool
prints_ciphertext(void)
{
	if (likely(kr_pg_output_format() == KR_FORMAT_PLAINTEXT))
		return false;
	if (!kr_pg_streaming() && !kr_keys_has_capability("backup") && !kr_keys_has_capability("admin"))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to output ciphertext"),
				 errdetail("keyring.output_format is ciphertext, which needs the capability \"backup\" or \"admin\"."),
				 errhint("RESET keyring.output_format, or have an administrator call keyring_grant().")));
	return true;
}

/*
 * Whether this user gets a placeholder where plaintext would be printed. No portal runs
 * at commit, when constraints that were put off are checked: nothing goes to a client
 * then, but a worker may print on behalf of a portal of its leader, and a walsender
 * into its stream, whose reader would store the placeholder.
 */
static inline bool
prints_placeholder(void)
{
	if (likely(!kr_types_placeholder && (ActivePortal != NULL || IsParallelWorker())) || kr_pg_streaming())
		return false;
	return !kr_keys_may_read();
}

Datum
keyring_value_out(PG_FUNCTION_ARGS)
{
	IoCall *io = KR_CALL(fcinfo, IoCall);
	const KrBaseType *base = io->call.base;
	struct varlena *envelope;
	Datum plain;
	char *result;

	if (prints_ciphertext())
		PG_RETURN_CSTRING(kr_types_armor(kr_types_detoast(PG_GETARG_DATUM(0))));
	if (prints_placeholder())
	{
		kr_types_placeholder_for = GetUserId();
		PG_RETURN_CSTRING(pstrdup("(encrypted)"));
	}

	envelope = kr_types_detoast(PG_GETARG_DATUM(0));
	if (base->open_string != NULL)
		result = base->open_string(base, envelope, KR_FOR_USER);
	else
	{
		plain = base->open(base, envelope, KR_FOR_USER);
		result = OutputFunctionCall(base_function(io, fcinfo, output_info), plain);
		kr_types_forget(base, plain);
	}
	kr_types_printed_plaintext = true;
	kr_types_free_detoasted(envelope, PG_GETARG_DATUM(0));
	PG_RETURN_CSTRING(result);
}

Datum
keyring_value_send(PG_FUNCTION_ARGS)
{
	IoCall *io = KR_CALL(fcinfo, IoCall);
	struct varlena *envelope = kr_types_detoast(PG_GETARG_DATUM(0));
	StringInfoData buffer;
	bytea *result;
	Datum plain;

	if (prints_ciphertext())
	{
		pq_begintypsend(&buffer);
		pq_sendbytes(&buffer, VARDATA_ANY(envelope), (int) VARSIZE_ANY_EXHDR(envelope));
		result = pq_endtypsend(&buffer);
	}
	else
	{
		plain = io->call.base->open(io->call.base, envelope, KR_FOR_USER);
		result = SendFunctionCall(base_function(io, fcinfo, send_info), plain);
		kr_types_forget(io->call.base, plain);
		kr_types_printed_plaintext = true;
	}
	kr_types_free_detoasted(envelope, PG_GETARG_DATUM(0));
	PG_RETURN_BYTEA_P(result);
}
