/*
 * src/types/document.c
 *
 * Base type jsonb, sealed in its on-disk form. That form holds strings in the server's
 * encoding: in a database with another than UTF8 only documents in ASCII are
 * taken, so that an envelope means the same everywhere.
 *
 * The canonical form lists what an iterator meets: jsonb keeps the keys of an object
 * unique and in an order of its own, so equal documents differ only in the scale of numbers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "types/basetype.h"
#include "types/envelope.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

static void
append_bytes(StringInfo out, const char *bytes, int len)
{
	appendBinaryStringInfo(out, (const char *) &len, sizeof(len));
	appendBinaryStringInfo(out, bytes, len);
}

static void
append_scalar(StringInfo out, const JsonbValue *value)
{
	bytea *number;

	appendStringInfoChar(out, (char) ('a' + value->type));
	switch (value->type)
	{
		case jbvString:
			append_bytes(out, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			number = kr_types_canonical_numeric(NumericGetDatum(value->val.numeric));
			append_bytes(out, VARDATA(number), (int) (VARSIZE(number) - VARHDRSZ));
			kr_types_forget_form(number);
			break;
		case jbvBool:
			appendStringInfoChar(out, value->val.boolean ? 1 : 0);
			break;
		default:
			break;
	}
}

/* The canonical form: each step of the iterator, and the scalars that it meets. */
static void
canonical_document(StringInfo out, Jsonb *document)
{
	JsonbIterator *iterator = JsonbIteratorInit(&document->root);
	JsonbIteratorToken token;
	JsonbValue value;

	initStringInfo(out);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		appendStringInfoChar(out, (char) ('A' + token));
		if (token == WJB_BEGIN_ARRAY)
			appendStringInfoChar(out, value.val.array.rawScalar ? 1 : 0);
		else if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
			append_scalar(out, &value);
	}
}

static bool
is_ascii(const char *bytes, int len)
{
	for (int i = 0; i < len; i++)
	{
		if (IS_HIGHBIT_SET(bytes[i]))
			return false;
	}
	return true;
}

/* 0A000 for a document whose on-disk form means something else in another encoding. */
static void
check_encoding(Jsonb *document)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;

	if (likely(GetDatabaseEncoding() == PG_UTF8))
		return;
	iterator = JsonbIteratorInit(&document->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		if ((token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM) && value.type == jbvString &&
			!is_ascii(value.val.string.val, value.val.string.len))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("encrypted jsonb values cannot hold other than ASCII characters in a database with encoding %s",
							GetDatabaseEncodingName()),
					 errhint("Use type encrypted_json, or a database with encoding UTF8.")));
	}
}

static void
forget(StringInfo form)
{
	explicit_bzero(form->data, form->len);
	pfree(form->data);
}

static struct varlena *
jsonb_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	Jsonb *document = DatumGetJsonbP(plain);
	StringInfoData form;
	KrCanonical canonical = { 0 };
	struct varlena *result;

	check_encoding(document);
	if (mode != KR_TYPMOD_RANDOMIZED)
	{
		canonical_document(&form, document);
		canonical = (KrCanonical){ form.data, form.len, mode == KR_TYPMOD_NONE };
	}
	result = kr_keys_seal(self->oid, VARDATA(document), VARSIZE(document) - VARHDRSZ,
						  mode == KR_TYPMOD_RANDOMIZED ? NULL : &canonical);
	if (mode != KR_TYPMOD_RANDOMIZED)
		forget(&form);
	kr_types_free_detoasted((struct varlena *) document, plain);
	return result;
}

static Datum
jsonb_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *chunk = kr_keys_open(self->oid, envelope, VARHDRSZ, &len, reader);

	SET_VARSIZE(chunk, VARHDRSZ + len);
	check_encoding((Jsonb *) chunk);
	return PointerGetDatum(chunk);
}

static void
jsonb_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	Jsonb *document = DatumGetJsonbP(plain);
	StringInfoData form;
	KrCanonical canonical;

	canonical_document(&form, document);
	canonical = (KrCanonical){ form.data, form.len, false };
	kr_keys_token(out, self->oid, &canonical);
	forget(&form);
	kr_types_free_detoasted((struct varlena *) document, plain);
}

const KrBaseType kr_types_jsonb = {
	.oid = JSONBOID,
	.name = "jsonb",
	.typlen = -1,
	.seal = jsonb_seal,
	.open = jsonb_open,
	.token = jsonb_token,
	.equal = kr_types_generic_equal,
	.hash = kr_types_generic_hash,
	.compare = kr_types_generic_compare,
	.compare_function = jsonb_cmp,
	.hash_function = jsonb_hash
};
