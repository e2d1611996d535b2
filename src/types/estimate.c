/*
 * src/types/estimate.c
 *
 * Selectivity of equality. As eqsel, but what the column is compared with is
 * not evaluated: there are no frequent values that it could be one of, and planning (EXPLAIN, too)
 * then needs no key and no right to read.
 *
 * Joins are estimated as PostgreSQL does it, from the columns themselves: of what operand() returns there are no
 * statistics, but it has as many distinct values, and NULLs, as its argument. Where both arguments are plain, as when two
 * plain columns are joined with one encrypted, their frequent values are compared: by the base type's own operator.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "pg/compat.h"
#include "types/basetype.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/typcache.h"

KR_FUNCTION(keyring_eqsel);
KR_FUNCTION(keyring_neqsel);
KR_FUNCTION(keyring_eqjoinsel);
KR_FUNCTION(keyring_neqjoinsel);

static inline bool
is_null(Node *node)
{
	return IsA(node, Const) && ((Const *) node)->constisnull;
}

static double
estimate(FunctionCallInfo fcinfo, bool negate)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid operator= PG_GETARG_OID(1);
	List *args = (List *) PG_GETARG_POINTER(2);
	int relation = PG_GETARG_INT32(3);
	VariableStatData left;
	VariableStatData right;
	double result = negate ? 1.0 - DEFAULT_EQ_SEL : DEFAULT_EQ_SEL;

	if (negate)
		operator= get_negator(operator);
	if (list_length(args) != 2 || !OidIsValid(operator))
		return result;
	examine_variable(root, linitial(args), relation, &left);
	examine_variable(root, lsecond(args), relation, &right);
	if (is_null(linitial(args)) || is_null(lsecond(args)))
		result = 0.0;
	else if (left.rel != NULL && right.rel == NULL)
		result = var_eq_non_const(&left, operator, PG_GET_COLLATION(), lsecond(args), true, negate);
	else if (left.rel == NULL && right.rel != NULL)
		result = var_eq_non_const(&right, operator, PG_GET_COLLATION(), linitial(args), false, negate);
	ReleaseVariableStats(left);
	ReleaseVariableStats(right);
	return result;
}

Datum
keyring_eqsel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(estimate(fcinfo, false));
}

Datum
keyring_neqsel(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(estimate(fcinfo, true));
}

static Node *
below_operand(Node *node)
{
	const FuncExpr *call = (const FuncExpr *) node;
	const KrEncryptedType *type;

	if (!IsA(node, FuncExpr) || list_length(call->args) != 1)
		return node;
	type = kr_types_lookup(call->funcresulttype);
	if (type == NULL ||
		(call->funcid != type->operand && call->funcid != type->compared && call->funcid != type->operand_self &&
		 call->funcid != type->fitting))
		return node;
	return linitial(call->args);
}

static inline bool
is_plain(Node *node)
{
	return kr_types_lookup(exprType(node)) == NULL;
}

/* The operator of the base type for arguments that are plain below operand(); the one that is estimated for others. */
static Oid
operator_below(Oid operator, Node * left, Node *right, bool negate)
{
	Oid equality;

	if (!is_plain(left) || !is_plain(right))
		return operator;
	equality = lookup_type_cache(exprType(left), TYPECACHE_EQ_OPR)->eq_opr;
	return negate ? get_negator(equality) : equality;
}

static Datum
estimate_join(FunctionCallInfo fcinfo, PGFunction estimator, bool negate)
{
	List *args = (List *) PG_GETARG_POINTER(2);
	Oid operator= PG_GETARG_OID(1);

	if (list_length(args) == 2)
	{
		args = list_make2(below_operand(linitial(args)), below_operand(lsecond(args)));
		operator= operator_below(operator, linitial(args), lsecond(args), negate);
	}
	return DirectFunctionCall5Coll(estimator, PG_GET_COLLATION(), PG_GETARG_DATUM(0), ObjectIdGetDatum(operator),
								   PointerGetDatum(args), PG_GETARG_DATUM(3), PG_GETARG_DATUM(4));
}

Datum
keyring_eqjoinsel(PG_FUNCTION_ARGS)
{
	return estimate_join(fcinfo, eqjoinsel, false);
}

Datum
keyring_neqjoinsel(PG_FUNCTION_ARGS)
{
	return estimate_join(fcinfo, neqjoinsel, true);
}
