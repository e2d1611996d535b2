/*
 * src/search/unprepared.h
 */
#ifndef KR_SEARCH_UNPREPARED_H
#define KR_SEARCH_UNPREPARED_H

#include "nodes/parsenodes.h"

/*
 * Whether kr_search_prepare would change the query or a view that it reads; with
 * in_views_only, whether it would change such a view. Looks at stored view
 * definitions, so the relations must be locked.
 */
extern bool kr_search_needs_preparing(Query *query, bool in_views_only);

#endif
