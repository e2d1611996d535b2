/*
 * src/search/hidden.h
 *
 * Casts of results, kept from the planner.
 */
#ifndef KR_SEARCH_HIDDEN_H
#define KR_SEARCH_HIDDEN_H

#include "nodes/plannodes.h"

/* Takes the casts that open a column off the result of a query. What they were, for each entry; NIL: nothing was done. */
extern List *kr_search_hide_casts(Query *query);

/* Puts the casts on the result of the finished plan. */
extern void kr_search_show_casts(PlannedStmt *planned, List *casts);

#endif
