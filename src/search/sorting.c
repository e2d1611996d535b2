/*
 * src/search/sorting.c
 *
 * The default btree class of an encrypted type orders by token: constraints and
 * indexes work, and reveal equality only. But the parser takes its operators for
 * ORDER BY, DISTINCT, GROUP BY, windows and set operations too. There they are
 * replaced by < and >, which compare plaintexts; NULLS FIRST, equality and hashing
 * stay as they are.
 *
 * This happens in queries about to be planned, never in stored ones, so that
 * pg_get_viewdef does not show USING operators.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "search/expr.h"
#include "search/sorting.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The plaintext operator for a token-order one, or InvalidOid. */
static Oid
plaintext_operator(Oid sortop)
{
	const KrEncryptedType *type;
	Oid left;
	Oid right;

	if (!kr_search_maybe_ours(sortop))
		return InvalidOid;
	op_input_types(sortop, &left, &right);
	type = kr_types_lookup(left);
	if (type == NULL)
		return InvalidOid;
	if (sortop == type->token_lt)
		return type->lt[KR_ENC_ENC];
	if (sortop == type->token_gt)
		return type->gt[KR_ENC_ENC];
	return InvalidOid;
}

bool
kr_search_sort_by_plaintext(SortGroupClause *clause)
{
	Oid replacement = plaintext_operator(clause->sortop);

	if (!OidIsValid(replacement))
		return false;
	clause->sortop = replacement;
	return true;
}

void
kr_search_sort_set_operation(SetOperationStmt *operation)
{
	ListCell *lc;

	foreach(lc, operation->groupClauses)
		kr_search_sort_by_plaintext(lfirst_node(SortGroupClause, lc));
}

typedef struct SearchContext
{
	bool in_views_only;
	Oid view; /* whose definition is being searched */
} SearchContext;

static bool sorts_walker(Node *node, SearchContext *context);

static bool
is_token_sort(Node *clause, SearchContext *context)
{
	if (context->in_views_only && !OidIsValid(context->view))
		return false;
	return OidIsValid(plaintext_operator(((SortGroupClause *) clause)->sortop));
}

static bool
view_sorts(RangeTblEntry *rte, SearchContext *outer)
{
	SearchContext context = { false, rte->relid };
	Relation view;
	bool result;

	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
		return false;
	/* the definition of a view names the view itself, as OLD and NEW, up to 15 */
	if (rte->relid == outer->view)
		return false;
	check_stack_depth();
	view = table_open(rte->relid, AccessShareLock);
	result = sorts_walker((Node *) get_view_query(view), &context);
	table_close(view, NoLock);
	return result;
}

static bool
set_operation_sorts(SetOperationStmt *operation, SearchContext *context)
{
	ListCell *lc;

	foreach(lc, operation->groupClauses)
	{
		if (is_token_sort(lfirst(lc), context))
			return true;
	}
	return false;
}

static bool
sorts_walker(Node *node, SearchContext *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, sorts_walker, context,
									 QTW_EXAMINE_SORTGROUP | QTW_EXAMINE_RTES_BEFORE);
		case T_SortGroupClause:
			return is_token_sort(node, context);
		case T_RangeTblEntry:
			return view_sorts((RangeTblEntry *) node, context);
		case T_SetOperationStmt:
			if (set_operation_sorts((SetOperationStmt *) node, context))
				return true;
			break;
		default:
			break;
	}
	return expression_tree_walker(node, sorts_walker, context);
}

bool
kr_search_sorts_by_token(Query *query)
{
	SearchContext context = { false, InvalidOid };

	return sorts_walker((Node *) query, &context);
}

bool
kr_search_views_sort_by_token(Query *query)
{
	SearchContext context = { true, InvalidOid };

	return sorts_walker((Node *) query, &context);
}
