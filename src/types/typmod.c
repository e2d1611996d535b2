/*
 * src/types/typmod.c
 *
 * Type modifiers of encrypted columns: the mode, and after it what the base type's own
 * modifier was, so that encrypted_numeric(searchable,10,2) rounds like numeric(10,2).
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "types/call.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

KR_FUNCTION(keyring_typmod_in);
KR_FUNCTION(keyring_typmod_out);

static const char *const mode_names[] = {
	[KR_TYPMOD_RANDOMIZED] = "randomized",
	[KR_TYPMOD_SEARCHABLE] = "searchable"
};

static void
invalid_modifier(const KrBaseType *base)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid type modifier of type encrypted_%s", base->name),
			 base->fit != NULL ?
				 errhint("Write (randomized) or (searchable) after the type's name, and after that word the modifiers of type %s.", base->name) :
				 errhint("Write (randomized) or (searchable) after the type's name.")));
}

/* The mode that a word names, or -1. */
static int32
mode_of(const char *word)
{
	for (int i = 0; i < (int) lengthof(mode_names); i++)
	{
		if (pg_strcasecmp(word, mode_names[i]) == 0)
			return i;
	}
	return -1;
}

static Oid
base_typmod_function(Oid type, bool in)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	Oid result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = in ? form->typmodin : form->typmodout;
	ReleaseSysCache(tuple);
	return result;
}

/* The modifier of the base type that the remaining words make. */
static int32
base_modifier(const KrBaseType *base, Datum *words, int n)
{
	ArrayType *array;
	int32 typmod;

	if (base->fit == NULL)
		invalid_modifier(base);
	array = construct_array(words, n, CSTRINGOID, -2, false, TYPALIGN_CHAR);
	typmod = DatumGetInt32(OidFunctionCall1(base_typmod_function(base->oid, true), PointerGetDatum(array)));
	return typmod - base->modifier_min + 1;
}

Datum
keyring_typmod_in(PG_FUNCTION_ARGS)
{
	const KrBaseType *base = kr_types_base_of(fcinfo);
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	int32 modifier = 0;
	int32 mode;
	Datum *words;
	int n;

	/* the parser makes it a one-dimensional cstring[] without NULLs */
	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &words, NULL, &n);
	mode = n > 0 ? mode_of(DatumGetCString(words[0])) : -1;
	if (mode < 0)
		invalid_modifier(base);
	if (mode == KR_TYPMOD_SEARCHABLE && base->no_equality)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type encrypted_%s cannot be searchable: type %s has no equality", base->name, base->name),
				 errhint("Declare it (randomized), or use type encrypted_jsonb.")));
	if (n > 1)
		modifier = base_modifier(base, words + 1, n - 1);
	PG_RETURN_INT32(KR_TYPMOD_MAKE(mode, modifier));
}

/* "10,2" of what the base type prints: "(10,2)", "(3) without time zone". */
static char *
base_words(const KrBaseType *base, int32 typmod)
{
	Datum modifier = Int32GetDatum(kr_types_base_typmod(base, typmod));
	char *printed = DatumGetCString(OidFunctionCall1(base_typmod_function(base->oid, false), modifier));
	char *end = strchr(printed, ')');

	if (printed[0] != '(' || end == NULL)
		elog(ERROR, "unexpected type modifier \"%s\" of type %s", printed, base->name);
	*end = '\0';
	return printed + 1;
}

Datum
keyring_typmod_out(PG_FUNCTION_ARGS)
{
	const KrBaseType *base = kr_types_base_of(fcinfo);
	int32 typmod = PG_GETARG_INT32(0);
	int32 modifier = KR_TYPMOD_MODIFIER(typmod);
	const char *mode = mode_names[typmod & 1];

	if (typmod < 0 || (modifier > 0 && base->fit == NULL))
		PG_RETURN_CSTRING(pstrdup(""));
	if (modifier > 0)
		PG_RETURN_CSTRING(psprintf("(%s,%s)", mode, base_words(base, typmod)));
	PG_RETURN_CSTRING(psprintf("(%s)", mode));
}
