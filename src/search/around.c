/*
 * src/search/around.c
 *
 * An entry that DISTINCT, ORDER BY, GROUP BY or a set operation uses cannot be given another type or a
 * volatile function around it: what is sorted and compared would change with it. There a query is put around the whole,
 * whose entries are free.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "search/around.h"

static bool
deepen_walker(Node *node, Index *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && rte->ctelevelsup == *depth)
			rte->ctelevelsup++;
		return false; /* the walker goes on into what the entry contains */
	}
	if (IsA(node, Query))
	{
		bool result;

		(*depth)++;
		result = query_tree_walker((Query *) node, deepen_walker, depth, QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, deepen_walker, depth);
}

/* The WITH clause of a query becomes the outer one's; what refers to it has one level more to go. */
static void
lift_with(Query *outer, Query *query)
{
	Index depth = 0;

	outer->cteList = query->cteList;
	outer->hasRecursive = query->hasRecursive;
	outer->hasModifyingCTE = query->hasModifyingCTE;
	query->cteList = NIL;
	query->hasRecursive = false;
	query->hasModifyingCTE = false;
	query_tree_walker(query, deepen_walker, &depth, QTW_EXAMINE_RTES_BEFORE);
}

static TargetEntry *
entry_for(TargetEntry *entry)
{
	Var *var = makeVarFromTargetEntry(1, entry);
	TargetEntry *result = makeTargetEntry((Expr *) var, entry->resno, pstrdup(entry->resname), false);

	result->resorigtbl = entry->resorigtbl;
	result->resorigcol = entry->resorigcol;
	return result;
}

static RangeTblEntry *
range_table_entry(Query *query, List *names)
{
	RangeTblEntry *result = makeNode(RangeTblEntry);

	result->rtekind = RTE_SUBQUERY;
	result->subquery = query;
	result->alias = makeAlias("query", NIL);
	result->eref = makeAlias("query", names);
	result->inFromCl = true;
	return result;
}

Query *
kr_search_select_from(Query *query)
{
	Query *outer = makeNode(Query);
	RangeTblRef *reference = makeNode(RangeTblRef);
	List *names = NIL;
	ListCell *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->resjunk)
			continue;
		outer->targetList = lappend(outer->targetList, entry_for(entry));
		names = lappend(names, makeString(pstrdup(entry->resname)));
	}
	reference->rtindex = 1;

	outer->commandType = CMD_SELECT;
	outer->querySource = QSRC_ORIGINAL;
	outer->canSetTag = true;
	outer->queryId = query->queryId;
	outer->rtable = list_make1(range_table_entry(query, names));
	outer->jointree = makeFromExpr(list_make1(reference), NULL);
	outer->stmt_location = query->stmt_location;
	outer->stmt_len = query->stmt_len;
	if (query->hasModifyingCTE)
		lift_with(outer, query);
	return outer;
}
