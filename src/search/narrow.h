/*
 * src/search/narrow.h
 *
 * Equality of a searchable column with a value of a type that PostgreSQL does not convert by itself.
 */
#ifndef KR_SEARCH_NARROW_H
#define KR_SEARCH_NARROW_H

#include "nodes/primnodes.h"

/* The encrypted side of an equality that could be narrowed, or NULL; args are those of an operator or of = ANY. */
extern Node *kr_search_narrowable(Oid opno, List *args);

/* Both change expr, which must be narrowable, to an equality with an operand. The column's values must all carry tokens. */
extern void kr_search_narrow(OpExpr *expr);
extern void kr_search_narrow_array(ScalarArrayOpExpr *expr);

#endif
