/*
 * src/search/guard.c
 *
 * The object access hook: the server calls it for each object that it has made,
 * changed or is about to drop, whichever statement did it. So the guards here need
 * not know statements.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "pg/extension.h"
#include "search/guard.h"
#include "search/hooks.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

static object_access_hook_type next_object_access = NULL;

HeapTuple
kr_search_read_row(Oid catalog, Oid index, AttrNumber oid_column, Oid oid)
{
	Relation rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple row;

	ScanKeyInit(&key, oid_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		row = heap_copytuple(row);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return row;
}

static void
check_created_relation(Oid relation)
{
	HeapTuple row = kr_search_read_row(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relation);
	char relkind;

	if (!HeapTupleIsValid(row))
		return;
	relkind = ((Form_pg_class) GETSTRUCT(row))->relkind;
	heap_freetuple(row);

	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
		kr_search_check_index(relation);
	else
		kr_search_check_relation(relation, relkind);
}

static void
check_created(Oid class_id, Oid object_id, int sub_id)
{
	switch (class_id)
	{
		case RelationRelationId:
			if (sub_id == 0)
				check_created_relation(object_id);
			else
				kr_search_check_column(object_id, sub_id, false);
			break;
		case AttrDefaultRelationId:
			/* named by its column, not by its own Oid */
			kr_search_check_default(object_id, sub_id);
			break;
		case ConstraintRelationId:
			kr_search_check_constraint(object_id);
			break;
		case TriggerRelationId:
			kr_search_check_trigger(object_id);
			break;
		case PolicyRelationId:
			kr_search_check_policy(object_id);
			break;
		case RewriteRelationId:
			kr_search_check_rule(object_id);
			break;
		case ProcedureRelationId:
			kr_search_check_function(object_id);
			break;
		case StatisticExtRelationId:
			kr_search_check_statistics(object_id);
			break;
		case TypeRelationId:
			kr_search_check_domain(object_id);
			break;
		default:
			break;
	}
}

static void
check_altered(Oid class_id, Oid object_id, int sub_id)
{
	switch (class_id)
	{
		case RelationRelationId:
			if (sub_id > 0)
				kr_search_check_column(object_id, sub_id, true);
			break;
		case PolicyRelationId:
			kr_search_check_policy(object_id);
			break;
		case TypeRelationId:
			kr_search_check_domain(object_id);
			break;
		default:
			break;
	}
}

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (next_object_access)
		next_object_access(access, class_id, object_id, sub_id, arg);

	switch (access)
	{
		case OAT_POST_CREATE:
			if (kr_search_active())
				check_created(class_id, object_id, sub_id);
			break;
		case OAT_POST_ALTER:
			if (kr_search_active())
				check_altered(class_id, object_id, sub_id);
			break;
		case OAT_DROP:
			/* in the middle of DROP EXTENSION some of its functions are gone: no look-up of encrypted types here */
			if (OidIsValid(kr_pg_schema()))
				kr_search_check_drop(class_id, object_id, sub_id);
			break;
		default:
			break;
	}
}

void
kr_search_guard_init(void)
{
	next_object_access = object_access_hook;
	object_access_hook = object_access;
}
