/*
 * src/search/around.h
 *
 * A query that is put around another.
 */
#ifndef KR_SEARCH_AROUND_H
#define KR_SEARCH_AROUND_H

#include "nodes/parsenodes.h"

/*
 * SELECT * FROM (query): the same columns, under the same names, and for clients of the same tables. Takes the query
 * over. A WITH that modifies data must stay outermost, and goes to the new query.
 */
extern Query *kr_search_select_from(Query *query);

#endif
