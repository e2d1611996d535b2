/*
 * src/types/planning.h
 *
 * The planner evaluates STABLE functions to see what a condition is compared with. That is for an estimate, and in no plan.
 */
#ifndef KR_TYPES_PLANNING_H
#define KR_TYPES_PLANNING_H

#include "utils/elog.h"

/* Set and put back by the planner hook of src/search. */
typedef struct KrPlanning
{
	bool active;
	const ErrorContextCallback *callbacks; /* the stack of them when the planner began */
} KrPlanning;

extern KrPlanning kr_types_planning;

/*
 * Whether the caller is evaluated by the planner itself. What a function does that the planner calls is meant:
 * whatever language it is in puts a callback of its own on the stack.
 */
extern bool kr_types_is_estimating(void);

#endif
