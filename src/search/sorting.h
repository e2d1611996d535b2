/*
 * src/search/sorting.h
 */
#ifndef KR_SEARCH_SORTING_H
#define KR_SEARCH_SORTING_H

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

/* The plaintext operator for a token-order one; InvalidOid for any other. */
extern Oid kr_search_plaintext_operator(Oid sortop);

/* Makes one clause sort by plaintext; true if it did not before. */
extern bool kr_search_sort_by_plaintext(SortGroupClause *clause);

/*
 * Takes that back for what groups searchable columns and sorts nothing: equal tokens are neighbours as well, nothing is
 * opened, and an index may give the order. Clauses that ORDER BY has, too, stay equal to its own.
 */
extern void kr_search_group_by_token(Query *query);

/* The same for count(DISTINCT column). Other aggregates show the order. */
extern void kr_search_count_by_token(Aggref *aggregate);

/* The clauses of a set operation, which query_tree_walker does not visit. */
extern void kr_search_sort_set_operation(SetOperationStmt *operation);

/*
 * Opens the encrypted parts of rows and arrays that are written out in ORDER BY only; groups are
 * the clauses that share the targets and must not be changed. True if there were any; without
 * change they are only looked for.
 */
extern bool kr_search_sort_rows(List *clauses, List *targets, List *groups, bool change);

/* The same for ORDER BY and the windows of a query. Aggregates have clauses and targets of their own. */
extern bool kr_search_sort_rows_of(Query *query, bool change);

#endif
