/*
 * src/types/operand.c
 *
 * Operands: values that carry a token because an index or an equality is about
 * to ask for it. The parse hook puts these functions where a base-typed
 * expression, or a column without tokens, meets a searchable one. They are
 * STABLE, so a filter calls them for every row, mostly with the same
 * argument: the results of the first and of the latest argument are kept.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "types/call.h"
#include "types/envelope.h"
#include "types/fitting.h"
#include "types/kept.h"
#include "types/planning.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

KR_FUNCTION(keyring_value_operand);
KR_FUNCTION(keyring_value_operand_self);
KR_FUNCTION(keyring_value_operands);
KR_FUNCTION(keyring_value_fitting);
KR_FUNCTION(keyring_value_fittings);
KR_FUNCTION(keyring_value_operands_self);

/* Bytes that tell one argument from another. */
typedef struct Key
{
	const char *bytes;
	Size len;
} Key;

/* An argument and its result, both in the function's memory. */
typedef struct Kept
{
	char *key; /* NULL while nothing is kept, and after a wipe */
	Size key_len;
	struct varlena *result; /* an envelope: it stays when the key is wiped, since it may be in use */
} Kept;

typedef struct OperandCall
{
	KrCall call;
	Kept first;  /* never replaced, so its result is handed out without a copy */
	Kept latest; /* replaced while results of it may be in use, so copies are handed out */
	KrKept kept;

	/* of arrays; what they are made of is the base type, or from */
	Oid encrypted_type;
	int16 typlen;
	bool by_value;
	bool only_compares;
	char align;

	/* of values of other types */
	Oid from;
	KrFitting fitting;
	pg_tz *zone;
} OperandCall;

static inline bool
is_kept(const Kept *kept, Key key)
{
	return kept->key != NULL && kept->key_len == key.len && memcmp(kept->key, key.bytes, key.len) == 0;
}

static struct varlena *
copy_of(const struct varlena *value)
{
	struct varlena *result = palloc(VARSIZE(value));

	memcpy(result, value, VARSIZE(value));
	return result;
}

/* The kept result of this argument, or NULL. */
static inline struct varlena *
recall(const OperandCall *operand, Key key)
{
	if (is_kept(&operand->first, key))
		return operand->first.result;
	if (is_kept(&operand->latest, key))
		return copy_of(operand->latest.result);
	return NULL;
}

static void
forget_key(Kept *kept)
{
	if (kept->key == NULL)
		return;
	explicit_bzero(kept->key, kept->key_len);
	pfree(kept->key);
	kept->key = NULL;
}

static void
wipe(void *owner)
{
	OperandCall *operand = owner;

	forget_key(&operand->first);
	forget_key(&operand->latest);
}

static void
keep(Kept *kept, Key key, const struct varlena *result, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	char *copy = palloc(Max(key.len, 1));

	memcpy(copy, key.bytes, key.len);
	forget_key(kept);
	if (kept->result != NULL)
		pfree(kept->result);
	kept->result = copy_of(result);
	kept->key_len = key.len;
	kept->key = copy;
	MemoryContextSwitchTo(old);
}

/*
 * Keeps a result that was just made, and gives what is to be handed out. That of the first argument is the kept one: the
 * executor's hash table of an array refers to the elements of the first array that it gets, row after row.
 */
static struct varlena *
remember(OperandCall *operand, Key key, struct varlena *result, FunctionCallInfo fcinfo)
{
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	bool first = operand->first.result == NULL;

	if (operand->kept.owner == NULL)
		kr_types_keep(&operand->kept, context, wipe, operand);
	keep(first ? &operand->first : &operand->latest, key, result, context);
	return first ? operand->first.result : result;
}

/* What src/search knows to be compared and nothing else is not sealed; it marks the call (search/operands.c). */
static inline bool
only_compares(FunctionCallInfo fcinfo)
{
	return get_fn_expr_variadic(fcinfo->flinfo);
}

static struct varlena *
token_only(const KrBaseType *base, Datum plain)
{
	uint8 token[KR_TOKENBYTES];

	base->token(base, token, plain);
	return kr_keys_token_only(token);
}

