/*
 * src/search/narrow.c
 *
 * A driver may send a long for an integer column, an application a timestamp for a date. On plain columns an index serves
 * that, since the types share an operator family. Here the other side becomes an operand of the column's type:
 *
 *	searchable = bigint				->	searchable = fitting(bigint)
 *	searchable = ANY (bigint[])		->	searchable = ANY (fittings(bigint[]))
 *
 * What no value of the column can equal, 42.5 or 3000000000, gets a token that no value has: so = is false then, <> is
 * true, and NULL on either side stays NULL. Such an operand must meet nothing but tokens. A value without one would be
 * compared with what it holds, which is nothing in particular.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "search/expr.h"
#include "search/narrow.h"
#include "search/widen.h"
#include "types/fitting.h"
#include "utils/lsyscache.h"

static bool
find_equality(KrComparison *out, Oid opno)
{
	return kr_search_other_comparison(out, opno) && (out->comparator == KR_EQ || out->comparator == KR_NE);
}

Node *
kr_search_narrowable(Oid opno, List *args)
{
	KrComparison comparison;
	Node *encrypted;
	Oid other;

	if (!kr_search_may_widen(opno, args) || !find_equality(&comparison, opno))
		return NULL;
	encrypted = comparison.form == KR_ENC_BASE ? linitial(args) : lsecond(args);
	other = exprType(comparison.form == KR_ENC_BASE ? lsecond(args) : linitial(args));
	if (exprType(encrypted) != comparison.type->oid)
		return NULL;
	if (OidIsValid(get_element_type(other)))
		other = get_element_type(other);
	return kr_types_fitting(comparison.type->base->oid, other) != NULL ? encrypted : NULL;
}

static Node *
call(Oid function, Oid result, Node *arg)
{
	return (Node *) makeFuncExpr(function, result, list_make1(arg), InvalidOid, InvalidOid, COERCE_IMPLICIT_CAST);
}

void
kr_search_narrow(OpExpr *expr)
{
	KrComparison comparison;
	Node *left = linitial(expr->args);
	Node *right = lsecond(expr->args);

	/* the first operand is the result of a NULLIF, so it keeps its type */
	if (!find_equality(&comparison, expr->opno) || (comparison.form == KR_BASE_ENC && IsA(expr, NullIfExpr)))
		return;
	if (comparison.form == KR_ENC_BASE)
		right = call(comparison.type->fitting, comparison.type->oid, right);
	else
		left = call(comparison.type->fitting, comparison.type->oid, left);
	expr->opno = kr_search_operator(&comparison, KR_ENC_ENC);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(left, right);
}

void
kr_search_narrow_array(ScalarArrayOpExpr *expr)
{
	KrComparison comparison;

	if (!find_equality(&comparison, expr->opno) || comparison.form != KR_ENC_BASE)
		return;
	expr->opno = kr_search_operator(&comparison, KR_ENC_ENC);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(linitial(expr->args),
							call(comparison.type->fittings, comparison.type->array, lsecond(expr->args)));
}
