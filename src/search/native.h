/*
 * src/search/native.h
 *
 * Clients see base types: README.md says where.
 */
#ifndef KR_SEARCH_NATIVE_H
#define KR_SEARCH_NATIVE_H

#include "nodes/parsenodes.h"

/* Whether a statement that is being analyzed now is the client's, which is to see base types. */
extern bool kr_search_for_client(void);

/* Gives the columns of the query's result their base types, in place. scrolls: the rows may be kept, as envelopes. */
extern void kr_search_native_results(Query *query, bool scrolls);

#endif
