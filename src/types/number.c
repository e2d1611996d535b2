/*
 * src/types/number.c
 *
 * Base types numeric and inet: of variable length, compared by functions of their
 * own. numeric is sealed in its on-disk form, which does not depend on the server's version;
 * inet as it is sent in binary.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "types/basetype.h"
#include "types/envelope.h"
#include "utils/fmgrprotos.h"

/* In what numeric_send() makes: the number of digits after the point, by which equal numbers differ. */
#define KR_NUMERIC_SCALE_AT 6

/* 1.5 and 1.50 have the same digits: they differ in their display scale only. */
bytea *
kr_types_canonical_numeric(Datum plain)
{
	bytea *form = DatumGetByteaP(DirectFunctionCall1(numeric_send, plain));

	Assert(VARSIZE(form) >= VARHDRSZ + 8);
	memset(VARDATA(form) + KR_NUMERIC_SCALE_AT, 0, 2);
	return form;
}

void
kr_types_forget_form(bytea *form)
{
	explicit_bzero(VARDATA(form), VARSIZE(form) - VARHDRSZ);
	pfree(form);
}

static struct varlena *
numeric_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	struct varlena *value = kr_types_detoast(plain);
	bytea *form = mode == KR_TYPMOD_RANDOMIZED ? NULL : kr_types_canonical_numeric(plain);
	KrCanonical canonical = { form ? VARDATA(form) : NULL, form ? VARSIZE(form) - VARHDRSZ : 0, mode == KR_TYPMOD_NONE };
	struct varlena *result = kr_keys_seal(self->oid, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value),
										  form ? &canonical : NULL);

	if (form != NULL)
		kr_types_forget_form(form);
	kr_types_free_detoasted(value, plain);
	return result;
}

static Datum
numeric_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *chunk = kr_keys_open(self->oid, envelope, VARHDRSZ, &len, reader);

	SET_VARSIZE(chunk, VARHDRSZ + len);
	return PointerGetDatum(chunk);
}

static void
numeric_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	bytea *form = kr_types_canonical_numeric(plain);
	KrCanonical canonical = { VARDATA(form), VARSIZE(form) - VARHDRSZ, false };

	kr_keys_token(out, self->oid, &canonical);
	kr_types_forget_form(form);
}

#define KR_SIGN (UINT64_C(1) << 63)

/* PostgreSQL compares these keys as signed numbers, the other way round. */
static uint64
numeric_key_number(Datum abbreviated)
{
	return ~(uint64) abbreviated ^ KR_SIGN;
}

/*
 * A key has the sign, the weight and the first four digits to base 10,000, of which a value of this size has no more:
 * two bytes each, behind two bytes at least. Excepted are weights that a key does not tell apart: it is zero
 * for the smallest numbers, and for the largest one of those that stand for infinity, which are odd.
 */
static bool
numeric_number_is_exact(Datum plain, uint64 number)
{
	Size size = VARSIZE_ANY_EXHDR(DatumGetPointer(plain));
	uint64 key = ~(number ^ KR_SIGN);

	return size <= 2 + 4 * 2 && (key & 1) == 0 && (key != 0 || size <= 2);
}

static struct varlena *
inet_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	bytea *form = DatumGetByteaP(DirectFunctionCall1(inet_send, plain));
	KrCanonical canonical = { VARDATA(form), VARSIZE(form) - VARHDRSZ, mode == KR_TYPMOD_NONE };
	struct varlena *result = kr_keys_seal(self->oid, canonical.bytes, canonical.len,
										  mode == KR_TYPMOD_RANDOMIZED ? NULL : &canonical);

	kr_types_forget_form(form);
	return result;
}

static Datum
inet_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *bytes = kr_keys_open(self->oid, envelope, 0, &len, reader);
	StringInfoData buffer = { .data = bytes, .len = (int) len, .maxlen = (int) len };
	Datum result = DirectFunctionCall1(inet_recv, PointerGetDatum(&buffer));

	explicit_bzero(bytes, len);
	pfree(bytes);
	return result;
}

static void
inet_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	bytea *form = DatumGetByteaP(DirectFunctionCall1(inet_send, plain));
	KrCanonical canonical = { VARDATA(form), VARSIZE(form) - VARHDRSZ, false };

	kr_keys_token(out, self->oid, &canonical);
	kr_types_forget_form(form);
}

const KrBaseType kr_types_numeric = {
	.oid = NUMERICOID,
	.name = "numeric",
	.typlen = -1,
	.modifier_min = VARHDRSZ,
	.seal = numeric_seal,
	.open = numeric_open,
	.token = numeric_token,
	.equal = kr_types_generic_equal,
	.hash = kr_types_generic_hash,
	.compare = kr_types_generic_compare,
	.key_number = numeric_key_number,
	.number_is_exact = numeric_number_is_exact,
	.fit = numeric,
	.compare_function = numeric_cmp,
	.hash_function = hash_numeric
};

const KrBaseType kr_types_inet = {
	.oid = INETOID,
	.name = "inet",
	.typlen = -1,
	.seal = inet_seal,
	.open = inet_open,
	.token = inet_token,
	.equal = kr_types_generic_equal,
	.hash = kr_types_generic_hash,
	.compare = kr_types_generic_compare,
	.compare_function = network_cmp,
	.hash_function = hashinet
};
