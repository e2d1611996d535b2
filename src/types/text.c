/*
 * src/types/text.c
 *
 * Base types text, bytea and json. Text is sealed in UTF-8 whatever the server
 * encoding, so that an envelope means the same in every database; its canonical
 * form is those bytes. Equality is that of bytes: nondeterministic collations
 * are refused before they come here. json keeps its text, blanks and all, and has no
 * equality.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "types/basetype.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

KR_FUNCTION(keyring_bpchar_seal);

/* Bytes in UTF-8, and the copy to wipe if a conversion was needed. */
typedef struct Utf8
{
	const char *bytes;
	Size len;
	char *copy;
} Utf8;

static inline Utf8
to_utf8(const char *string, Size len)
{
	Utf8 result = { string, len, NULL };
	char *converted;

	if (GetDatabaseEncoding() == PG_UTF8)
		return result;

	/* in a SQL_ASCII database this only verifies */
	converted = pg_server_to_any(string, (int) len, PG_UTF8);
	if (converted != string)
	{
		result.bytes = result.copy = converted;
		result.len = strlen(converted);
	}
	return result;
}

static inline void
forget_copy(Utf8 *utf8)
{
	if (utf8->copy == NULL)
		return;
	explicit_bzero(utf8->copy, utf8->len);
	pfree(utf8->copy);
}

/* Converts len opened bytes at chunk + reserve; returns chunk itself where none is needed. */
static char *
from_utf8(char *chunk, Size reserve, Size *len)
{
	char *converted = pg_any_to_server(chunk + reserve, (int) *len, PG_UTF8);
	char *result;
	Size converted_len;

	if (converted == chunk + reserve)
		return chunk;
	converted_len = strlen(converted);
	result = palloc(reserve + converted_len + 1);
	memcpy(result + reserve, converted, converted_len + 1);
	explicit_bzero(converted, converted_len);
	pfree(converted);
	explicit_bzero(chunk + reserve, *len);
	pfree(chunk);
	*len = converted_len;
	return result;
}

static inline struct varlena *
seal_bytes(Oid base, const char *bytes, Size len, int32 mode)
{
	KrCanonical canonical = { bytes, len, mode == KR_TYPMOD_NONE };

	return kr_keys_seal(base, bytes, len, mode == KR_TYPMOD_RANDOMIZED ? NULL : &canonical);
}

static struct varlena *
seal_text(Oid base, const char *string, Size len, int32 mode)
{
	Utf8 utf8 = to_utf8(string, len);
	struct varlena *result = seal_bytes(base, utf8.bytes, utf8.len, mode);

	forget_copy(&utf8);
	return result;
}

static struct varlena *
text_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	text *value = DatumGetTextPP(plain);
	struct varlena *result = seal_text(self->oid, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), mode);

	if ((Pointer) value != DatumGetPointer(plain))
		pfree(value);
	return result;
}

static struct varlena *
text_seal_string(const KrBaseType *self, const char *string, int32 mode)
{
	return seal_text(self->oid, string, strlen(string), mode);
}

/* The padding of char(n) is no part of its value: a cast to text removes it. */
Datum
keyring_bpchar_seal(PG_FUNCTION_ARGS)
{
	BpChar *value = PG_GETARG_BPCHAR_PP(0);
	int len = bpchartruelen(VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value));

	PG_RETURN_POINTER(seal_text(TEXTOID, VARDATA_ANY(value), len, PG_GETARG_INT32(1)));
}

static Datum
text_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *chunk = kr_keys_open(self->oid, envelope, VARHDRSZ, &len, reader);

	if (GetDatabaseEncoding() != PG_UTF8)
		chunk = from_utf8(chunk, VARHDRSZ, &len);
	SET_VARSIZE(chunk, VARHDRSZ + len);
	return PointerGetDatum(chunk);
}

static char *
text_open_string(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *chunk = kr_keys_open(self->oid, envelope, 0, &len, reader);

	if (GetDatabaseEncoding() != PG_UTF8)
		chunk = from_utf8(chunk, 0, &len);
	chunk[len] = '\0';
	return chunk;
}

static void
text_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	text *value = DatumGetTextPP(plain);
	Utf8 utf8 = to_utf8(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	KrCanonical canonical = { utf8.bytes, utf8.len, false };

	kr_keys_token(out, self->oid, &canonical);
	forget_copy(&utf8);
	if ((Pointer) value != DatumGetPointer(plain))
		pfree(value);
}

