/*
 * src/search/hidden.c
 *
 * The cast that opens a column for a client is a function, and the planner spends some 3,000 instructions on one: it is looked
 * up, tried for folding and for inlining, counted, asked whether a worker may run it, noted, and it takes a projection of its
 * own. Where it is the last thing that happens to a row none of that has an effect on the plan. So the planner sees the
 * column in its place, as with keyring.native_types = off, and the finished plan gets the cast.
 *
 * Only where it is known which node that is: the one on top of scans and joins of tables, below LIMIT, and the one that
 * modifies a table. What appends the rows of several tables has its target lists elsewhere, and a sub-query of which only
 * columns are wanted would disappear.
 *
 * The plan depends on the cast's function no less: prepared statements note that of the query, not of the plan.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "search/expr.h"
#include "search/hidden.h"

/* Numbers tell apart the nodes that workers run: it is none of those. */
#define KR_OWN_NODE PG_INT32_MAX

/* The column that is opened; NULL for any other expression. A cast may have a modifier around it, as that of numeric(10,2). */
static Expr *
opened_column(Expr *expr)
{
	const FuncExpr *cast;
	const KrEncryptedType *type;

	if (IsA(expr, RelabelType))
		expr = ((RelabelType *) expr)->arg;
	cast = (const FuncExpr *) expr;
	if (!IsA(expr, FuncExpr) || !kr_search_maybe_ours(cast->funcid) || list_length(cast->args) != 1 ||
		!IsA(linitial(cast->args), Var))
		return NULL;
	type = kr_search_type_of(linitial(cast->args));
	return type != NULL && cast->funcid == type->open ? linitial(cast->args) : NULL;
}

static List *
hide(List *targets)
{
	List *casts = NIL;
	bool found = false;
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Expr *column = opened_column(entry->expr);

		casts = lappend(casts, column != NULL ? entry->expr : NULL);
		if (column == NULL)
			continue;
		entry->expr = column;
		found = true;
	}
	return found ? casts : NIL;
}

static bool
is_single_table(const RangeTblEntry *entry)
{
	return entry->rtekind == RTE_RELATION && (entry->relkind == RELKIND_RELATION || entry->relkind == RELKIND_MATVIEW) &&
		!(entry->inh && has_subclass(entry->relid));
}

static bool
is_plain(const Query *query)
{
	ListCell *lc;

	if (query->setOperations != NULL || query->groupClause != NIL || query->groupingSets != NIL || query->hasAggs ||
		query->distinctClause != NIL || query->sortClause != NIL || query->rowMarks != NIL || query->hasWindowFuncs ||
		query->hasTargetSRFs || query->rtable == NIL)
		return false;
	foreach(lc, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, lc);

		if (entry->rtekind != RTE_JOIN && !is_single_table(entry))
			return false;
	}
	return true;
}

List *
kr_search_hide_casts(Query *query)
{
	switch (query->commandType)
	{
		case CMD_SELECT:
			return is_plain(query) ? hide(query->targetList) : NIL;
		case CMD_UTILITY:
			return NIL;
		default:
			return query->returningList != NIL ? hide(query->returningList) : NIL;
	}
}

/* What the cast is taken of is what the plan has in its place. */
static Expr *
cast_of(Expr *cast, Expr *column)
{
	FuncExpr *call = IsA(cast, RelabelType) ? (FuncExpr *) ((RelabelType *) cast)->arg : (FuncExpr *) cast;

	linitial(call->args) = column;
	return cast;
}

/* Takes the casts over. */
static void
show(List *targets, List *casts)
{
	ListCell *target;
	ListCell *cast;

	forboth(target, targets, cast, casts)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, target);

		if (lfirst(cast) != NULL)
			entry->expr = cast_of(lfirst(cast), entry->expr);
	}
}

/* The columns that a node passes on are those of the node below. */
static void
pass_on(List *targets, List *casts)
{
	ListCell *target;
	ListCell *cast;

	forboth(target, targets, cast, casts)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, target);
		Node *expr = lfirst(cast);

		if (expr != NULL)
			entry->expr = (Expr *) makeVar(OUTER_VAR, entry->resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
	}
}

static void
show_in_changed_rows(ModifyTable *node, List *casts)
{
	ListCell *lc;

	foreach(lc, node->returningLists)
		show(lfirst(lc), lnext(node->returningLists, lc) != NULL ? copyObject(casts) : casts);

	/* a copy until now, for those who only look; the executor does this, too */
	node->plan.targetlist = linitial(node->returningLists);
}

/* LIMIT can do nothing else. Of what workers find, they open the values. */
static bool
passes_all_on(const Plan *plan)
{
	ListCell *lc;

	if (IsA(plan, Limit))
		return true;
	if (!IsA(plan, Gather) || list_length(plan->targetlist) != list_length(plan->lefttree->targetlist))
		return false;
	foreach(lc, plan->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!IsA(entry->expr, Var) || ((Var *) entry->expr)->varattno != entry->resno)
			return false;
	}
	return true;
}

static bool
evaluates_targets(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Gather:
		case T_GatherMerge:
			return true;
		default:
			return false;
	}
}

/* Above any other node, one that only evaluates: the Materialize of a SCROLL cursor goes on with envelopes. */
static Plan *
evaluate_above(Plan *plan)
{
	Result *result = makeNode(Result);
	ListCell *lc;

	result->plan = *plan;
	result->plan.type = T_Result;
	result->plan.parallel_aware = false;
	result->plan.plan_node_id = KR_OWN_NODE;
	result->plan.qual = NIL;
	result->plan.initPlan = NIL;
	result->plan.righttree = NULL;
	result->plan.lefttree = plan;
	result->plan.targetlist = NIL;
	foreach(lc, plan->targetlist)
	{
		TargetEntry *entry = flatCopyTargetEntry(lfirst_node(TargetEntry, lc));

		entry->expr = (Expr *) makeVarFromTargetEntry(OUTER_VAR, entry);
		result->plan.targetlist = lappend(result->plan.targetlist, entry);
	}
	return (Plan *) result;
}

void
kr_search_show_casts(PlannedStmt *planned, List *casts)
{
	Plan **place = &planned->planTree;

	if (IsA(*place, ModifyTable))
	{
		show_in_changed_rows((ModifyTable *) *place, casts);
		return;
	}
	for (; passes_all_on(*place); place = &(*place)->lefttree)
		pass_on((*place)->targetlist, casts);
	if (!evaluates_targets(*place))
		*place = evaluate_above(*place);
	show((*place)->targetlist, casts);
}
