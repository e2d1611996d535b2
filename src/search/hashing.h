/*
 * src/search/hashing.h
 *
 * Long lists of operands are looked up in a hash table.
 */
#ifndef KR_SEARCH_HASHING_H
#define KR_SEARCH_HASHING_H

#include "nodes/params.h"
#include "nodes/primnodes.h"
#include "search/expr.h"

/*
 * For expr, an equality of tokens with operands of array: has the executor hash them where array is known and
 * long enough. equality is the function that compares tokens. params are those of the plan, or NULL.
 */
extern void kr_search_hash_operands(ScalarArrayOpExpr *expr, Node *array, Oid equality, ParamListInfo params);

#endif