static bool
bytes_equal(const KrBaseType *self, Datum a, Datum b)
{
	struct varlena *x = PG_DETOAST_DATUM_PACKED(a);
	struct varlena *y = PG_DETOAST_DATUM_PACKED(b);
	Size len = VARSIZE_ANY_EXHDR(x);
	bool result = len == VARSIZE_ANY_EXHDR(y) && memcmp(VARDATA_ANY(x), VARDATA_ANY(y), len) == 0;

	if ((Pointer) x != DatumGetPointer(a))
		pfree(x);
	if ((Pointer) y != DatumGetPointer(b))
		pfree(y);
	return result;
}

static uint32
bytes_hash(const KrBaseType *self, Datum plain)
{
	struct varlena *value = PG_DETOAST_DATUM_PACKED(plain);
	uint32 result = hash_bytes((const unsigned char *) VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value));

	if ((Pointer) value != DatumGetPointer(plain))
		pfree(value);
	return result;
}

static int
text_compare(const KrBaseType *self, Datum a, Datum b, Oid collation)
{
	text *x = DatumGetTextPP(a);
	text *y = DatumGetTextPP(b);
	int result = varstr_cmp(VARDATA_ANY(x), (int) VARSIZE_ANY_EXHDR(x),
							VARDATA_ANY(y), (int) VARSIZE_ANY_EXHDR(y), collation);

	if ((Pointer) x != DatumGetPointer(a))
		pfree(x);
	if ((Pointer) y != DatumGetPointer(b))
		pfree(y);
	return result;
}

static struct varlena *
bytea_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	bytea *value = DatumGetByteaPP(plain);
	struct varlena *result = seal_bytes(self->oid, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), mode);

	if ((Pointer) value != DatumGetPointer(plain))
		pfree(value);
	return result;
}

static Datum
bytea_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *chunk = kr_keys_open(self->oid, envelope, VARHDRSZ, &len, reader);

	SET_VARSIZE(chunk, VARHDRSZ + len);
	return PointerGetDatum(chunk);
}

static void
bytea_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	bytea *value = DatumGetByteaPP(plain);
	KrCanonical canonical = { VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), false };

	kr_keys_token(out, self->oid, &canonical);
	if ((Pointer) value != DatumGetPointer(plain))
		pfree(value);
}

static int
bytea_compare(const KrBaseType *self, Datum a, Datum b, Oid collation)
{
	bytea *x = DatumGetByteaPP(a);
	bytea *y = DatumGetByteaPP(b);
	Size x_len = VARSIZE_ANY_EXHDR(x);
	Size y_len = VARSIZE_ANY_EXHDR(y);
	int result = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(x_len, y_len));

	if (result == 0)
		result = (x_len > y_len) - (x_len < y_len);
	if ((Pointer) x != DatumGetPointer(a))
		pfree(x);
	if ((Pointer) y != DatumGetPointer(b))
		pfree(y);
	return result;
}

/* A key has the first eight bytes, zeros behind the end: text has none of its own. */
static bool
text_number_is_exact(Datum plain, uint64 number)
{
	return VARSIZE_ANY_EXHDR(DatumGetPointer(plain)) < sizeof(number);
}

const KrBaseType kr_types_text = {
	.number_is_exact = text_number_is_exact,
	.oid = TEXTOID,
	.name = "text",
	.typlen = -1,
	.collatable = true,
	.seal = text_seal,
	.open = text_open,
	.token = text_token,
	.equal = bytes_equal,
	.hash = bytes_hash,
	.compare = text_compare,
	.seal_string = text_seal_string,
	.open_string = text_open_string
};

const KrBaseType kr_types_bytea = {
	.oid = BYTEAOID,
	.name = "bytea",
	.typlen = -1,
	.seal = bytea_seal,
	.open = bytea_open,
	.token = bytea_token,
	.equal = bytes_equal,
	.hash = bytes_hash,
	.compare = bytea_compare
};

const KrBaseType kr_types_json = {
	.oid = JSONOID,
	.name = "json",
	.typlen = -1,
	.no_equality = true,
	.seal = text_seal,
	.open = text_open,
	.open_string = text_open_string
};
