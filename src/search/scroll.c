/*
 * src/search/scroll.c
 *
 * A cursor that is declared SCROLL keeps the rows of a plan that cannot run backwards. PostgreSQL puts
 * the Materialize node that does so on top of the plan, above the cast to base types, and what exceeds work_mem would be
 * plaintext in a temporary file. So the two change places: Materialize keeps envelopes, and each row is opened when it is
 * fetched, as often as it is fetched.
 *
 * The cast must be in a node of its own for that. Where nothing follows the target list it usually is not, since the planner
 * merges the outer query with the inner one. It leaves alone what is a security barrier; nothing else depends on that
 * here, as the outer query has no conditions.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "search/scroll.h"

void
kr_search_keep_apart(Query *outer)
{
	linitial_node(RangeTblEntry, outer->rtable)->security_barrier = true;
}

/* Also true for a view that is a barrier, which may be treated alike where nothing that is evaluated above it is volatile. */
static bool
is_kept_apart(const Query *query)
{
	RangeTblEntry *entry;

	if (query->commandType != CMD_SELECT || list_length(query->rtable) != 1)
		return false;
	entry = linitial_node(RangeTblEntry, query->rtable);
	return entry->rtekind == RTE_SUBQUERY && entry->security_barrier;
}

/* Whether a node gives the same rows again for the same rows below it. */
static bool
is_repeatable(const Plan *plan)
{
	return !contain_volatile_functions((Node *) plan->targetlist) && !contain_volatile_functions((Node *) plan->qual);
}

/* The columns that a node gets from the one below, as the planner writes it once references are set. */
static List *
passed_on(List *targets)
{
	List *result = NIL;
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *entry = flatCopyTargetEntry(lfirst_node(TargetEntry, lc));
		Node *expr = (Node *) entry->expr;

		entry->expr =
			(Expr *) makeVar(OUTER_VAR, entry->resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
		result = lappend(result, entry);
	}
	return result;
}

/* All that a node on top has is for the one that is on top afterwards; all that depends on the rows is for the lower. */
static void
exchange(Plan *store, SubqueryScan *cast)
{
	Plan *rows = cast->subplan;

	cast->scan.plan.initPlan = list_concat(store->initPlan, cast->scan.plan.initPlan);
	cast->scan.plan.extParam = store->extParam;
	cast->scan.plan.allParam = store->allParam;
	cast->scan.plan.total_cost = store->total_cost;
	cast->subplan = store;

	store->initPlan = NIL;
	store->extParam = rows->extParam;
	store->allParam = rows->allParam;
	store->plan_width = rows->plan_width;
	store->targetlist = passed_on(rows->targetlist);
	store->lefttree = rows;
}

void
kr_search_scroll_envelopes(const Query *outer, PlannedStmt *planned)
{
	Plan *top = planned->planTree;

	if (!is_kept_apart(outer) || !IsA(top, Material) || !IsA(top->lefttree, SubqueryScan) ||
		!is_repeatable(top->lefttree))
		return;
	planned->planTree = top->lefttree;
	exchange(top, (SubqueryScan *) planned->planTree);
}
