/*
 * src/types/fixed.c
 *
 * Base types of a fixed size. What is sealed is what the base type sends in binary,
 * big-endian. Most values are their own canonical form; where equal values differ in their
 * bytes (-0.0 and 0.0, a day and 24 hours), canonical() makes them the same.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "types/basetype.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define KR_FIXED_MAX 16

static void
write_be(uint8 *out, uint64 value, Size size)
{
	for (Size i = 0; i < size; i++)
		out[i] = (uint8) (value >> (8 * (size - 1 - i)));
}

static uint64
read_be(const uint8 *in, Size size)
{
	uint64 value = 0;

	for (Size i = 0; i < size; i++)
		value = value << 8 | in[i];
	return value;
}

static void
canonical_bytes(const KrBaseType *self, uint8 *out, Datum plain)
{
	if (self->canonical != NULL)
		self->canonical(out, plain);
	else
		self->pack(out, plain);
}

static struct varlena *
fixed_seal(const KrBaseType *self, Datum plain, int32 mode)
{
	uint8 bytes[KR_FIXED_MAX];
	uint8 form[KR_FIXED_MAX];
	KrCanonical canonical = { (const char *) form, self->size, mode == KR_TYPMOD_NONE };
	struct varlena *result;

	Assert(self->size <= KR_FIXED_MAX);
	self->pack(bytes, plain);
	if (mode != KR_TYPMOD_RANDOMIZED)
		canonical_bytes(self, form, plain);
	result = kr_keys_seal(self->oid, (const char *) bytes, self->size, mode == KR_TYPMOD_RANDOMIZED ? NULL : &canonical);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(form, sizeof(form));
	return result;
}

static Datum
fixed_open(const KrBaseType *self, const struct varlena *envelope, KrReader reader)
{
	Size len;
	char *bytes = kr_keys_open(self->oid, envelope, 0, &len, reader);
	bool whole = len == self->size;
	Datum result = whole ? self->unpack((const uint8 *) bytes) : (Datum) 0;

	explicit_bzero(bytes, len);
	pfree(bytes);
	if (!whole)
		kr_keys_damaged_value();
	return result;
}

static void
fixed_token(const KrBaseType *self, uint8 *out, Datum plain)
{
	uint8 form[KR_FIXED_MAX];
	KrCanonical canonical = { (const char *) form, self->size, false };

	canonical_bytes(self, form, plain);
	kr_keys_token(out, self->oid, &canonical);
	explicit_bzero(form, sizeof(form));
}

static uint32
fixed_hash(const KrBaseType *self, Datum plain)
{
	uint8 form[KR_FIXED_MAX];

	canonical_bytes(self, form, plain);
	return hash_bytes(form, (int) self->size);
}

/* The canonical form as a number, in the highest bytes so that all sizes have their sign in one place. */
static uint64
canonical_number(const KrBaseType *self, Datum plain)
{
	uint8 form[KR_FIXED_MAX];

	Assert(self->size <= sizeof(uint64));
	canonical_bytes(self, form, plain);
	return read_be(form, self->size) << (64 - 8 * self->size);
}

#define KR_SIGN (UINT64_C(1) << 63)

/* Integers, and what PostgreSQL stores as such: two's complement orders as unsigned once the sign is turned over. */
static uint64
integer_key(const KrBaseType *self, Datum plain)
{
	return canonical_number(self, plain) ^ KR_SIGN;
}

/* IEEE 754 orders as sign and magnitude; the one NaN of the canonical form is above infinity, where it belongs. */
static uint64
real_key(const KrBaseType *self, Datum plain)
{
	uint64 number = canonical_number(self, plain);

	return number & KR_SIGN ? ~number : number ^ KR_SIGN;
}

static void
pack_boolean(uint8 *out, Datum plain)
{
	*out = DatumGetBool(plain) ? 1 : 0;
}

static Datum
unpack_boolean(const uint8 *in)
{
	return BoolGetDatum(*in != 0);
}

static void
pack_16(uint8 *out, Datum plain)
{
	write_be(out, (uint16) DatumGetInt16(plain), 2);
}

static Datum
unpack_16(const uint8 *in)
{
	return Int16GetDatum((int16) read_be(in, 2));
}

static void
pack_32(uint8 *out, Datum plain)
{
	write_be(out, (uint32) DatumGetInt32(plain), 4);
}

static Datum
unpack_32(const uint8 *in)
{
	return Int32GetDatum((int32) read_be(in, 4));
}

static void
pack_64(uint8 *out, Datum plain)
{
	write_be(out, (uint64) DatumGetInt64(plain), 8);
}

static Datum
unpack_64(const uint8 *in)
{
	return Int64GetDatum((int64) read_be(in, 8));
}

/* All NaNs are equal, and so are the two zeros. */
static void
canonical_real(uint8 *out, Datum plain)
{
	float4 value = DatumGetFloat4(plain);

	if (isnan(value))
		plain = Float4GetDatum((float4) NAN);
	else if (value == 0)
		plain = Float4GetDatum(0);
	pack_32(out, plain);
}

static void
canonical_double(uint8 *out, Datum plain)
{
	float8 value = DatumGetFloat8(plain);

	if (isnan(value))
		plain = Float8GetDatum(NAN);
	else if (value == 0)
		plain = Float8GetDatum(0);
	pack_64(out, plain);
}

