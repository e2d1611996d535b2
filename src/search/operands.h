/*
 * src/search/operands.h
 */
#ifndef KR_SEARCH_OPERANDS_H
#define KR_SEARCH_OPERANDS_H

#include "nodes/params.h"
#include "nodes/parsenodes.h"

/*
 * Gives the operands of equality in a query about to be planned their tokens; changes the query in place. params are those
 * that the plan is made for, or NULL.
 */
extern void kr_search_give_tokens(Query *query, ParamListInfo params);

#endif
