/*
 * src/search/unprepared.c
 *
 * Finds what must be prepared before it is planned, without changing anything: in a
 * query that is not to be touched, or in the views that it reads, which are not
 * part of it yet.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "search/expr.h"
#include "search/sorting.h"
#include "search/unprepared.h"
#include "utils/rel.h"

typedef struct Place
{
	bool counts; /* what is found here is an answer */
	Oid view;    /* whose definition this is */
} Place;

static bool unprepared_walker(Node *node, Place *place);

static bool
sorts_by_token(Node *clause)
{
	return OidIsValid(kr_search_plaintext_operator(((SortGroupClause *) clause)->sortop));
}

static bool
set_operation_sorts(SetOperationStmt *operation)
{
	ListCell *lc;

	foreach(lc, operation->groupClauses)
	{
		if (sorts_by_token(lfirst(lc)))
			return true;
	}
	return false;
}

static bool
is_equality(Oid opno, List *args)
{
	KrComparison comparison;

	return kr_search_comparison(&comparison, opno, args) &&
		(comparison.comparator == KR_EQ || comparison.comparator == KR_NE);
}

static bool
view_is_unprepared(RangeTblEntry *rte, Place *outer)
{
	Place place = { true, rte->relid };
	Relation view;
	bool result;

	if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
		return false;
	/* the definition of a view names the view itself, as OLD and NEW, up to 15 */
	if (rte->relid == outer->view)
		return false;

	check_stack_depth();
	view = table_open(rte->relid, AccessShareLock);
	result = unprepared_walker((Node *) get_view_query(view), &place);
	table_close(view, NoLock);
	return result;
}

/* Whether this node itself is to be changed. */
static bool
is_unprepared(Node *node)
{
	switch (nodeTag(node))
	{
		case T_SortGroupClause:
			return sorts_by_token(node);
		case T_Query:
			return kr_search_sort_rows_of((Query *) node, false);
		case T_Aggref:
			return kr_search_sort_rows(((Aggref *) node)->aggorder, ((Aggref *) node)->args, NIL, false);
		case T_SetOperationStmt:
			return set_operation_sorts((SetOperationStmt *) node);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return is_equality(((OpExpr *) node)->opno, ((OpExpr *) node)->args);
		case T_ScalarArrayOpExpr:
			return is_equality(((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args);
		default:
			return false;
	}
}

static bool
unprepared_walker(Node *node, Place *place)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return view_is_unprepared((RangeTblEntry *) node, place);
	if (place->counts && is_unprepared(node))
		return true;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, unprepared_walker, place,
								 QTW_EXAMINE_SORTGROUP | QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, unprepared_walker, place);
}

bool
kr_search_needs_preparing(Query *query, bool in_views_only)
{
	Place place = { !in_views_only, InvalidOid };

	return unprepared_walker((Node *) query, &place);
}
