/*
 * src/types/basetype.c
 *
 * The table of base types, and what is the same for all of them.
 */
#include "postgres.h"

#include "types/basetype.h"
#include "utils/datum.h"

static const KrBaseType *const bases[] = {
	&kr_types_text, &kr_types_bytea,
	&kr_types_boolean, &kr_types_smallint, &kr_types_integer, &kr_types_bigint,
	&kr_types_real, &kr_types_double, &kr_types_numeric,
	&kr_types_date, &kr_types_time, &kr_types_timestamp, &kr_types_timestamptz, &kr_types_interval,
	&kr_types_uuid, &kr_types_inet,
	&kr_types_json, &kr_types_jsonb
};

const KrBaseType *
kr_types_base_at(int position)
{
	return position < (int) lengthof(bases) ? bases[position] : NULL;
}

const KrBaseType *
kr_types_base(Oid base)
{
	for (int i = 0; i < (int) lengthof(bases); i++)
	{
		if (bases[i]->oid == base)
			return bases[i];
	}
	return NULL;
}

void
kr_types_forget(const KrBaseType *base, Datum plain)
{
	if (base->by_value)
		return;
	explicit_bzero(DatumGetPointer(plain), datumGetSize(plain, false, base->typlen));
	pfree(DatumGetPointer(plain));
}

int32
kr_types_base_typmod(const KrBaseType *base, int32 typmod)
{
	int32 modifier = KR_TYPMOD_MODIFIER(typmod);

	return modifier == 0 || base->fit == NULL ? -1 : modifier - 1 + base->modifier_min;
}

Datum
kr_types_fit(const KrBaseType *base, Datum plain, int32 typmod)
{
	int32 modifier = kr_types_base_typmod(base, typmod);

	return likely(modifier < 0) ? plain : DirectFunctionCall2(base->fit, plain, Int32GetDatum(modifier));
}

struct varlena *
kr_types_seal(const KrBaseType *base, Datum plain, int32 typmod)
{
	Datum fitting = kr_types_fit(base, plain, typmod);
	struct varlena *result = base->seal(base, fitting, KR_TYPMOD_MODE(typmod));

	if (!base->by_value && DatumGetPointer(fitting) != DatumGetPointer(plain))
		kr_types_forget(base, fitting);
	return result;
}

int
kr_types_generic_compare(const KrBaseType *self, Datum a, Datum b, Oid collation)
{
	return DatumGetInt32(DirectFunctionCall2Coll(self->compare_function, collation, a, b));
}

bool
kr_types_generic_equal(const KrBaseType *self, Datum a, Datum b)
{
	return DatumGetInt32(DirectFunctionCall2(self->compare_function, a, b)) == 0;
}

uint32
kr_types_generic_hash(const KrBaseType *self, Datum plain)
{
	return DatumGetUInt32(DirectFunctionCall1(self->hash_function, plain));
}
