/*
 * src/search/execute_into.c
 *
 * CREATE TABLE AS EXECUTE. What was prepared for a client gives plaintext, of base types; a table made of that would
 * have plain columns, where the query that was prepared reads encrypted ones. So the query is
 * prepared once more for the time of the statement, and analyzed inside of it, where results keep their types.
 */
#include "postgres.h"

#include "commands/prepare.h"
#include "nodes/parsenodes.h"
#include "search/execute_into.h"
#include "tcop/tcopprot.h"
#include "utils/plancache.h"

/* The utility statement that EXPLAIN or CREATE TABLE AS holds, or NULL. */
static Node *
contained(Node *query)
{
	return IsA(query, Query) ? ((Query *) query)->utilityStmt : NULL;
}

static ExecuteStmt *
executed(Node *statement)
{
	if (IsA(statement, ExplainStmt))
		statement = contained(((ExplainStmt *) statement)->query);
	if (statement == NULL || !IsA(statement, CreateTableAsStmt))
		return NULL;
	statement = contained(((CreateTableAsStmt *) statement)->query);
	return statement != NULL && IsA(statement, ExecuteStmt) ? (ExecuteStmt *) statement : NULL;
}

bool
kr_search_executes_into(Node *statement)
{
	return executed(statement) != NULL;
}

static CachedPlanSource *
prepare_again(CachedPlanSource *source)
{
	RawStmt *raw = copyObject(source->raw_parse_tree);
	CachedPlanSource *result = CreateCachedPlan(raw, source->query_string, source->commandTag);
	List *queries = pg_analyze_and_rewrite_fixedparams(raw, source->query_string, source->param_types,
													   source->num_params, NULL);

	CompleteCachedPlan(result, queries, NULL, source->param_types, source->num_params, NULL, NULL,
					   source->cursor_options, true);
	return result;
}

char *
kr_search_prepare_into(PlannedStmt **pstmt)
{
	ExecuteStmt *execute = executed((*pstmt)->utilityStmt);
	PreparedStatement *prepared = FetchPreparedStatement(execute->name, false);

	if (prepared == NULL || prepared->plansource->raw_parse_tree == NULL)
		return NULL;
	*pstmt = copyObject(*pstmt);
	execute = executed((*pstmt)->utilityStmt);

	/* no other statement has this address now */
	execute->name = psprintf("keyring %p", execute);
	StorePreparedStatement(execute->name, prepare_again(prepared->plansource), true);
	return execute->name;
}

void
kr_search_unprepare_into(const char *name)
{
	if (name != NULL)
		DropPreparedStatement(name, false);
}
