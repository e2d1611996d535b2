/*
 * src/types/running.h
 *
 * The plan that runs, as far as a sort of encrypted values wants to know it.
 */
#ifndef KR_TYPES_RUNNING_H
#define KR_TYPES_RUNNING_H

struct PlanState;

/*
 * The top of the plan that the executor is running in this backend, or NULL when that is not
 * known: set and put back by the executor hook of src/search.
 */
extern struct PlanState *kr_types_running;

/*
 * Whether abbreviated keys of a sort that begins now may be compared by somebody
 * else than the sort: DISTINCT and ordered-set aggregates do that. True when not known.
 */
extern bool kr_types_keys_are_compared(void);

#endif
