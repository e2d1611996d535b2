/*
 * src/search/uncast.c
 *
 * A condition may open a searchable column before it compares it: because somebody wrote the cast, or since keyring's
 * operators are not in search_path, as in the sessions of postgres_fdw, where PostgreSQL compares by the base type's. Both
 * open every row, and no index serves them. Equality is the same without the cast:
 *
 *	open(searchable) = base				->	searchable = base
 *	open(searchable) = open(other)		->	searchable = other
 *	open(searchable) = ANY (array)		->	searchable = ANY (array)
 *
 * and the operands then get their tokens as ever. Only columns of the query itself: one of an outer query may be grouped there
 * by its opened value.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "nodes/nodeFuncs.h"
#include "search/expr.h"
#include "search/uncast.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The encrypted expression that is opened, or NULL. */
static Node *
opened(Node *side)
{
	const FuncExpr *call = (const FuncExpr *) side;
	const KrEncryptedType *type;

	if (!IsA(side, FuncExpr) || !kr_search_maybe_ours(call->funcid) || list_length(call->args) != 1)
		return NULL;
	type = kr_search_type_of(linitial(call->args));
	return type != NULL && call->funcid == type->open ? linitial(call->args) : NULL;
}

static const KrEncryptedType *
searchable_column(Node *expr)
{
	if (expr == NULL || !IsA(expr, Var) || ((Var *) expr)->varlevelsup > 0 ||
		KR_TYPMOD_MODE(exprTypmod(expr)) != KR_TYPMOD_SEARCHABLE)
		return NULL;
	return kr_search_type_of(expr);
}

bool
kr_search_may_uncast(Oid opno, List *args)
{
	return !kr_search_maybe_ours(opno) && list_length(args) == 2 &&
		(searchable_column(opened(linitial(args))) != NULL || searchable_column(opened(lsecond(args))) != NULL);
}

static bool
is_operator(Oid opno, const char *name, Oid base)
{
	Oid found = GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(name),
								ObjectIdGetDatum(base), ObjectIdGetDatum(base),
								ObjectIdGetDatum(PG_CATALOG_NAMESPACE));

	return opno == found;
}

/* Keyring's operator in this form that stands for the base type's = or <>; InvalidOid for any other. */
static Oid
own_operator(const KrEncryptedType *type, Oid opno, KrOperand form)
{
	if (is_operator(opno, "=", type->base->oid))
		return type->eq[form];
	return is_operator(opno, "<>", type->base->oid) ? type->ne[form] : InvalidOid;
}

void
kr_search_uncast(OpExpr *expr)
{
	Node *left;
	Node *right;
	const KrEncryptedType *type;
	Oid operator;

	if (IsA(expr, NullIfExpr) || !kr_search_may_uncast(expr->opno, expr->args))
		return;
	left = opened(linitial(expr->args));
	right = opened(lsecond(expr->args));
	type = searchable_column(left);
	if (type == NULL)
		type = searchable_column(right);

	operator= own_operator(type, expr->opno, left == NULL ? KR_BASE_ENC : right == NULL ? KR_ENC_BASE :
																						  KR_ENC_ENC);
	if (!OidIsValid(operator) || !kr_types_keeps_equality(expr->inputcollid))
		return;
	expr->opno = operator;
	expr->opfuncid = get_opcode(operator);
	expr->args = list_make2(left ? left : linitial(expr->args), right ? right : lsecond(expr->args));
}

void
kr_search_uncast_array(ScalarArrayOpExpr *expr)
{
	Node *column;
	const KrEncryptedType *type;
	Oid operator;

	if (!kr_search_may_uncast(expr->opno, expr->args))
		return;
	column = opened(linitial(expr->args));
	type = searchable_column(column);
	if (type == NULL || exprType(lsecond(expr->args)) != type->base_array)
		return;
	operator= own_operator(type, expr->opno, KR_ENC_BASE);
	if (!OidIsValid(operator) || !kr_types_keeps_equality(expr->inputcollid))
		return;
	expr->opno = operator;
	expr->opfuncid = get_opcode(operator);
	expr->args = list_make2(column, lsecond(expr->args));
}
