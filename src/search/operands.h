/*
 * src/search/operands.h
 */
#ifndef KR_SEARCH_OPERANDS_H
#define KR_SEARCH_OPERANDS_H

#include "nodes/params.h"
#include "nodes/parsenodes.h"

/* The queries around an expression: a Var counts its levels among them. */
typedef struct KrScope
{
	Query *query; /* the innermost */
	const struct KrScope *outer;
	bool filtering;       /* in WHERE or ON of it: before any grouping */
	ParamListInfo params; /* that the plan is made for, or NULL */
} KrScope;

/* Gives the operands of an equality in a query about to be planned their tokens; changes it in place. Their own are treated. */
extern void kr_search_give_tokens(Node *comparison, const KrScope *scope);

#endif
