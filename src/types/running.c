/*
 * src/types/running.c
 */
#include "postgres.h"

#include "catalog/pg_aggregate.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "types/running.h"

struct PlanState *kr_types_running = NULL;

static bool
sorts_for_aggregates(PlanState *node, void *context)
{
	ListCell *lc;

	if (node == NULL)
		return false;
	if (IsA(node, AggState))
	{
		foreach(lc, ((AggState *) node)->aggs)
		{
			Aggref *aggref = lfirst(lc);

			if (aggref->aggdistinct != NIL || aggref->aggkind != AGGKIND_NORMAL)
				return true;
		}
	}
	return planstate_tree_walker(node, sorts_for_aggregates, context);
}

bool
kr_types_keys_are_compared(void)
{
	return kr_types_running == NULL || sorts_for_aggregates(kr_types_running, NULL);
}