static struct varlena *
operand_of(OperandCall *operand, Datum argument, FunctionCallInfo fcinfo)
{
	Datum plain = argument;
	const KrBaseType *base = operand->call.base;
	struct varlena *detoasted = NULL;
	struct varlena *result;
	Key key;

	if (base->by_value)
		key = (Key){ (const char *) &plain, sizeof(Datum) };
	else if (base->typlen > 0)
		key = (Key){ (const char *) DatumGetPointer(plain), base->typlen };
	else
	{
		detoasted = kr_types_detoast(plain);
		key = (Key){ VARDATA_ANY(detoasted), VARSIZE_ANY_EXHDR(detoasted) };
	}

	result = recall(operand, key);
	if (result == NULL)
	{
		if (detoasted != NULL)
			plain = PointerGetDatum(detoasted);
		result = only_compares(fcinfo) ? token_only(base, plain) : kr_types_seal(base, plain, KR_TYPMOD_NONE);
		result = remember(operand, key, result, fcinfo);
	}
	if (detoasted != NULL)
		kr_types_free_detoasted(detoasted, argument);
	return result;
}

Datum
keyring_value_operand(PG_FUNCTION_ARGS)
{
	kr_keys_require_reader();
	PG_RETURN_POINTER(operand_of(KR_CALL(fcinfo, OperandCall), PG_GETARG_DATUM(0), fcinfo));
}

/* What no value equals: the canonical form that its token is made of is that of none. */
static struct varlena *
seal_nothing(const KrBaseType *base)
{
	static const char zeros[sizeof(int64)] = { 0 };
	KrCanonical none = { "", 0, true };

	Assert(base->size <= sizeof(zeros));
	return kr_keys_seal(base->oid, zeros, base->size, &none);
}

/* The conversion depends on the time zone, and so does what is kept. */
static void
prepare_fitting(OperandCall *operand, FunctionCallInfo fcinfo, bool array)
{
	Oid from = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (operand->zone != session_timezone)
	{
		wipe(operand);
		operand->zone = session_timezone;
	}
	if (operand->fitting != NULL)
		return;
	operand->from = array ? get_element_type(from) : from;
	operand->fitting = kr_types_fitting(operand->call.base->oid, operand->from);
	if (operand->fitting == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type %s is not compared with type encrypted_%s by tokens", format_type_be(from), operand->call.base->name),
				 errhint("Use the operators = and <>, or = ANY: they know how to compare the two.")));
}

Datum
keyring_value_fitting(PG_FUNCTION_ARGS)
{
	OperandCall *operand = KR_CALL(fcinfo, OperandCall);
	Datum plain;

	kr_keys_require_reader();
	prepare_fitting(operand, fcinfo, false);
	if (operand->fitting(PG_GETARG_DATUM(0), &plain))
		PG_RETURN_POINTER(operand_of(operand, plain, fcinfo));
	PG_RETURN_POINTER(seal_nothing(operand->call.base));
}

/* An envelope of the same value that carries a token. */
static struct varlena *
add_token(const KrBaseType *base, Datum value)
{
	struct varlena *envelope = kr_types_detoast(value);
	Datum plain = base->open(base, envelope, KR_FOR_USER);
	struct varlena *result = kr_types_seal(base, plain, KR_TYPMOD_NONE);

	kr_types_forget(base, plain);
	kr_types_free_detoasted(envelope, value);
	return result;
}

Datum
keyring_value_operand_self(PG_FUNCTION_ARGS)
{
	OperandCall *operand = KR_CALL(fcinfo, OperandCall);
	Datum value = PG_GETARG_DATUM(0);
	struct varlena *header;
	struct varlena *result;
	Key key;

	/*
	 * Also for a token that is there: an encrypted parameter got its own without being asked who may
	 * compare. But not in the queries of foreign keys, whose values are those of stored rows, and whose
	 * user is the owner of the table.
	 */
	if (!InNoForceRLSOperation())
		kr_keys_require_reader();
	if (kr_types_has_token(value))
		PG_RETURN_DATUM(value);

	/* no two envelopes share a header: it has the nonce */
	header = kr_types_header(value);
	key = (Key){ VARDATA_ANY(header), KR_ENVELOPE_HEADERBYTES };
	result = recall(operand, key);
	if (result == NULL)
	{
		result = add_token(operand->call.base, value);
		result = remember(operand, key, result, fcinfo);
	}
	kr_types_free_detoasted(header, value);
	PG_RETURN_POINTER(result);
}

