/*
 * src/search/rewrite.c
 *
 * Two hooks see the trees of queries. After parse analysis, literals are turned back
 * into base-typed ones, so that nothing that is stored depends on a key. Before
 * planning, when rules and views are expanded, the tree is prepared for execution.
 *
 * What the planner inlines passes only the first: kr_search_planning tells it apart,
 * and inline.c deals with the rest.
 */
#include "postgres.h"

#include "access/transam.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "pg/guc.h"
#include "search/bound.h"
#include "search/created.h"
#include "search/fresh.h"
#include "search/hidden.h"
#include "search/hooks.h"
#include "search/inline.h"
#include "search/literals.h"
#include "search/native.h"
#include "search/operands.h"
#include "search/parameters.h"
#include "search/queryid.h"
#include "search/rewrite.h"
#include "search/scroll.h"
#include "search/sorting.h"
#include "types/literal.h"
#include "types/planning.h"

int kr_search_planning = 0;

static post_parse_analyze_hook_type next_post_parse_analyze = NULL;
static planner_hook_type next_planner = NULL;

static bool prepare_walker(Node *node, KrScope *scope);

static bool
prepare_query(Query *query, const KrScope *outer, ParamListInfo params)
{
	KrScope scope = { query, outer, false, params };

	kr_search_freshen(query);
	kr_search_sort_rows_of(query, true);
	query_tree_walker(query, prepare_walker, &scope, QTW_EXAMINE_SORTGROUP);
	kr_search_group_by_token(query);
	return false;
}

static bool
prepare_walker(Node *node, KrScope *scope)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_Param:
		case T_RangeTblRef:
			return false;
		case T_Query:
			return prepare_query((Query *) node, scope, scope->params);
		case T_FieldStore:
			kr_search_freshen_field((FieldStore *) node);
			break;
		case T_SortGroupClause:
			kr_search_sort_by_plaintext((SortGroupClause *) node);
			return false;
		case T_Aggref:
			kr_search_sort_rows(((Aggref *) node)->aggorder, ((Aggref *) node)->args, NIL, true);
			expression_tree_walker(node, prepare_walker, scope);
			kr_search_count_by_token((Aggref *) node);
			return false;
		case T_SetOperationStmt:
			kr_search_sort_set_operation((SetOperationStmt *) node);
			break;
		case T_OnConflictExpr:
			/* an arbiter's predicate must stay equal to the predicate of the index that it names */
			prepare_walker((Node *) ((OnConflictExpr *) node)->onConflictSet, scope);
			return prepare_walker(((OnConflictExpr *) node)->onConflictWhere, scope);
		case T_FromExpr:
			scope->filtering = true;
			expression_tree_walker(node, prepare_walker, scope);
			scope->filtering = false;
			return false;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
			expression_tree_walker(node, prepare_walker, scope);
			kr_search_give_tokens(node, scope);
			return false;
		default:
			break;
	}
	return expression_tree_walker(node, prepare_walker, scope);
}

void
kr_search_prepare(Query *query, ParamListInfo params)
{
	prepare_query(query, NULL, params);
}

/* What a query is analyzed for. */
typedef enum KrClient
{
	KR_NO_CLIENT,        /* something that runs in the server */
	KR_GIVES_PARAMETERS, /* a client, but what comes out goes into a table */
	KR_TAKES_RESULTS,
	KR_SCROLLS_RESULTS /* takes them, and not in their order */
} KrClient;

static void
analyzed_query(ParseState *pstate, Query *query, KrClient client)
{
	kr_search_unseal_literals(query);
	if (client >= KR_GIVES_PARAMETERS && kr_pg_input_format() == KR_FORMAT_PLAINTEXT &&
		kr_search_native_parameters(pstate, query))
		kr_search_note_queryid(pstate, query);
	else
		kr_search_restore_queryid(pstate, query);
	if (client >= KR_TAKES_RESULTS && kr_pg_output_format() == KR_FORMAT_PLAINTEXT)
		kr_search_native_results(query, client == KR_SCROLLS_RESULTS);
}

/* EXPLAIN, DECLARE and CREATE ... AS hold an analyzed query that is planned without passing the hook again. */
static void
analyzed_utility(ParseState *pstate, Node *statement, KrClient client)
{
	Node *contained = NULL;

	switch (nodeTag(statement))
	{
		case T_ExplainStmt:
			contained = ((ExplainStmt *) statement)->query;
			break;
		case T_DeclareCursorStmt:
			contained = ((DeclareCursorStmt *) statement)->query;
			if (client == KR_TAKES_RESULTS && (((DeclareCursorStmt *) statement)->options & CURSOR_OPT_SCROLL))
				client = KR_SCROLLS_RESULTS;
			break;
		case T_CreateTableAsStmt:
			contained = ((CreateTableAsStmt *) statement)->query;
			client = Min(client, KR_GIVES_PARAMETERS);
			break;
		default:
			break;
	}
	if (contained == NULL || !IsA(contained, Query))
		return;

	if (((Query *) contained)->commandType == CMD_UTILITY)
		analyzed_utility(pstate, ((Query *) contained)->utilityStmt, client);
	else
		analyzed_query(pstate, (Query *) contained, client);

	if (IsA(statement, CreateTableAsStmt))
		kr_search_give_created_columns_modes((CreateTableAsStmt *) statement);
}

static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	KrClient client;

	if (next_post_parse_analyze)
		next_post_parse_analyze(pstate, query, jstate);
	if (!kr_search_active())
		return;

	client = kr_search_for_client() ? KR_TAKES_RESULTS : KR_NO_CLIENT;
	if (query->commandType == CMD_UTILITY)
		analyzed_utility(pstate, query->utilityStmt, client);
	else
		analyzed_query(pstate, query, client);
	kr_types_forget_literals(pstate);
	if (error_context_stack == NULL)
		kr_types_met_literal = false;
	if (query->commandType != CMD_UTILITY && kr_search_planning > 0)
	{
		kr_search_expand_views(query);
		kr_search_prepare(query, NULL);
	}
}

static PlannedStmt *
plan(Query *parse, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *result;
	KrPlanning around = kr_types_planning;
	bool hook_follows = kr_types_hook_follows;
	planner_hook_type next = next_planner ? next_planner : standard_planner;
	List *hidden;

	if (!kr_search_active())
		return next(parse, query_string, cursor_options, params);

	kr_search_prepare(parse, params);
	hidden = kr_search_hide_casts(parse);
	kr_search_planning++;
	kr_types_planning = (KrPlanning){ true, error_context_stack };
	kr_types_hook_follows = false; /* of an SQL function, the planner parses the expression that it puts in its place */
	PG_TRY();
	{
		result = next(parse, query_string, cursor_options, kr_search_bound_params(params));
		if (cursor_options & CURSOR_OPT_SCROLL)
			kr_search_scroll_envelopes(parse, result);
		if (hidden != NIL)
			kr_search_show_casts(result, hidden);
	}
	PG_FINALLY();
	{
		kr_search_planning--;
		kr_types_planning = around;
		kr_types_hook_follows = hook_follows;
	}
	PG_END_TRY();
	return result;
}

void
kr_search_parse_init(void)
{
	next_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
	next_planner = planner_hook;
	planner_hook = plan;
	kr_types_hook_follows = true;
}