static void
pack_interval(uint8 *out, Datum plain)
{
	const Interval *value = DatumGetIntervalP(plain);

	write_be(out, (uint64) value->time, 8);
	write_be(out + 8, (uint32) value->day, 4);
	write_be(out + 12, (uint32) value->month, 4);
}

static Datum
unpack_interval(const uint8 *in)
{
	Interval *value = palloc(sizeof(Interval));

	value->time = (TimeOffset) read_be(in, 8);
	value->day = (int32) read_be(in + 8, 4);
	value->month = (int32) read_be(in + 12, 4);
	return IntervalPGetDatum(value);
}

/* Intervals compare as if a day had 24 hours and a month 30 days: whole days, and microseconds from 0 to a day. */
static void
canonical_interval(uint8 *out, Datum plain)
{
	const Interval *value = DatumGetIntervalP(plain);
	int64 days = (int64) value->month * DAYS_PER_MONTH + value->day + value->time / USECS_PER_DAY;
	int64 rest = value->time % USECS_PER_DAY;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		days--;
	}
	write_be(out, (uint64) days, 8);
	write_be(out + 8, (uint64) rest, 8);
}

static void
pack_uuid(uint8 *out, Datum plain)
{
	memcpy(out, DatumGetUUIDP(plain)->data, UUID_LEN);
}

static Datum
unpack_uuid(const uint8 *in)
{
	pg_uuid_t *value = palloc(sizeof(pg_uuid_t));

	memcpy(value->data, in, UUID_LEN);
	return UUIDPGetDatum(value);
}

#define KR_FIXED \
	.seal = fixed_seal, .open = fixed_open, .token = fixed_token, .hash = fixed_hash, \
	.equal = kr_types_generic_equal, .compare = kr_types_generic_compare

const KrBaseType kr_types_boolean = {
	KR_FIXED, .oid = BOOLOID, .name = "boolean", .typlen = 1, .by_value = true,
	.size = 1, .sort_key = integer_key, .pack = pack_boolean, .unpack = unpack_boolean,
	.compare_function = btboolcmp
};

const KrBaseType kr_types_smallint = {
	KR_FIXED, .oid = INT2OID, .name = "smallint", .typlen = 2, .by_value = true,
	.size = 2, .sort_key = integer_key, .pack = pack_16, .unpack = unpack_16, .compare_function = btint2cmp
};

const KrBaseType kr_types_integer = {
	KR_FIXED, .oid = INT4OID, .name = "integer", .typlen = 4, .by_value = true,
	.size = 4, .sort_key = integer_key, .pack = pack_32, .unpack = unpack_32, .compare_function = btint4cmp
};

const KrBaseType kr_types_bigint = {
	KR_FIXED, .oid = INT8OID, .name = "bigint", .typlen = 8, .by_value = FLOAT8PASSBYVAL,
	.size = 8, .sort_key = integer_key, .pack = pack_64, .unpack = unpack_64, .compare_function = btint8cmp
};

const KrBaseType kr_types_real = {
	KR_FIXED, .oid = FLOAT4OID, .name = "real", .typlen = 4, .by_value = true,
	.size = 4, .sort_key = real_key, .pack = pack_32, .unpack = unpack_32, .canonical = canonical_real,
	.compare_function = btfloat4cmp
};

const KrBaseType kr_types_double = {
	KR_FIXED, .oid = FLOAT8OID, .name = "double", .typlen = 8, .by_value = FLOAT8PASSBYVAL,
	.size = 8, .sort_key = real_key, .pack = pack_64, .unpack = unpack_64, .canonical = canonical_double,
	.compare_function = btfloat8cmp
};

const KrBaseType kr_types_date = {
	KR_FIXED, .oid = DATEOID, .name = "date", .typlen = 4, .by_value = true,
	.size = 4, .sort_key = integer_key, .pack = pack_32, .unpack = unpack_32, .compare_function = date_cmp
};

const KrBaseType kr_types_time = {
	KR_FIXED, .oid = TIMEOID, .name = "time", .typlen = 8, .by_value = FLOAT8PASSBYVAL, .fit = time_scale,
	.size = 8, .sort_key = integer_key, .pack = pack_64, .unpack = unpack_64, .compare_function = time_cmp
};

const KrBaseType kr_types_timestamp = {
	KR_FIXED, .oid = TIMESTAMPOID, .name = "timestamp", .typlen = 8, .by_value = FLOAT8PASSBYVAL,
	.fit = timestamp_scale,
	.size = 8, .sort_key = integer_key, .pack = pack_64, .unpack = unpack_64,
	.compare_function = timestamp_cmp
};

const KrBaseType kr_types_timestamptz = {
	KR_FIXED, .oid = TIMESTAMPTZOID, .name = "timestamptz", .typlen = 8, .by_value = FLOAT8PASSBYVAL,
	.fit = timestamptz_scale,
	.size = 8, .sort_key = integer_key, .pack = pack_64, .unpack = unpack_64,
	.compare_function = timestamp_cmp
};

const KrBaseType kr_types_interval = {
	KR_FIXED, .oid = INTERVALOID, .name = "interval", .typlen = 16,
	.size = 16, .pack = pack_interval, .unpack = unpack_interval, .canonical = canonical_interval,
	.compare_function = interval_cmp
};

const KrBaseType kr_types_uuid = {
	KR_FIXED, .oid = UUIDOID, .name = "uuid", .typlen = UUID_LEN,
	.size = UUID_LEN, .pack = pack_uuid, .unpack = unpack_uuid, .compare_function = uuid_cmp
};
