/*
 * src/types/convert.c
 *
 * Encrypting an existing column, and the way back, with the columns that foreign keys link it
 * with.
 *
 * Order of locks: none until there is a key to seal or open with; then AccessShareLock while
 * obstacles are looked for, so that busy tables are not stopped for a conversion
 * that cannot be; given back, and AccessExclusiveLock on the tables in the order of lock_order.c,
 * each with all that inherit from it, parents first as ALTER TABLE takes them; then obstacles are
 * looked for again, as there may be new ones. A foreign key may have come in between, and brings
 * tables that are locked then; from a table that is locked none can come or go.
 *
 * What a table's owner has attached to it (CHECKs, indexes) calls functions of the owner's
 * choice, when it is planned and for each row. So whoever calls, obstacles are looked for and
 * ALTER TABLE runs with the owner's rights, as REINDEX and CLUSTER do; and with a search_path
 * that holds nothing a user can put objects into: the expressions are parsed again for
 * the new type, and an operator found elsewhere could take a plaintext with it.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/tablecmds.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "types/carry_indexes.h"
#include "types/carry_keys.h"
#include "types/column_statement.h"
#include "types/convert.h"
#include "types/group.h"
#include "types/obstacles.h"
#include "types/run.h"
#include "types/survey.h"
#include "types/table_owner.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* All lines, sorted, each once: one object may be in the way of two columns. */
static List *
all_obstacles(const KrConversion *conversion)
{
	List *lines = list_copy(conversion->lines);
	List *result = NIL;
	ListCell *cell;

	foreach(cell, conversion->changes)
	{
		const KrColumnChange *change = lfirst(cell);
		KrIdentity caller = kr_types_enter_owner(change->relation);

		lines = list_concat(lines, kr_types_obstacles(change));
		kr_types_leave_owner(caller);
	}
	list_sort(lines, compare_lines);
	foreach(cell, lines)
	{
		if (result == NIL || strcmp(llast(result), lfirst(cell)) != 0)
			result = lappend(result, lfirst(cell));
	}
	return result;
}

static void
refuse_obstacles(const KrConversion *conversion)
{
	const KrColumnChange *named = linitial(conversion->changes);
	const char *verb = kr_types_verb(conversion->encrypt);
	List *lines = all_obstacles(conversion);
	StringInfoData detail;
	ListCell *cell;

	if (lines == NIL)
		return;

	initStringInfo(&detail);
	foreach(cell, lines)
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? "\n" : "", (char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("cannot %s column \"%s\" of \"%s\": %d object stands in the way",
						   "cannot %s column \"%s\" of \"%s\": %d objects stand in the way",
						   list_length(lines), verb, named->column, named->table, list_length(lines)),
			 errdetail_internal("%s", detail.data),
			 errhint("Do what each line says, in the same transaction if you like, and call keyring_%s_column again.", verb)));
}

static void
require_reading_owner(const KrColumnChange *change)
{
	KrIdentity caller = kr_types_enter_owner(change->relation);

	kr_keys_require_reader();
	kr_types_leave_owner(caller);
}

/* Throws what sealing would throw (no primary, no way to its key) while there is nothing to undo; for decryption, KR008. */
static void
require_key(const KrColumnChange *change)
{
	if (!change->encrypt)
	{
		/* the owner too: it gets the plaintext, and its functions see it on the way */
		kr_keys_require_reader();
		require_reading_owner(change);
	}
	else
		pfree(kr_keys_seal(change->type->base->oid, "", 0, NULL));
}

/* Looks for obstacles under locks that stop nobody, and gives them back. */
static KrConversion *
inspect_unlocked(const KrColumnChange *named)
{
	KrConversion *conversion;
	ListCell *cell;

	LockRelationOid(named->relation, AccessShareLock);
	conversion = kr_types_gather(named, AccessShareLock);
	refuse_obstacles(conversion);
	foreach(cell, conversion->changes)
	{
		const KrColumnChange *change = lfirst(cell);
		ListCell *relation;

		if (!change->encrypt)
			require_reading_owner(change);
		foreach(relation, change->relations)
			UnlockRelationOid(lfirst_oid(relation), AccessShareLock);
	}
	return conversion;
}

/* The same under exclusive locks, which stay. */
static KrConversion *
inspect_locked(const KrColumnChange *named, KrConversion *conversion)
{
	List *locked = NIL;
	List *tables = kr_types_lock_order(conversion);

	do
	{
		ListCell *cell;

		foreach(cell, tables)
		{
			LockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
			(void) find_all_inheritors(lfirst_oid(cell), AccessExclusiveLock, NULL);
		}
		locked = list_concat(locked, tables);
		conversion = kr_types_gather(named, NoLock);
		tables = list_difference_oid(kr_types_lock_order(conversion), locked);
	} while (tables != NIL);

	refuse_obstacles(conversion);
	return conversion;
}

static int64
size_of(const KrColumnChange *change)
{
	int64 size = 0;
	ListCell *cell;

	foreach(cell, change->relations)
		size += DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(lfirst_oid(cell))));
	return size;
}

static char *
size_in_words(int64 size)
{
	return TextDatumGetCString(DirectFunctionCall1(pg_size_pretty, Int64GetDatum(size)));
}

