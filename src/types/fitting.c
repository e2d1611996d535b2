/*
 * src/types/fitting.c
 *
 * PostgreSQL compares integer with bigint, real with double precision, date with timestamp by operators of their own, and an
 * index on either serves them. A token is that of one type. So of the other side the one value is found that
 * has the column's type and equals it: 42 of 42::bigint, none of 42.5, the day of a timestamp at midnight.
 *
 * What is equal is what PostgreSQL's operator for the two types finds equal: with a floating-point number or real on one
 * side, both as double precision. Not here are pairs of which several values of the column may equal one value: bigint or
 * numeric and double precision; date or timestamp and timestamptz, since clocks that go forward give two local times for
 * one moment.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "types/fitting.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

static bool
int64_within(int64 value, int64 least, int64 greatest, Datum *fitting)
{
	if (value < least || value > greatest)
		return false;
	if (greatest == PG_INT16_MAX)
		*fitting = Int16GetDatum((int16) value);
	else if (greatest == PG_INT32_MAX)
		*fitting = Int32GetDatum((int32) value);
	else
		*fitting = Int64GetDatum(value);
	return true;
}

/* NaN is no number between others, and numeric has infinities. */
static bool
numeric_within(Datum value, int64 least, int64 greatest, Datum *fitting)
{
	Datum whole = DirectFunctionCall2(numeric_trunc, value, Int32GetDatum(0));

	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, whole, value)) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, value, NumericGetDatum(int64_to_numeric(least)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, value, NumericGetDatum(int64_to_numeric(greatest)))))
		return false;
	return int64_within(DatumGetInt64(DirectFunctionCall1(numeric_int8, value)), least, greatest, fitting);
}

static bool
float8_within(float8 value, int64 least, int64 greatest, Datum *fitting)
{
	if (isnan(value) || value < (float8) least || value > (float8) greatest || rint(value) != value)
		return false;
	return int64_within((int64) value, least, greatest, fitting);
}

static bool
int2_of_int4(Datum plain, Datum *fitting)
{
	return int64_within(DatumGetInt32(plain), PG_INT16_MIN, PG_INT16_MAX, fitting);
}

static bool
int2_of_int8(Datum plain, Datum *fitting)
{
	return int64_within(DatumGetInt64(plain), PG_INT16_MIN, PG_INT16_MAX, fitting);
}

static bool
int2_of_numeric(Datum plain, Datum *fitting)
{
	return numeric_within(plain, PG_INT16_MIN, PG_INT16_MAX, fitting);
}

static bool
int2_of_float4(Datum plain, Datum *fitting)
{
	return float8_within(DatumGetFloat4(plain), PG_INT16_MIN, PG_INT16_MAX, fitting);
}

static bool
int2_of_float8(Datum plain, Datum *fitting)
{
	return float8_within(DatumGetFloat8(plain), PG_INT16_MIN, PG_INT16_MAX, fitting);
}

static bool
int4_of_int8(Datum plain, Datum *fitting)
{
	return int64_within(DatumGetInt64(plain), PG_INT32_MIN, PG_INT32_MAX, fitting);
}

static bool
int4_of_numeric(Datum plain, Datum *fitting)
{
	return numeric_within(plain, PG_INT32_MIN, PG_INT32_MAX, fitting);
}

static bool
int4_of_float4(Datum plain, Datum *fitting)
{
	return float8_within(DatumGetFloat4(plain), PG_INT32_MIN, PG_INT32_MAX, fitting);
}

static bool
int4_of_float8(Datum plain, Datum *fitting)
{
	return float8_within(DatumGetFloat8(plain), PG_INT32_MIN, PG_INT32_MAX, fitting);
}

static bool
int8_of_numeric(Datum plain, Datum *fitting)
{
	return numeric_within(plain, PG_INT64_MIN, PG_INT64_MAX, fitting);
}

static bool
float4_of(float8 value, Datum *fitting)
{
	float4 rounded = (float4) value;

	if (!isnan(value) && (float8) rounded != value)
		return false;
	*fitting = Float4GetDatum(rounded);
	return true;
}

