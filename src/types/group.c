/*
 * src/types/group.c
 *
 * Finding the columns that change together.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "storage/lmgr.h"
#include "types/column_statement.h"
#include "types/group.h"
#include "types/survey.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#define KR_ALL_OWNERS "call this function as a role that has the rights of all owners, or drop the constraint"

/* The gathering of one conversion. */
typedef struct Gathering
{
	KrConversion *conversion;
	LOCKMODE lockmode;
	bool linked; /* whether foreign keys bring columns along */
} Gathering;

/* A parent that the table has this column from; InvalidOid without. */
static Oid
parent_with(Oid relation, const char *column)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	Oid result = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (!OidIsValid(result) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid parent = ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent;

		if (get_attnum(parent, column) > 0)
			result = parent;
	}
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return result;
}

/* Where ALTER TABLE has to begin. Of several parents the first: that the others are in the way is found as an obstacle. */
static Oid
top_of(Oid relation, const char *column)
{
	Oid parent;

	while (OidIsValid(parent = parent_with(relation, column)))
		relation = parent;
	return relation;
}

/* table: its name, if it was found before. */
static void
add_change(Gathering *gathering, Oid relation, char *table, const char *column, bool searchable)
{
	KrConversion *conversion = gathering->conversion;
	KrColumnChange *change = palloc0(sizeof(KrColumnChange));

	change->relation = relation;
	change->table = table;
	change->column = pstrdup(column);
	change->encrypt = conversion->encrypt;
	change->searchable = searchable;
	kr_types_plan_change(change);
	change->relations = find_all_inheritors(relation, gathering->lockmode, &change->numparents);
	conversion->changes = lappend(conversion->changes, change);
}

/* One may come twice, from two columns: lines are made unique where they are sorted. */
static void
add_line(KrConversion *conversion, char *line)
{
	conversion->lines = lappend(conversion->lines, line);
}

static char *
describe_column(Oid relation, AttrNumber attnum)
{
	return kr_types_describe(RelationRelationId, relation, attnum);
}

static char *
describe_key(const KrForeignKey *key)
{
	return kr_types_describe(ConstraintRelationId, key->oid, 0);
}

static bool
is_gathered(const KrConversion *conversion, Oid relation, AttrNumber attnum)
{
	ListCell *cell;

	foreach(cell, conversion->changes)
	{
		if (kr_types_changes_column(lfirst(cell), relation, attnum))
			return true;
	}
	return false;
}

/* The column at the other end of a foreign key. One that is of the type already may stay as it is. */
static void
bring_along(Gathering *gathering, const KrForeignKey *key, Oid relation, AttrNumber attnum)
{
	KrConversion *conversion = gathering->conversion;
	const KrColumnChange *named = linitial(conversion->changes);
	Oid type = get_atttype(relation, attnum);
	bool encrypted = kr_types_lookup(type) != NULL;
	char *column = get_attname(relation, attnum, true);
	Oid top;

	/* without a lock, it may be gone meanwhile */
	if (column == NULL || encrypted == conversion->encrypt || is_gathered(conversion, relation, attnum))
		return;
	if (conversion->encrypt && kr_types_counterpart(type) != named->type)
	{
		add_line(conversion, psprintf("%s joins a column of another kind, %s of type %s: give both the same type, or drop the constraint", describe_key(key), describe_column(relation, attnum), format_type_be(type)));
		return;
	}
	top = top_of(relation, column);
	if (!kr_pg_owns_relation(top))
	{
		/* otherwise the constraint is, which is enough to say */
		if (kr_pg_owns_relation(key->relation))
			add_line(conversion, psprintf("%s joins %s, which belongs to another role: " KR_ALL_OWNERS, describe_key(key), describe_column(relation, attnum)));
		return;
	}
	if (gathering->lockmode != NoLock)
		LockRelationOid(top, gathering->lockmode);
	add_change(gathering, top, NULL, column, true);
}

/* Follows a foreign key from the column, in both directions: it may lead back to the same table. */
static void
follow(Gathering *gathering, const KrColumnChange *change, KrForeignKey *key)
{
	KrConversion *conversion = gathering->conversion;
	bool touched = false;

	for (int i = 0; i < key->ncolumns; i++)
	{
		bool referencing = kr_types_changes_column(change, key->relation, key->columns[i]);
		bool referenced = kr_types_changes_column(change, key->referenced, key->referenced_columns[i]);

		touched |= referencing || referenced;
		if (referencing && gathering->linked)
			bring_along(gathering, key, key->referenced, key->referenced_columns[i]);
		if (referenced && gathering->linked)
			bring_along(gathering, key, key->relation, key->columns[i]);
	}
	if (touched ? gathering->linked : kr_types_changes_index(change, key))
		conversion->keys = list_append_unique_ptr(conversion->keys, key);
}

static bool
may_reference(Oid role, const KrForeignKey *key)
{
	if (pg_class_aclcheck(key->referenced, role, ACL_REFERENCES) == ACLCHECK_OK)
		return true;
	for (int i = 0; i < key->ncolumns; i++)
	{
		if (pg_attribute_aclcheck(key->referenced, key->referenced_columns[i], role, ACL_REFERENCES) != ACLCHECK_OK)
			return false;
	}
	return true;
}

/* Tables that have no column among those that change are looked at nowhere else. */
static void
check_pending(KrConversion *conversion, Oid relation)
{
	if (AfterTriggerPendingOnRel(relation))
		add_line(conversion, psprintf("%s " KR_PENDING_EVENTS, kr_types_describe(RelationRelationId, relation, 0)));
}

/* A foreign key is made by the owner of its table, who may have lost the right, or never had it if a superuser made it. */
static void
check_key(KrConversion *conversion, const KrForeignKey *key)
{
	Oid owner = kr_pg_owner_of(key->relation);

	check_pending(conversion, key->relation);
	check_pending(conversion, key->referenced);
	if (!kr_pg_owns_relation(key->relation))
		add_line(conversion, psprintf("%s belongs to another role, and has to be made again: " KR_ALL_OWNERS, describe_key(key)));
	else if (OidIsValid(owner) && !may_reference(owner, key))
		add_line(conversion, psprintf("%s could not be made again by the owner of its table: GRANT REFERENCES ON %s TO %s, or drop the constraint", describe_key(key), kr_types_qualified_name(key->referenced), quote_identifier(GetUserNameFromId(owner, false))));
}

KrConversion *
kr_types_gather(const KrColumnChange *named, LOCKMODE lockmode)
{
	KrConversion *conversion = palloc0(sizeof(KrConversion));
	Gathering gathering = { .conversion = conversion, .lockmode = lockmode };
	List *keys;
	ListCell *cell;

	conversion->encrypt = named->encrypt;
	gathering.linked = named->searchable || !named->encrypt;
	add_change(&gathering, named->relation, named->table, named->column, named->searchable);
	keys = kr_types_read_foreign_keys();

	/* by position: the list grows */
	for (int i = 0; i < list_length(conversion->changes); i++)
	{
		const KrColumnChange *change = list_nth(conversion->changes, i);

		foreach(cell, keys)
			follow(&gathering, change, lfirst(cell));
	}

	foreach(cell, conversion->keys)
		check_key(conversion, lfirst(cell));
	foreach(cell, conversion->changes)
		((KrColumnChange *) lfirst(cell))->together = conversion->changes;
	return conversion;
}
