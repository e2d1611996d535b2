/*
 * src/search/sorting.h
 */
#ifndef KR_SEARCH_SORTING_H
#define KR_SEARCH_SORTING_H

#include "nodes/parsenodes.h"

/* The plaintext operator for a token-order one; InvalidOid for any other. */
extern Oid kr_search_plaintext_operator(Oid sortop);

/* Makes one clause sort by plaintext; true if it did not before. */
extern bool kr_search_sort_by_plaintext(SortGroupClause *clause);

/* The clauses of a set operation, which query_tree_walker does not visit. */
extern void kr_search_sort_set_operation(SetOperationStmt *operation);

#endif
