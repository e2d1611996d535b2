/*
 * src/search/expr.h
 *
 * Expressions over encrypted types: recognised and built. Nothing here is resolved
 * through search_path; Oids come from KrEncryptedType.
 *
 * Built calls look like implicit casts, so that a view that holds one is printed as
 * v = 'x'::text, which means the same when it is read again.
 */
#ifndef KR_SEARCH_EXPR_H
#define KR_SEARCH_EXPR_H

#include "nodes/primnodes.h"
#include "types/basetype.h"

typedef enum KrComparator
{
	KR_EQ,
	KR_NE,
	KR_LT,
	KR_LE,
	KR_GE,
	KR_GT
} KrComparator;

/* One of keyring's comparison operators. */
typedef struct KrComparison
{
	const KrEncryptedType *type;
	KrComparator comparator;
	KrOperand form;
} KrComparison;

/*
 * Whether opno is a comparison operator of an encrypted type, and which. args are
 * its two operands; for a ScalarArrayOpExpr the second is an array.
 */
extern bool kr_search_comparison(KrComparison *out, Oid opno, List *args);

/* The same comparator with operands of the given form. */
extern Oid kr_search_operator(const KrComparison *comparison, KrOperand form);

/* The base type's own operator of the same name over two of its values, or InvalidOid. */
extern Oid kr_search_base_operator(const KrEncryptedType *type, Oid opno);

/* Whether a user-made operator or type may be one of ours; those of the server itself are not looked up. */
#define kr_search_maybe_ours(oid) ((oid) >= FirstNormalObjectId)

/* The encrypted type of an expression, or of its elements; NULL for others. */
extern const KrEncryptedType *kr_search_type_of(Node *expr);
extern const KrEncryptedType *kr_search_element_type_of(Node *expr);

/* A literal that parse analysis has sealed: an envelope, or an array of them, and not NULL. */
extern bool kr_search_is_literal(Node *expr);

/* keyring_X_operand and keyring_X_operands over a base-typed or an encrypted expression (array). */
extern Expr *kr_search_operand(const KrEncryptedType *type, Node *arg);
extern Expr *kr_search_operands(const KrEncryptedType *type, Node *arg);

/* Whether expr is already such a call. */
extern bool kr_search_is_operand(const KrEncryptedType *type, Node *expr);

/* What is cast to the encrypted type, with a typmod or without; NULL for any other expression. */
extern Node *kr_search_cast_argument(const KrEncryptedType *type, Node *expr);

/* keyring_X_seal over a base-typed, keyring_X_coerce over an encrypted expression, for a column of this typmod. */
extern Expr *kr_search_seal(const KrEncryptedType *type, Node *arg, int32 typmod);
extern Expr *kr_search_coerce(const KrEncryptedType *type, Node *arg, int32 typmod);

/* keyring_X_open over an encrypted expression: the implicit cast to the base type. */
extern Expr *kr_search_open(const KrEncryptedType *type, Node *arg);

/* keyring_X_accept over an envelope that was given as such. */
extern Expr *kr_search_accept(const KrEncryptedType *type, Node *arg, int32 typmod);

/* The typmod that a call of one of these three was given; false for any other expression. */
extern bool kr_search_cast_typmod(const KrEncryptedType *type, Node *expr, int32 *typmod);

/* Whether expr is such a call with this typmod. */
extern bool kr_search_is_sealed_for(const KrEncryptedType *type, Node *expr, int32 typmod);

#endif
