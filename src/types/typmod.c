/*
 * src/types/typmod.c
 *
 * The two kinds of encrypted column, as type modifiers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "keys/value.h"
#include "utils/array.h"
#include "utils/builtins.h"

KR_FUNCTION(keyring_typmod_in);
KR_FUNCTION(keyring_typmod_out);

static const char *const typmod_names[] = {
	[KR_TYPMOD_RANDOMIZED] = "randomized",
	[KR_TYPMOD_SEARCHABLE] = "searchable"
};

Datum
keyring_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum *words;
	int n;

	/* the parser makes it a one-dimensional cstring[] without NULLs */
	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &words, NULL, &n);
	for (int i = 0; n == 1 && i < (int) lengthof(typmod_names); i++)
	{
		if (pg_strcasecmp(DatumGetCString(words[0]), typmod_names[i]) == 0)
			PG_RETURN_INT32(i);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid type modifier of an encrypted type"),
			 errhint("Write (randomized) or (searchable) after the type's name.")));
}

Datum
keyring_typmod_out(PG_FUNCTION_ARGS)
{
	int32 typmod = PG_GETARG_INT32(0);

	if (typmod < 0 || typmod >= (int32) lengthof(typmod_names))
		PG_RETURN_CSTRING(pstrdup(""));
	PG_RETURN_CSTRING(psprintf("(%s)", typmod_names[typmod]));
}
