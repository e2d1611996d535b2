/*
 * src/search/literals.h
 */
#ifndef KR_SEARCH_LITERALS_H
#define KR_SEARCH_LITERALS_H

#include "nodes/parsenodes.h"

/* Whether an expression, query or list of them holds a sealed literal. */
extern bool kr_search_has_literal(Node *node);

/* Turns the literals of an analyzed query back into base-typed ones; changes the query in place. */
extern void kr_search_unseal_literals(Query *query);

#endif
