/*
 * src/types/cost.c
 *
 * What the planner counts for operands and comparisons. The costs that the script declares are those of
 * opening and sealing. Some calls mostly do neither: operand() of what does not change during the scan, which
 * keeps its result, equality of values that carry tokens, and the condition of a join.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "types/basetype.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

KR_FUNCTION(keyring_cost_support);

/* Looking at headers, and at what is kept, in units of cpu_operator_cost. */
#define KR_COST_LOOK 1

static List *
arguments(Node *node)
{
	switch (node != NULL ? nodeTag(node) : T_Invalid)
	{
		case T_FuncExpr:
			return ((FuncExpr *) node)->args;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			return ((OpExpr *) node)->args;
		default:
			return NIL;
	}
}

static bool
has_token(const KrEncryptedType *type, Node *side)
{
	const FuncExpr *call = (const FuncExpr *) side;

	if (IsA(side, FuncExpr) &&
		(call->funcid == type->operand || call->funcid == type->compared || call->funcid == type->operand_self ||
		 call->funcid == type->fitting))
		return true;
	return exprType(side) == type->oid && KR_TYPMOD_MODE(exprTypmod(side)) == KR_TYPMOD_SEARCHABLE;
}

/* Of two tables: the hash or the sort of the join has opened the values, and the memo has most of them still. */
static bool
is_join(PlannerInfo *root, Node *left, Node *right)
{
	Relids of_left = root != NULL ? pull_varnos(root, left) : NULL;
	Relids of_right = root != NULL ? pull_varnos(root, right) : NULL;

	return !bms_is_empty(of_left) && !bms_is_empty(of_right) && !bms_overlap(of_left, of_right);
}

static bool
opens_nothing(const SupportRequestCost *request, Node *left, Node *right)
{
	const KrEncryptedType *type = kr_types_lookup(exprType(left));
	Oid function = request->funcid;

	if (type == NULL || (function != get_opcode(type->eq[KR_ENC_ENC]) && function != get_opcode(type->ne[KR_ENC_ENC])))
		return false;
	return (has_token(type, left) && has_token(type, right)) || is_join(request->root, left, right);
}

static Cost
declared_cost(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Cost result = 0;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_proc) GETSTRUCT(tuple))->procost * cpu_operator_cost;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* False leaves it at the declared cost. */
static bool
estimate(SupportRequestCost *request)
{
	List *args = arguments(request->node);

	if (list_length(args) == 2 && opens_nothing(request, linitial(args), lsecond(args)))
		request->startup = 0;
	else if (list_length(args) == 1 && !contain_var_clause(linitial(args)))
		request->startup = declared_cost(request->funcid);
	else
		return false;
	request->per_tuple = KR_COST_LOOK * cpu_operator_cost;
	return true;
}

Datum
keyring_cost_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestCost) || !estimate((SupportRequestCost *) request))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(request);
}
