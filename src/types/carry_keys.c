/*
 * src/types/carry_keys.c
 *
 * ALTER COLUMN ... TYPE makes foreign keys again by itself, but needs both columns
 * to have their new types by then, and forgets the state of triggers. So they are
 * dropped first and added last. The definition is PostgreSQL's own text; what that does not say is kept
 * beside it, for the constraint and for each that it has in partitions, which are told
 * apart by their two tables.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_trigger.h"
#include "commands/comment.h"
#include "commands/trigger.h"
#include "types/carry_keys.h"
#include "types/column_statement.h"
#include "types/new_names.h"
#include "types/run.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

/* A trigger that somebody has disabled or enabled otherwise than by default. */
typedef struct TriggerState
{
	Oid relation;
	Oid function; /* a foreign key has no two triggers of one function on one table */
	char enabled;
} TriggerState;

/* One constraint: that at the top, or that of a partition. */
typedef struct KeyState
{
	Oid relation;
	Oid referenced;
	char *name;
	char *comment; /* NULL without */
	List *triggers;
} KeyState;

struct KrCarriedKey
{
	Oid relation;
	char *name;
	char *definition; /* ALTER TABLE ... ADD CONSTRAINT */
	List *states;     /* KeyState */
};

/* The triggers of a constraint; the caller ends the scan and closes the catalog. */
static SysScanDesc
begin_trigger_scan(Relation catalog, Oid constraint)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_trigger_tgconstraint, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(constraint));
	return systable_beginscan(catalog, TriggerConstraintIndexId, true, NULL, 1, &key);
}

static List *
read_triggers(Oid constraint)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = begin_trigger_scan(catalog, constraint);
	List *result = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		TriggerState *state;

		if (trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN)
			continue;
		state = palloc(sizeof(TriggerState));
		state->relation = trigger->tgrelid;
		state->function = trigger->tgfoid;
		state->enabled = trigger->tgenabled;
		result = lappend(result, state);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

static char
wanted_state(const List *states, Form_pg_trigger trigger)
{
	ListCell *cell;

	foreach(cell, states)
	{
		const TriggerState *state = lfirst(cell);

		if (state->relation == trigger->tgrelid && state->function == trigger->tgfoid)
			return state->enabled;
	}
	return TRIGGER_FIRES_ON_ORIGIN;
}

/*
 * In the catalog: ALTER TABLE wants a superuser for triggers of constraints, and it was one who left them
 * in this state. To run a statement as a superuser for that would lend event triggers his rights.
 */
static void
restore_triggers(Oid constraint, const List *states)
{
	Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
	SysScanDesc scan = begin_trigger_scan(catalog, constraint);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		HeapTuple copy = heap_copytuple(tuple);
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(copy);
		char wanted = wanted_state(states, trigger);

		if (trigger->tgenabled != wanted)
		{
			trigger->tgenabled = wanted;
			CatalogTupleUpdate(catalog, &copy->t_self, copy);
			CacheInvalidateRelcacheByRelid(trigger->tgrelid);
		}
		heap_freetuple(copy);
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
}

/* The constraint and those that it has in partitions, at any depth. */
static List *
tree_of(Oid constraint)
{
	List *result = list_make1_oid(constraint);
	Relation catalog = table_open(ConstraintRelationId, AccessShareLock);

	/* by position: the list grows */
	for (int i = 0; i < list_length(result); i++)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple tuple;

		ScanKeyInit(&key, Anum_pg_constraint_conparentid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(list_nth_oid(result, i)));
		scan = systable_beginscan(catalog, ConstraintParentIndexId, true, NULL, 1, &key);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			result = lappend_oid(result, ((Form_pg_constraint) GETSTRUCT(tuple))->oid);
		systable_endscan(scan);
	}
	table_close(catalog, AccessShareLock);
	return result;
}

/* Name and tables alone. */
static KeyState *
read_names(Oid constraint)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;
	KeyState *state = palloc0(sizeof(KeyState));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", constraint);
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	state->relation = form->conrelid;
	state->referenced = form->confrelid;
	state->name = pstrdup(NameStr(form->conname));
	ReleaseSysCache(tuple);
	return state;
}

static KeyState *
read_state(Oid constraint)
{
	KeyState *state = read_names(constraint);

	state->comment = GetComment(constraint, ConstraintRelationId, 0);
	state->triggers = read_triggers(constraint);
	return state;
}

static const KeyState *
state_of(const KrCarriedKey *carried, const KeyState *now)
{
	ListCell *cell;

	foreach(cell, carried->states)
	{
		const KeyState *before = lfirst(cell);

		if (before->relation == now->relation && before->referenced == now->referenced)
			return before;
	}
	return NULL;
}

static void
restore_states(const KrCarriedKey *carried, Oid constraint)
{
	List *names = NIL;
	List *tree = tree_of(constraint);
	ListCell *cell;

	foreach(cell, tree)
	{
		const KeyState *now = read_names(lfirst_oid(cell));
		const KeyState *before = state_of(carried, now);

		if (before == NULL)
			continue;
		if (before->comment != NULL)
			CreateComments(lfirst_oid(cell), ConstraintRelationId, 0, before->comment);
		restore_triggers(lfirst_oid(cell), before->triggers);
		if (strcmp(before->name, now->name) != 0)
			names = kr_types_want_name(names, lfirst_oid(cell), before->name);
	}
	CommandCounterIncrement();
	kr_types_give_names(names, RenameConstraintById);
}

KrCarriedKey *
kr_types_take_key_off(const KrForeignKey *key)
{
	KrCarriedKey *carried = palloc0(sizeof(KrCarriedKey));
	List *tree = tree_of(key->oid);
	ListCell *cell;

	carried->relation = key->relation;
	foreach(cell, tree)
		carried->states = lappend(carried->states, read_state(lfirst_oid(cell)));
	carried->name = ((KeyState *) linitial(carried->states))->name;
	carried->definition = pg_get_constraintdef_command(key->oid);

	kr_types_run_as_owner(key->relation,
						  psprintf("ALTER TABLE %s DROP CONSTRAINT %s",
								   kr_types_qualified_name(key->relation), quote_identifier(carried->name)));
	return carried;
}

void
kr_types_restore_key(const KrCarriedKey *carried)
{
	kr_types_run_as_owner(carried->relation, carried->definition);
	restore_states(carried, get_relation_constraint_oid(carried->relation, carried->name, false));
}

bool
kr_types_is_of_partition(const KrCarriedKey *carried)
{
	return get_rel_relispartition(carried->relation);
}