static void
prepare_arrays(OperandCall *operand)
{
	const KrEncryptedType *type;
	Oid element = operand->fitting != NULL ? operand->from : operand->call.base->oid;

	if (OidIsValid(operand->encrypted_type))
		return;
	type = kr_types_of_base(operand->call.base->oid);
	if (type == NULL)
		elog(ERROR, "encrypted type of base type \"%s\" is not in the catalogs", operand->call.base->name);
	get_typlenbyvalalign(element, &operand->typlen, &operand->by_value, &operand->align);
	operand->encrypted_type = type->oid;
}

/* For the planner, which counts operands and looks at none: it should need no key and no right to read for that. */
static struct varlena *
stand_in(void)
{
	struct varlena *result = palloc(VARHDRSZ);

	SET_VARSIZE(result, VARHDRSZ);
	return result;
}

static struct varlena *
element_operand(const OperandCall *operand, Datum value, bool encrypted)
{
	const KrBaseType *base = operand->call.base;

	if (kr_types_is_estimating())
		return stand_in();
	if (encrypted)
		return kr_types_has_token(value) ? (struct varlena *) DatumGetPointer(value) : add_token(base, value);
	if (operand->fitting != NULL && !operand->fitting(value, &value))
		return seal_nothing(base);
	return operand->only_compares ? token_only(base, value) : kr_types_seal(base, value, KR_TYPMOD_NONE);
}

/* An encrypted array of an array of plain or encrypted values, of the same shape. */
static ArrayType *
convert_array(OperandCall *operand, ArrayType *array, bool encrypted)
{
	Oid element = operand->fitting != NULL ? operand->from : operand->call.base->oid;
	Datum *values;
	bool *nulls;
	int n;

	if (encrypted)
		deconstruct_array(array, operand->encrypted_type, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	else
		deconstruct_array(array, element, operand->typlen, operand->by_value, operand->align, &values, &nulls, &n);
	if (n == 0)
		return construct_empty_array(operand->encrypted_type);

	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			values[i] = PointerGetDatum(element_operand(operand, values[i], encrypted));
	}
	return construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
							  operand->encrypted_type, -1, false, TYPALIGN_INT);
}

static bool
is_constant(FunctionCallInfo fcinfo)
{
	Node *call = fcinfo->flinfo->fn_expr;

	return call != NULL && IsA(call, FuncExpr) && IsA(linitial(((FuncExpr *) call)->args), Const);
}

static Datum
operand_array(FunctionCallInfo fcinfo, bool encrypted)
{
	OperandCall *operand = KR_CALL(fcinfo, OperandCall);
	ArrayType *array;
	Key key;
	struct varlena *result;

	if (!kr_types_is_estimating())
		kr_keys_require_reader();

	/* a list may be long: it is not compared for each row with the one that was kept */
	if (operand->first.key != NULL && is_constant(fcinfo))
		PG_RETURN_POINTER(operand->first.result);

	array = PG_GETARG_ARRAYTYPE_P(0);
	key = (Key){ (const char *) array, VARSIZE(array) };
	result = recall(operand, key);
	if (result == NULL)
	{
		prepare_arrays(operand);
		operand->only_compares = only_compares(fcinfo);
		result = (struct varlena *) convert_array(operand, array, encrypted);
		result = remember(operand, key, result, fcinfo);
	}
	PG_FREE_IF_COPY(array, 0);
	PG_RETURN_POINTER(result);
}

Datum
keyring_value_operands(PG_FUNCTION_ARGS)
{
	return operand_array(fcinfo, false);
}

Datum
keyring_value_operands_self(PG_FUNCTION_ARGS)
{
	return operand_array(fcinfo, true);
}

Datum
keyring_value_fittings(PG_FUNCTION_ARGS)
{
	prepare_fitting(KR_CALL(fcinfo, OperandCall), fcinfo, true);
	return operand_array(fcinfo, false);
}
