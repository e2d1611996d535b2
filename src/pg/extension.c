/*
 * src/pg/extension.c
 *
 * Where the extension is. What was looked up is forgotten when pg_type changes,
 * since CREATE and DROP EXTENSION make and drop types, and when pg_namespace
 * does; both callbacks also fire on a full reset of the caches.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "pg/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define KR_FORGETTERS 8

static bool schema_known = false;
static Oid schema = InvalidOid;
static uint64 changes = 0;

static bool callbacks_registered = false;
static void (*forgetters[KR_FORGETTERS])(void);
static int nforgetters = 0;

static void
forget_all(Datum arg, int cacheid, uint32 hashvalue)
{
	schema_known = false;
	changes++;
	for (int i = 0; i < nforgetters; i++)
		forgetters[i]();
}

static void
register_callbacks(void)
{
	if (callbacks_registered)
		return;
	CacheRegisterSyscacheCallback(TYPEOID, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_all, (Datum) 0);
	callbacks_registered = true;
}

void
kr_pg_on_change(void (*forget)(void))
{
	for (int i = 0; i < nforgetters; i++)
	{
		if (forgetters[i] == forget)
			return;
	}
	if (nforgetters == KR_FORGETTERS)
		elog(ERROR, "too many callbacks for catalog changes");
	forgetters[nforgetters++] = forget;
	register_callbacks();
}

static Oid
read_schema(void)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid result = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("keyring"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		result = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

Oid
kr_pg_schema(void)
{
	uint64 before;

	if (schema_known)
		return schema;

	/* no catalog can be read without a transaction, and nothing is worth remembering then */
	if (!IsTransactionState())
		return InvalidOid;

	register_callbacks();
	before = changes;
	schema = read_schema();

	/* not after an error, nor when a message arrived while the catalog was read */
	schema_known = before == changes;
	return schema;
}

static Oid
required_schema(void)
{
	Oid result = kr_pg_schema();

	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"keyring\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION keyring.")));
	return result;
}

static void
missing(const char *kind, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("%s \"%s\" of extension \"keyring\" is missing", kind, name),
			 errhint("Install the library of the version that pg_extension shows, or run ALTER EXTENSION keyring UPDATE.")));
}

Oid
kr_pg_relation(const char *name)
{
	Oid result = get_relname_relid(name, required_schema());

	if (!OidIsValid(result))
		missing("relation", name);
	return result;
}

Oid
kr_pg_function(const char *name, int nargs, const Oid *argtypes)
{
	oidvector *vector = buildoidvector(argtypes, nargs);
	Oid result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								 CStringGetDatum(name), PointerGetDatum(vector),
								 ObjectIdGetDatum(required_schema()));

	pfree(vector);
	if (!OidIsValid(result))
		missing("function", name);
	return result;
}

Oid
kr_pg_operator(const char *name, Oid left, Oid right)
{
	Oid result = GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
								 CStringGetDatum(name), ObjectIdGetDatum(left),
								 ObjectIdGetDatum(right), ObjectIdGetDatum(required_schema()));

	if (!OidIsValid(result))
		missing("operator", name);
	return result;
}

Oid
kr_pg_owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}
