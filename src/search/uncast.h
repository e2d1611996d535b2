/*
 * src/search/uncast.h
 */
#ifndef KR_SEARCH_UNCAST_H
#define KR_SEARCH_UNCAST_H

#include "nodes/primnodes.h"

/* Whether a comparison may be of an opened column. */
extern bool kr_search_may_uncast(Oid opno, List *args);

/* Makes equality of an opened searchable column one of the column itself. Not for what is grouped by the opened column. */
extern void kr_search_uncast(OpExpr *expr);
extern void kr_search_uncast_array(ScalarArrayOpExpr *expr);

#endif
