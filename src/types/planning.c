/*
 * src/types/planning.c
 */
#include "postgres.h"

#include "types/planning.h"

KrPlanning kr_types_planning = { false, NULL };

bool
kr_types_is_estimating(void)
{
	return kr_types_planning.active && error_context_stack == kr_types_planning.callbacks;
}
