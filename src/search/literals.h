/*
 * src/search/literals.h
 */
#ifndef KR_SEARCH_LITERALS_H
#define KR_SEARCH_LITERALS_H

#include "nodes/parsenodes.h"

/* Turns the literals of an analyzed query back into base-typed ones; changes the query in place. */
extern void kr_search_unseal_literals(Query *query);

#endif
