/*
 * src/search/utility.c
 *
 * The hook of utility statements: completes declared columns before they run,
 * refuses partition keys after, and tells the output functions and the log filter
 * what kind of statement it is.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "keys/lifecycle.h"
#include "keys/value.h"
#include "parser/parse_type.h"
#include "search/columns.h"
#include "search/execute_into.h"
#include "search/guard.h"
#include "search/held.h"
#include "search/hints.h"
#include "search/hooks.h"
#include "search/statement.h"
#include "tcop/utility.h"
#include "types/basetype.h"
#include "types/literal.h"
#include "utils/inval.h"

static ProcessUtility_hook_type next_process_utility = NULL;

static bool
declares_columns(Node *statement)
{
	return IsA(statement, CreateStmt) || IsA(statement, CreateForeignTableStmt) ||
		IsA(statement, AlterTableStmt);
}

/* Expressions of ADD COLUMN and ALTER COLUMN TYPE may print values into other columns; other commands only check. */
static bool
alter_only_checks(AlterTableStmt *statement)
{
	ListCell *lc;

	foreach(lc, statement->cmds)
	{
		AlterTableType subtype = lfirst_node(AlterTableCmd, lc)->subtype;

		if (subtype == AT_AddColumn || subtype == AT_AlterColumnType)
			return false;
	}
	return true;
}

/* Whether what a statement prints of encrypted values can only be a violated constraint. */
static bool
prints_errors_only(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CopyStmt:
			return ((CopyStmt *) statement)->is_from;
		case T_AlterTableStmt:
			return alter_only_checks((AlterTableStmt *) statement);
		case T_ConstraintsSetStmt:
		case T_IndexStmt:
		case T_ReindexStmt:
			return true;
		default:
			return false;
	}
}

/* The relation that COPY FROM, CREATE INDEX or ALTER TABLE works on, or NULL. */
static RangeVar *
filled_or_indexed(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CopyStmt:
			return ((CopyStmt *) statement)->is_from ? ((CopyStmt *) statement)->relation : NULL;
		case T_IndexStmt:
			return ((IndexStmt *) statement)->relation;
		case T_AlterTableStmt:
			return ((AlterTableStmt *) statement)->relation;
		default:
			return NULL;
	}
}

static bool
makes_encrypted_column(CreateStmt *statement)
{
	ListCell *lc;

	foreach(lc, statement->tableElts)
	{
		ColumnDef *column = lfirst(lc);

		if (IsA(column, ColumnDef) && column->typeName != NULL &&
			kr_types_lookup(LookupTypeNameOid(NULL, column->typeName, true)) != NULL)
			return true;
	}
	return false;
}

/* Tells the error hooks what a statement may quote: the lines of COPY, or values too large for an index. */
static void
expect_errors(Node *statement)
{
	RangeVar *relation = filled_or_indexed(statement);

	kr_search_declares_encrypted = IsA(statement, CreateStmt) && makes_encrypted_column((CreateStmt *) statement);
	if (relation == NULL || !kr_search_has_encrypted_column(RangeVarGetRelid(relation, NoLock, true)))
		return;
	if (IsA(statement, CopyStmt))
		kr_search_hide_context = true;
	else
		kr_keys_made_searchable = kr_search_declares_encrypted = true;
}

static bool
refreshes_concurrently(Node *statement)
{
	return IsA(statement, RefreshMatViewStmt) && ((RefreshMatViewStmt *) statement)->concurrent;
}

/* Whether a statement analyzes a query that a client has prepared, is preparing or wants explained. */
static bool
is_transparent(Node *statement)
{
	Query *explained;

	if (!IsA(statement, ExplainStmt))
		return IsA(statement, PrepareStmt) || IsA(statement, ExecuteStmt);
	/* from 18 on, the query of EXPLAIN CREATE TABLE AS comes here again: its rows go to the table */
	explained = (Query *) ((ExplainStmt *) statement)->query;
	return !IsA(explained, Query) || explained->utilityStmt == NULL || !IsA(explained->utilityStmt, CreateTableAsStmt);
}

/* Runs the statement, between entering and leaving it. */
static void
run(PlannedStmt *pstmt, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
	ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	ProcessUtility_hook_type next = next_process_utility ? next_process_utility : standard_ProcessUtility;
	Node *statement = pstmt->utilityStmt;
	bool hide_context = kr_search_hide_context;
	char *volatile prepared = NULL;
	volatile bool procedure = false;
	KrStatement saved;

	kr_search_enter(&saved, prints_errors_only(statement));
	saved.transparent = is_transparent(statement);
	kr_types_hook_follows = saved.transparent; /* rules and the bodies of functions are parsed without it */
	if (IsA(statement, PrepareStmt))
		saved.declared = ((PrepareStmt *) statement)->argtypes;
	PG_TRY();
	{
		expect_errors(statement);
		if (refreshes_concurrently(statement))
			kr_search_refreshing = true;
		kr_search_creating = IsA(statement, CreateTableAsStmt);
		if (kr_search_executes_into(statement))
			prepared = kr_search_prepare_into(&pstmt);
		procedure = kr_search_note_procedure(statement, context);
		next(pstmt, query_string, read_only_tree, context, params, environment, dest, completion);
		if (IsA(statement, CreateStmt) && ((CreateStmt *) statement)->partspec != NULL)
			kr_search_check_partition_key(((CreateStmt *) statement)->relation);
		if (IsA(statement, DeclareCursorStmt))
			kr_search_note_cursor((DeclareCursorStmt *) statement);

		/* not after an error: the log is yet to be written */
		kr_search_hide_context = hide_context;
	}
	PG_CATCH();
	{
		if (procedure)
			kr_keys_end_procedure();
		kr_search_unprepare_into(prepared);
		kr_search_leave(&saved, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (procedure)
		kr_keys_end_procedure();
	kr_search_unprepare_into(prepared);
	kr_search_leave(&saved, false);
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	ProcessUtility_hook_type next = next_process_utility ? next_process_utility : standard_ProcessUtility;

	/* also where the extension is not installed: roles are the whole cluster's */
	kr_search_check_setting(pstmt->utilityStmt);
	if (IsA(pstmt->utilityStmt, TransactionStmt) || !kr_search_active())
	{
		next(pstmt, query_string, read_only_tree, context, params, environment, dest, completion);
		return;
	}

	AcceptInvalidationMessages();
	kr_search_forget_drops();
	kr_search_check_server(pstmt->utilityStmt);
	if (declares_columns(pstmt->utilityStmt))
	{
		if (read_only_tree)
			pstmt = copyObject(pstmt);
		read_only_tree = false;
		kr_search_complete_columns(pstmt->utilityStmt);
	}
	run(pstmt, query_string, read_only_tree, context, params, environment, dest, completion);
}

void
kr_search_utility_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
