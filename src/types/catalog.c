/*
 * src/types/catalog.c
 *
 * What the catalogs of this database hold for each base type, kept in a static
 * table that is filled again after types or the extension have changed. A type
 * whose support functions are not all there yet is left out and looked for again: that
 * is so only while the extension's own script runs.
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "pg/extension.h"
#include "types/basetype.h"
#include "types/call.h"
#include "types/fitting.h"
#include "types/init.h"
#include "types/kept.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define KR_MAX_TYPES 32

static KrEncryptedType types[KR_MAX_TYPES];
static int ntypes = 0;
static bool filled = false;
static uint64 changes = 0;

/* One type being looked up: where, and whether everything was found. */
typedef struct Search
{
	Oid schema;
	const char *base;
	bool complete;
} Search;

static void
forget_types(void)
{
	filled = false;
	changes++;
	kr_types_forget_calls();
}

void
kr_types_init(void)
{
	kr_pg_on_change(forget_types);
	kr_types_kept_init();
}

static Oid
find_function(Search *search, const char *suffix, int nargs, Oid a, Oid b, Oid c)
{
	Oid args[3] = { a, b, c };
	oidvector *vector = buildoidvector(args, nargs);
	char *name = psprintf("keyring_%s_%s", search->base, suffix);
	Oid result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								 CStringGetDatum(name), PointerGetDatum(vector),
								 ObjectIdGetDatum(search->schema));

	pfree(vector);
	pfree(name);
	search->complete &= OidIsValid(result);
	return result;
}

static Oid
find_operator(Search *search, const char *name, Oid left, Oid right)
{
	Oid result = GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
								 CStringGetDatum(name), ObjectIdGetDatum(left),
								 ObjectIdGetDatum(right), ObjectIdGetDatum(search->schema));

	search->complete &= OidIsValid(result);
	return result;
}

static void
find_operators(Oid out[3], Search *search, const char *name, Oid enc, Oid base)
{
	out[KR_ENC_ENC] = find_operator(search, name, enc, enc);
	out[KR_ENC_BASE] = find_operator(search, name, enc, base);
	out[KR_BASE_ENC] = find_operator(search, name, base, enc);
}

static Oid
find_type(Oid schema, const KrBaseType *base)
{
	char name[NAMEDATALEN];

	snprintf(name, sizeof(name), "encrypted_%s", base->name);
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name), ObjectIdGetDatum(schema));
}

/* Fills one entry; false when a part of it is missing. */
static bool
fill_type(KrEncryptedType *out, const KrBaseType *base, Oid enc, Oid schema)
{
	Search search = { .schema = schema, .base = base->name, .complete = true };

	memset(out, 0, sizeof(*out));
	out->base = base;
	out->oid = enc;
	out->array = get_array_type(enc);
	out->base_array = get_array_type(base->oid);
	out->seal = find_function(&search, "seal", 3, base->oid, INT4OID, BOOLOID);
	out->coerce = find_function(&search, "coerce", 3, enc, INT4OID, BOOLOID);
	out->accept = find_function(&search, "accept", 2, enc, INT4OID, InvalidOid);
	out->open = find_function(&search, "open", 1, enc, InvalidOid, InvalidOid);
	if (base->no_equality)
		return search.complete && OidIsValid(out->array) && OidIsValid(out->base_array);

	out->operand = find_function(&search, "operand", 1, base->oid, InvalidOid, InvalidOid);
	out->compared = find_function(&search, "compared", 1, base->oid, InvalidOid, InvalidOid);
	out->operand_self = find_function(&search, "operand", 1, enc, InvalidOid, InvalidOid);
	out->operands = find_function(&search, "operands", 1, out->base_array, InvalidOid, InvalidOid);
	out->operands_self = find_function(&search, "operands", 1, out->array, InvalidOid, InvalidOid);
	if (kr_types_has_fitting(base->oid))
	{
		out->fitting = find_function(&search, "fitting", 1, ANYELEMENTOID, InvalidOid, InvalidOid);
		out->fittings = find_function(&search, "fittings", 1, ANYARRAYOID, InvalidOid, InvalidOid);
	}
	out->token_eq = find_function(&search, "token_eq", 2, enc, enc, InvalidOid);
	find_operators(out->eq, &search, "=", enc, base->oid);
	find_operators(out->ne, &search, "<>", enc, base->oid);
	find_operators(out->lt, &search, "<", enc, base->oid);
	find_operators(out->le, &search, "<=", enc, base->oid);
	find_operators(out->gt, &search, ">", enc, base->oid);
	find_operators(out->ge, &search, ">=", enc, base->oid);
	out->token_lt = find_operator(&search, "~<~", enc, enc);
	out->token_gt = find_operator(&search, "~>~", enc, enc);
	return search.complete && OidIsValid(out->array) && OidIsValid(out->base_array);
}

/* The library is newer than what CREATE EXTENSION made: encrypted columns would be left without care. */
static void
warn_incomplete(const char *base)
{
	static bool warned = false;

	if (warned || creating_extension)
		return;
	warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("type \"encrypted_%s\" of extension \"keyring\" is incomplete in this database", base),
			 errdetail("Without its functions, constants, ORDER BY and guards of encrypted columns do not work."),
			 errhint("Run ALTER EXTENSION keyring UPDATE, or install the library that fits the extension's version.")));
}

static void
fill(void)
{
	Oid schema = kr_pg_schema();
	uint64 before = changes;
	const KrBaseType *base;
	bool complete = true;
	int n = 0;

	for (int i = 0; (base = kr_types_base_at(i)) != NULL; i++)
	{
		Oid enc = find_type(schema, base);
		KrEncryptedType entry;

		Assert(n < KR_MAX_TYPES);
		if (!OidIsValid(enc))
			continue;
		if (fill_type(&entry, base, enc, schema))
			types[n++] = entry;
		else
		{
			complete = false;
			warn_incomplete(base->name);
		}
	}
	ntypes = n;

	/* a change that arrived while the catalogs were read must not be overlooked */
	filled = complete && before == changes;
}

/* False where there is nothing to find: not installed, or no transaction in which a catalog could be read. */
static inline bool
ready(void)
{
	if (likely(filled))
		return ntypes > 0;
	if (!IsTransactionState() || !OidIsValid(kr_pg_schema()))
		return false;
	fill();
	return ntypes > 0;
}

bool
kr_types_present(void)
{
	return ready();
}

const KrEncryptedType *
kr_types_lookup(Oid type)
{
	if (type < FirstNormalObjectId || !ready())
		return NULL;
	for (int i = 0; i < ntypes; i++)
	{
		if (types[i].oid == type)
			return &types[i];
	}
	return NULL;
}

const KrEncryptedType *
kr_types_of_base(Oid base)
{
	if (!ready())
		return NULL;
	for (int i = 0; i < ntypes; i++)
	{
		if (types[i].base->oid == base)
			return &types[i];
	}
	return NULL;
}

const KrEncryptedType *
kr_types_of_array(Oid array)
{
	if (array < FirstNormalObjectId || !ready())
		return NULL;
	for (int i = 0; i < ntypes; i++)
	{
		if (types[i].array == array)
			return &types[i];
	}
	return NULL;
}
