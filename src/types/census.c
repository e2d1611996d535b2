/*
 * src/types/census.c
 *
 * keyring_census: values per key. Relations are locked (AccessShareLock, as by
 * a query) before the snapshot is taken: a table that was rewritten in between, as
 * keyring_encrypt_column does, would look empty to an older snapshot.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "keys/census.h"
#include "keys/lifecycle.h"
#include "keys/value.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

KR_FUNCTION(keyring_census);

#define CENSUS_COLUMNS 4

/* Tables of which the caller wants to know: NIL for all. Partitions and heirs are included. */
static List *
wanted_relations(Oid relation)
{
	if (!OidIsValid(relation))
		return NIL;
	if (get_rel_name(relation) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation),
				 errhint("Name the table as in keyring_census('schema.table').")));
	LockRelationOid(relation, AccessShareLock);
	return find_all_inheritors(relation, AccessShareLock, NULL);
}

static bool
is_wanted(const KrEncryptedColumn *column, const List *relations, const char *name)
{
	if (relations != NIL && !list_member_oid(relations, column->relation))
		return false;
	return name == NULL || strcmp(get_attname(column->relation, column->attnum, false), name) == 0;
}

/* The encrypted columns to count, in relations that are all locked. */
static List *
wanted_columns(Oid relation, const char *name)
{
	List *relations = wanted_relations(relation);
	List *listed = kr_keys_encrypted_columns(InvalidOid);
	List *locked = NIL;
	List *result = NIL;
	ListCell *cell;

	foreach(cell, listed)
	{
		KrEncryptedColumn *column = lfirst(cell);

		if ((relations == NIL || list_member_oid(relations, column->relation)) &&
			!list_member_oid(locked, column->relation))
		{
			LockRelationOid(column->relation, AccessShareLock);
			locked = lappend_oid(locked, column->relation);
		}
	}

	/* what was dropped, or decrypted, before the lock was there is not listed again */
	listed = kr_keys_encrypted_columns(InvalidOid);
	foreach(cell, listed)
	{
		KrEncryptedColumn *column = lfirst(cell);

		if (list_member_oid(locked, column->relation) && is_wanted(column, relations, name))
			result = lappend(result, column);
	}
	return result;
}

static void
refuse_other_column(Oid relation, const char *name)
{
	AttrNumber attnum = get_attnum(relation, name);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, get_rel_name(relation)),
				 errhint("Write the name as the catalogs do: without quotes, in lower case unless it was quoted.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of \"%s\" is not encrypted", name, get_rel_name(relation)),
			 errhint("The view keyring_columns lists the encrypted columns.")));
}

/* values < 0: they cannot be counted from here; key_id 0: a key that this database does not have. */
static void
put_row(ReturnSetInfo *result, Oid relation, AttrNumber attnum, int32 key_id, int64 values)
{
	Datum row[CENSUS_COLUMNS];
	bool nulls[CENSUS_COLUMNS] = { false };
	NameData name;

	namestrcpy(&name, get_attname(relation, attnum, false));
	row[0] = ObjectIdGetDatum(relation);
	row[1] = NameGetDatum(&name);
	row[2] = Int32GetDatum(key_id);
	row[3] = Int64GetDatum(values);
	nulls[2] = key_id == 0;
	nulls[3] = values < 0;
	tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
}

/* One column's counts, of which those under no known key are added up. */
static void
put_column(ReturnSetInfo *result, const KrEncryptedColumn *column, const List *counts)
{
	int64 unknown = 0;
	ListCell *cell;

	foreach(cell, counts)
	{
		const KrKeyCount *count = lfirst(cell);
		int32 key_id;

		if (count->attnum != column->attnum)
			continue;
		if (!count->damaged && kr_keys_id_of_tag(count->tag, &key_id))
			put_row(result, column->relation, column->attnum, key_id, count->values);
		else
			unknown += count->values;
	}
	if (unknown > 0)
		put_row(result, column->relation, column->attnum, 0, unknown);
}

/*
 * Counts the columns of one relation in one scan; they begin at position first
 * of the list. Returns where the next relation's begin.
 */
static int
count_relation(ReturnSetInfo *result, const List *columns, int first, Snapshot snapshot)
{
	const KrEncryptedColumn *leader = list_nth(columns, first);
	AttrNumber attnums[MaxHeapAttributeNumber];
	int n = 0;
	List *counts = NIL;

	while (first + n < list_length(columns))
	{
		const KrEncryptedColumn *column = list_nth(columns, first + n);

		if (column->relation != leader->relation)
			break;
		attnums[n++] = column->attnum;
	}

	if (leader->stored && !leader->other_temp)
	{
		Relation relation = relation_open(leader->relation, NoLock);

		counts = kr_keys_census(relation, n, attnums, snapshot);
		relation_close(relation, NoLock);
	}
	for (int i = 0; i < n; i++)
	{
		if (leader->other_temp)
			put_row(result, leader->relation, attnums[i], 0, -1);
		else
			put_column(result, list_nth(columns, first + i), counts);
	}
	return first + n;
}

/* keyring_census(relation regclass, column_name name): either may be NULL, which means all. */
Datum
keyring_census(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	const char *name = PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1));
	List *columns;
	Snapshot snapshot;

	if (!kr_keys_has_capability("admin"))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to count encrypted values"),
				 errhint("A superuser gives the capability with keyring_grant(role, 'admin').")));
	InitMaterializedSRF(fcinfo, 0);

	columns = wanted_columns(relation, name);
	if (columns == NIL && OidIsValid(relation) && name != NULL)
		refuse_other_column(relation, name);

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int next = 0; next < list_length(columns);)
		next = count_relation(result, columns, next, snapshot);
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}
