/*
 * src/types/basetype.c
 *
 * The table of base types.
 */
#include "postgres.h"

#include "types/basetype.h"
#include "utils/datum.h"

static const KrBaseType *const bases[] = {
	&kr_types_text,
	&kr_types_bytea
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
