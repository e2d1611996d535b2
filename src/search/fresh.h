/*
 * src/search/fresh.h
 */
#ifndef KR_SEARCH_FRESH_H
#define KR_SEARCH_FRESH_H

#include "nodes/parsenodes.h"

/*
 * Makes sure that what an INSERT, UPDATE or MERGE writes to encrypted columns is
 * under the current primary. query is rewritten and about to be planned; its
 * target lists are changed in place, its sub-queries are not looked at.
 */
extern void kr_search_freshen(Query *query);

/* Seals documents that an assignment to a subscript makes for a field of a row: a variable of PL/pgSQL. */
extern void kr_search_freshen_field(FieldStore *store);

#endif
