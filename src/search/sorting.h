/*
 * src/search/sorting.h
 */
#ifndef KR_SEARCH_SORTING_H
#define KR_SEARCH_SORTING_H

#include "nodes/parsenodes.h"

/* Makes one clause sort by plaintext; true if it did not before. */
extern bool kr_search_sort_by_plaintext(SortGroupClause *clause);

/* The clauses of a set operation, which query_tree_walker does not visit. */
extern void kr_search_sort_set_operation(SetOperationStmt *operation);

/*
 * Whether a query sorts by token somewhere, also in the views that it reads. Looks
 * at stored view definitions, so the relations must be locked or about to be.
 */
extern bool kr_search_sorts_by_token(Query *query);

/* Whether only the views that it reads do: what an in-place change of the query does not reach. */
extern bool kr_search_views_sort_by_token(Query *query);

#endif
