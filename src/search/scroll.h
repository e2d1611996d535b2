/*
 * src/search/scroll.h
 *
 * Cursors that are scrolled and keep their rows for it.
 */
#ifndef KR_SEARCH_SCROLL_H
#define KR_SEARCH_SCROLL_H

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

/* Keeps the query that kr_search_select_from() made from being merged by the planner with the one inside. */
extern void kr_search_keep_apart(Query *outer);

/* Where the rows of such a query are kept for scrolling, they are kept before it casts them. */
extern void kr_search_scroll_envelopes(const Query *outer, PlannedStmt *planned);

#endif
