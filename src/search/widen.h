/*
 * src/search/widen.h
 *
 * Comparisons with plain values of a narrower type than the column's.
 */
#ifndef KR_SEARCH_WIDEN_H
#define KR_SEARCH_WIDEN_H

#include "nodes/primnodes.h"
#include "search/expr.h"

/* Whether an operator is one of the extension's comparisons of an encrypted type with another one. */
extern bool kr_search_other_comparison(KrComparison *out, Oid opno);

/* Whether an operator is a comparison that the functions below may change. */
extern bool kr_search_may_widen(Oid opno, List *args);

/*
 * Turns a comparison of an encrypted value with a plain one of a narrower type into that with the base type.
 * In place: the struct is changed and gets a list of its own, the operands are not touched.
 */
extern void kr_search_widen(OpExpr *expr);
extern void kr_search_widen_array(ScalarArrayOpExpr *expr);

/* What is left of these opens the value once for the whole array, in place. */
extern void kr_search_open_beside_array(ScalarArrayOpExpr *expr);

#endif
