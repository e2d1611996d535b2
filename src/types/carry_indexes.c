/*
 * src/types/carry_indexes.c
 *
 * An index of a partition is found again by its table and by the index of the partitioned
 * table that it belongs to, whose name does not change: there is one of each.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/reloptions.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "commands/cluster.h"
#include "commands/comment.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "types/carry_indexes.h"
#include "types/column_statement.h"
#include "types/new_names.h"
#include "types/run.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct IndexState
{
	Oid oid;
	Oid relation;
	Oid top_relation; /* of the index at the top */
	char *top_name;
	char *name;
	char *comment;            /* NULL without */
	char *constraint_comment; /* NULL without */
	List *options;            /* DefElem */
	Oid tablespace;
	bool clustered;
	bool identity; /* REPLICA IDENTITY USING INDEX */
} IndexState;

static void
read_class(IndexState *state)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(state->oid));
	Datum options;
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", state->oid);
	state->name = pstrdup(NameStr(((Form_pg_class) GETSTRUCT(tuple))->relname));
	state->tablespace = ((Form_pg_class) GETSTRUCT(tuple))->reltablespace;
	options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &isnull);
	state->options = isnull ? NIL : untransformRelOptions(options);
	ReleaseSysCache(tuple);
}

static void
read_index(IndexState *state)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(state->oid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for index %u", state->oid);
	state->clustered = ((Form_pg_index) GETSTRUCT(tuple))->indisclustered;
	state->identity = ((Form_pg_index) GETSTRUCT(tuple))->indisreplident;
	ReleaseSysCache(tuple);
}

static IndexState *
read_state(Oid index, Oid relation)
{
	IndexState *state = palloc0(sizeof(IndexState));
	Oid constraint = get_index_constraint(index);
	Oid top = index;

	while (get_rel_relispartition(top))
		top = get_partition_parent(top, false);
	state->oid = index;
	state->relation = relation;
	state->top_relation = IndexGetRelation(top, false);
	state->top_name = get_rel_name(top);
	state->comment = GetComment(index, RelationRelationId, 0);
	if (OidIsValid(constraint))
		state->constraint_comment = GetComment(constraint, ConstraintRelationId, 0);
	read_class(state);
	read_index(state);
	return state;
}

/* Of the table and its partitions; those at the top keep everything without help. */
List *
kr_types_note_indexes(Oid table)
{
	List *relations = find_all_inheritors(table, NoLock, NULL);
	List *result = NIL;
	ListCell *cell;

	foreach(cell, relations)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);
		List *indexes = RelationGetIndexList(relation);
		ListCell *index;

		foreach(index, indexes)
		{
			if (get_rel_relispartition(lfirst_oid(index)))
				result = lappend(result, read_state(lfirst_oid(index), lfirst_oid(cell)));
		}
		relation_close(relation, NoLock);
	}
	return result;
}

/* What was noted of an index that is there now; NULL if it was never away. */
static const IndexState *
state_before(const List *noted, const IndexState *now)
{
	const IndexState *result = NULL;
	ListCell *cell;

	foreach(cell, noted)
	{
		const IndexState *state = lfirst(cell);

		if (state->oid == now->oid)
			return NULL;
		if (state->relation == now->relation && state->top_relation == now->top_relation &&
			strcmp(state->top_name, now->top_name) == 0)
			result = state;
	}
	return result;
}

static void
rename_index(Oid index, const char *name)
{
	RenameRelationInternal(index, name, true, true);
}

/* Comments of the index at the top were copied to it. */
static void
restore_comments(const IndexState *now, const IndexState *before)
{
	Oid constraint = get_index_constraint(now->oid);

	CreateComments(now->oid, RelationRelationId, 0, before->comment);
	if (OidIsValid(constraint))
		CreateComments(constraint, ConstraintRelationId, 0, before->constraint_comment);
}

/* "(fillfactor='70')", or the names alone. */
static char *
options_text(List *options, bool values)
{
	StringInfoData text;
	ListCell *cell;

	initStringInfo(&text);
	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);

		appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "(", quote_identifier(option->defname));
		if (values)
			appendStringInfo(&text, "=%s", quote_literal_cstr(defGetString(option)));
	}
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* Those of an index that is partitioned itself cannot be changed, and say nothing about what is stored. */
static void
restore_options(const IndexState *now, const IndexState *before, const char *index)
{
	if (equal(now->options, before->options) || get_rel_relkind(now->oid) == RELKIND_PARTITIONED_INDEX)
		return;
	if (now->options != NIL)
		kr_types_run_as_owner(now->relation, psprintf("ALTER INDEX %s RESET %s", index, options_text(now->options, false)));
	if (before->options != NIL)
		kr_types_run_as_owner(now->relation, psprintf("ALTER INDEX %s SET %s", index, options_text(before->options, true)));
}

static void
restore_tablespace(const IndexState *now, const IndexState *before, const char *index)
{
	Oid tablespace = OidIsValid(before->tablespace) ? before->tablespace : MyDatabaseTableSpace;

	if (now->tablespace != before->tablespace)
		kr_types_run_as_owner(now->relation,
							  psprintf("ALTER INDEX %s SET TABLESPACE %s", index,
									   quote_identifier(get_tablespace_name(tablespace))));
}

static void
restore_marks(const IndexState *now, const IndexState *before)
{
	if (before->clustered)
	{
		Relation relation = relation_open(now->relation, NoLock);

		mark_index_clustered(relation, now->oid, true);
		relation_close(relation, NoLock);
		CommandCounterIncrement();
	}
	if (before->identity)
		kr_types_run_as_owner(now->relation,
							  psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s",
									   kr_types_qualified_name(now->relation), quote_identifier(before->name)));
}

/* An index that was made again, and what it was. */
typedef struct MadeIndex
{
	const IndexState *now;
	const IndexState *before;
} MadeIndex;

static List *
made_indexes(Oid table, const List *noted)
{
	List *indexes = noted == NIL ? NIL : kr_types_note_indexes(table);
	List *result = NIL;
	ListCell *cell;

	foreach(cell, indexes)
	{
		MadeIndex *made = palloc(sizeof(MadeIndex));

		made->now = lfirst(cell);
		made->before = state_before(noted, made->now);
		if (made->before != NULL)
			result = lappend(result, made);
	}
	return result;
}

void
kr_types_restore_indexes(Oid table, const List *noted)
{
	List *indexes = made_indexes(table, noted);
	List *names = NIL;
	ListCell *cell;

	foreach(cell, indexes)
	{
		const MadeIndex *index = lfirst(cell);

		restore_comments(index->now, index->before);
		if (strcmp(index->now->name, index->before->name) != 0)
			names = kr_types_want_name(names, index->now->oid, index->before->name);
	}
	CommandCounterIncrement();
	kr_types_give_names(names, rename_index);

	foreach(cell, indexes)
	{
		const MadeIndex *index = lfirst(cell);
		char *name = kr_types_qualified_name(index->now->oid);

		restore_options(index->now, index->before, name);
		restore_tablespace(index->now, index->before, name);
		restore_marks(index->now, index->before);
	}
}