static bool
float4_of_int4(Datum plain, Datum *fitting)
{
	return float4_of(DatumGetInt32(plain), fitting);
}

static bool
float4_of_int8(Datum plain, Datum *fitting)
{
	return float4_of((float8) DatumGetInt64(plain), fitting);
}

static bool
float4_of_numeric(Datum plain, Datum *fitting)
{
	return float4_of(DatumGetFloat8(DirectFunctionCall1(numeric_float8, plain)), fitting);
}

static bool
float4_of_float8(Datum plain, Datum *fitting)
{
	return float4_of(DatumGetFloat8(plain), fitting);
}

static bool
date_of_timestamp(Datum plain, Datum *fitting)
{
	Timestamp value = DatumGetTimestamp(plain);

	if (TIMESTAMP_IS_NOBEGIN(value))
		*fitting = DateADTGetDatum(DATEVAL_NOBEGIN);
	else if (TIMESTAMP_IS_NOEND(value))
		*fitting = DateADTGetDatum(DATEVAL_NOEND);
	else
		*fitting = DateADTGetDatum((DateADT) (value / USECS_PER_DAY));
	return TIMESTAMP_NOT_FINITE(value) || value % USECS_PER_DAY == 0;
}

/* Dates go on where timestamps have come to an end. */
static bool
timestamp_of_date(Datum plain, Datum *fitting)
{
	int overflow = 0;

	*fitting = TimestampGetDatum(date2timestamp_opt_overflow(DatumGetDateADT(plain), &overflow));
	return overflow == 0;
}

static bool
timestamptz_of_date(Datum plain, Datum *fitting)
{
	int overflow = 0;

	*fitting = TimestampTzGetDatum(date2timestamptz_opt_overflow(DatumGetDateADT(plain), &overflow));
	return overflow == 0;
}

static bool
timestamptz_of_timestamp(Datum plain, Datum *fitting)
{
	int overflow = 0;

	*fitting = TimestampTzGetDatum(timestamp2timestamptz_opt_overflow(DatumGetTimestamp(plain), &overflow));
	return overflow == 0;
}

static const struct
{
	Oid to;
	Oid from;
	KrFitting fitting;
} fittings[] = {
	{ INT2OID, INT4OID, int2_of_int4 },
	{ INT2OID, INT8OID, int2_of_int8 },
	{ INT2OID, NUMERICOID, int2_of_numeric },
	{ INT2OID, FLOAT4OID, int2_of_float4 },
	{ INT2OID, FLOAT8OID, int2_of_float8 },
	{ INT4OID, INT8OID, int4_of_int8 },
	{ INT4OID, NUMERICOID, int4_of_numeric },
	{ INT4OID, FLOAT4OID, int4_of_float4 },
	{ INT4OID, FLOAT8OID, int4_of_float8 },
	{ INT8OID, NUMERICOID, int8_of_numeric },
	{ FLOAT4OID, INT4OID, float4_of_int4 },
	{ FLOAT4OID, INT8OID, float4_of_int8 },
	{ FLOAT4OID, NUMERICOID, float4_of_numeric },
	{ FLOAT4OID, FLOAT8OID, float4_of_float8 },
	{ DATEOID, TIMESTAMPOID, date_of_timestamp },
	{ TIMESTAMPOID, DATEOID, timestamp_of_date },
	{ TIMESTAMPTZOID, DATEOID, timestamptz_of_date },
	{ TIMESTAMPTZOID, TIMESTAMPOID, timestamptz_of_timestamp }
};

KrFitting
kr_types_fitting(Oid to, Oid from)
{
	for (size_t i = 0; i < lengthof(fittings); i++)
	{
		if (fittings[i].to == to && fittings[i].from == from)
			return fittings[i].fitting;
	}
	return NULL;
}

bool
kr_types_has_fitting(Oid to)
{
	for (size_t i = 0; i < lengthof(fittings); i++)
	{
		if (fittings[i].to == to)
			return true;
	}
	return false;
}
