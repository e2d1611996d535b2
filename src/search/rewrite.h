/*
 * src/search/rewrite.h
 */
#ifndef KR_SEARCH_REWRITE_H
#define KR_SEARCH_REWRITE_H

#include "nodes/params.h"
#include "nodes/parsenodes.h"

/*
 * The work on a query that is about to be planned: sort operators, fresh envelopes,
 * tokens for operands. Changes the query in place; a query without encrypted types
 * is walked once and not copied. params are those that the plan is made for, or NULL.
 */
extern void kr_search_prepare(Query *query, ParamListInfo params);

#endif
