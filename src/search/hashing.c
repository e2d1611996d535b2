/*
 * src/search/hashing.c
 *
 * PostgreSQL compares a value with each element of an array in turn, but with an array of nine elements or more by a hash
 * table, if the planner sees a constant and finds the operator's hash function. Of a searchable column it sees
 * operands(array), which is called when the query runs, as planning needs no key. So what the planner would have noted is
 * noted here.
 *
 * The executor makes its table of the first array that it meets, and takes no NULL for one. So the array
 * that operands are made of must be a constant by the time the plan is finished: a list of literals, or of parameters in a
 * plan that is made for their values. An index takes no notice of this.
 */
#include "postgres.h"

#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "search/hashing.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

/* As MIN_ARRAY_SIZE_FOR_HASHED_SAOP of the planner. */
#define KR_HASHED_OPERANDS 9

/* What the planner will make of an expression, in a plan for these parameters. */
static Node *
folded(Node *expr, ParamListInfo params)
{
	PlannerInfo *root = makeNode(PlannerInfo);

	root->glob = makeNode(PlannerGlobal);
	root->glob->boundParams = params;
	return eval_const_expressions(root, expr);
}

static bool
is_long(Node *array, ParamListInfo params)
{
	Const *constant = (Const *) folded(array, params);
	ArrayType *value;

	if (!IsA(constant, Const) || constant->constisnull)
		return false;
	value = DatumGetArrayTypeP(constant->constvalue);
	return ArrayGetNItems(ARR_NDIM(value), ARR_DIMS(value)) >= KR_HASHED_OPERANDS;
}

void
kr_search_hash_operands(ScalarArrayOpExpr *expr, Node *array, Oid equality, ParamListInfo params)
{
	Oid operator= expr->useOr ? expr->opno : get_negator(expr->opno);
	Oid left;
	Oid right;

	/* = ANY and <> ALL, as in IN and NOT IN: of the others it is no equality */
	if (!OidIsValid(operator) || !get_op_hash_functions(operator, & left, &right) || left != right)
		return;
	if (!is_long(array, params))
		return;
	expr->hashfuncid = left;
	expr->negfuncid = expr->useOr ? InvalidOid : equality;
}
