/*
 * src/types/foreign_keys.c
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "types/foreign_keys.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static KrForeignKey *
read_foreign_key(HeapTuple tuple)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	KrForeignKey *key = palloc0(sizeof(KrForeignKey));

	key->oid = constraint->oid;
	key->relation = constraint->conrelid;
	key->referenced = constraint->confrelid;
	key->index = constraint->conindid;
	DeconstructFkConstraintRow(tuple, &key->ncolumns, key->columns, key->referenced_columns, NULL, NULL, NULL, NULL, NULL);
	return key;
}

/* There is no index by referenced table. */
List *
kr_types_read_foreign_keys(void)
{
	Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(constraints, ConstraintOidIndexId, true, NULL, 0, NULL);
	List *result = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);

		if (constraint->contype == CONSTRAINT_FOREIGN && !OidIsValid(constraint->conparentid))
			result = lappend(result, read_foreign_key(tuple));
	}
	systable_endscan(scan);
	table_close(constraints, AccessShareLock);
	return result;
}

bool
kr_types_changes_column(const KrColumnChange *change, Oid relation, AttrNumber attnum)
{
	return list_member_oid(change->relations, relation) && get_attnum(relation, change->column) == attnum;
}

bool
kr_types_changes_index(const KrColumnChange *change, const KrForeignKey *key)
{
	HeapTuple tuple;
	Form_pg_index index;
	bool result = false;

	if (!list_member_oid(change->relations, key->referenced))
		return false;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(key->index));
	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	for (int i = 0; i < index->indnatts && !result; i++)
		result = kr_types_changes_column(change, key->referenced, index->indkey.values[i]);
	ReleaseSysCache(tuple);
	return result;
}
