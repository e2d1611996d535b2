/*
 * src/search/queryid.h
 *
 * A prepared statement keeps its query identifier when it is analyzed anew.
 */
#ifndef KR_SEARCH_QUERYID_H
#define KR_SEARCH_QUERYID_H

#include "parser/parse_node.h"

/* Called for a statement that is prepared with parameters of encrypted types, which have become base types where they can. */
extern void kr_search_note_queryid(const ParseState *pstate, const Query *query);

/* Called for any other: gives a statement that was noted the identifier that it had. */
extern void kr_search_restore_queryid(const ParseState *pstate, Query *query);

#endif