/* Tables where changes begin, each once: one may have several of the columns. */
static List *
tables_of(const KrConversion *conversion)
{
	List *result = NIL;
	ListCell *cell;

	foreach(cell, conversion->changes)
		result = list_append_unique_oid(result, ((const KrColumnChange *) lfirst(cell))->relation);
	return result;
}

static const char *
left_behind(const KrColumnChange *change)
{
	if (change->old_type == change->new_type)
		return change->searchable ? NULL : "WAL, backups and replicas made before now, and freed space on disk, still tell which values are equal.";
	return change->encrypt ? "WAL, backups and replicas made before now, and freed space on disk, still hold the values in plaintext." : NULL;
}

static void
announce_one(const KrColumnChange *change)
{
	const char *left = left_behind(change);

	ereport(NOTICE,
			(errmsg("keyring_%s_column rewrites table \"%s\" under an exclusive lock: %s with its indexes",
					kr_types_verb(change->encrypt), change->table, size_in_words(size_of(change))),
			 left != NULL ? errdetail_internal("%s", left) : 0));
}

static void
announce_group(const KrConversion *conversion)
{
	const char *left = left_behind(linitial(conversion->changes));
	List *counted = NIL;
	StringInfoData detail;
	int64 total = 0;
	ListCell *cell;

	initStringInfo(&detail);
	foreach(cell, conversion->changes)
	{
		const KrColumnChange *change = lfirst(cell);
		int64 size = size_of(change);

		appendStringInfo(&detail, "%s: %s\n",
						 kr_types_describe(RelationRelationId, change->relation, get_attnum(change->relation, change->column)),
						 size_in_words(size));
		if (!list_member_oid(counted, change->relation))
			total += size;
		counted = list_append_unique_oid(counted, change->relation);
	}
	appendStringInfo(&detail, "%s%s%s", "They are linked by foreign keys, which are dropped first and added again as they were.",
					 left != NULL ? "\n" : "", left != NULL ? left : "");
	ereport(NOTICE,
			(errmsg_plural("keyring_%s_column rewrites %d table under an exclusive lock: %s with its indexes",
						   "keyring_%s_column rewrites %d tables under exclusive locks: %s with their indexes",
						   list_length(counted), kr_types_verb(conversion->encrypt), list_length(counted), size_in_words(total)),
			 errdetail_internal("%s", detail.data)));
}

static void
set_for_this_call(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Throws when a query or a cursor of this session reads a table, as "SELECT keyring_encrypt_column(...) FROM t" does. */
static void
refuse_use(const KrConversion *conversion)
{
	List *tables = kr_types_lock_order(conversion);
	ListCell *cell;

	foreach(cell, tables)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);

		CheckTableNotInUse(relation, conversion->encrypt ? "encrypt a column of" : "decrypt a column of");
		relation_close(relation, NoLock);
	}
}

/* Those of partitions first: what a partitioned table adds to them then finds their names taken. */
static void
restore_keys(const List *carried)
{
	ListCell *cell;

	foreach(cell, carried)
	{
		if (kr_types_is_of_partition(lfirst(cell)))
			kr_types_restore_key(lfirst(cell));
	}
	foreach(cell, carried)
	{
		if (!kr_types_is_of_partition(lfirst(cell)))
			kr_types_restore_key(lfirst(cell));
	}
}

static void
convert_table(Oid table, const KrConversion *conversion)
{
	List *indexes = kr_types_note_indexes(table);
	List *statements = kr_types_change_statements(table, conversion->changes);
	ListCell *cell;

	foreach(cell, statements)
	{
		const KrTableStatement *statement = lfirst(cell);

		kr_types_run_as_owner(statement->relation, statement->sql);
	}
	CommandCounterIncrement();
	kr_types_restore_indexes(table, indexes);
}

static void
convert(const KrConversion *conversion)
{
	List *tables = tables_of(conversion);
	List *keys = NIL;
	ListCell *cell;

	foreach(cell, conversion->keys)
		keys = lappend(keys, kr_types_take_key_off(lfirst(cell)));
	foreach(cell, tables)
		convert_table(lfirst_oid(cell), conversion);
	restore_keys(keys);
}

static void
change_columns(KrColumnChange *named)
{
	int nest_level;
	KrConversion *conversion;

	PreventCommandIfReadOnly(named->encrypt ? "keyring_encrypt_column()" : "keyring_decrypt_column()");
	kr_types_plan_change(named);
	require_key(named);

	nest_level = NewGUCNestLevel();
	set_for_this_call("search_path", "pg_catalog, pg_temp");
	set_for_this_call("keyring.input_format", "plaintext");
	set_for_this_call("keyring.output_format", "plaintext");

	conversion = inspect_locked(named, inspect_unlocked(named));
	refuse_use(conversion);
	if (list_length(conversion->changes) > 1)
		announce_group(conversion);
	else
		announce_one(linitial(conversion->changes));
	convert(conversion);
	AtEOXact_GUC(false, nest_level);
}

void
kr_types_encrypt_column(Oid relation, const char *column, bool searchable)
{
	KrColumnChange named = { .relation = relation, .column = pstrdup(column), .encrypt = true, .searchable = searchable };

	change_columns(&named);
}

void
kr_types_decrypt_column(Oid relation, const char *column)
{
	KrColumnChange named = { .relation = relation, .column = pstrdup(column), .encrypt = false };

	change_columns(&named);
}
