/*
 * src/search/inline.h
 */
#ifndef KR_SEARCH_INLINE_H
#define KR_SEARCH_INLINE_H

#include "nodes/parsenodes.h"

/*
 * Expands the views of a query that the planner may inline, when their definitions need
 * preparing: nobody would see them afterwards. Changes the query in place.
 */
extern void kr_search_expand_views(Query *query);

#endif
