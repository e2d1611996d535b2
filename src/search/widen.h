/*
 * src/search/widen.h
 *
 * Comparisons with plain values of a narrower type than the column's.
 */
#ifndef KR_SEARCH_WIDEN_H
#define KR_SEARCH_WIDEN_H

#include "nodes/primnodes.h"

/* Whether an operator is a comparison that the functions below may change. */
extern bool kr_search_may_widen(Oid opno, List *args);

/*
 * Turns a comparison of an encrypted value with a plain one of a narrower type into that with the base type.
 * In place: the struct is changed and gets a list of its own, the operands are not touched.
 */
extern void kr_search_widen(OpExpr *expr);
extern void kr_search_widen_array(ScalarArrayOpExpr *expr);

#endif
