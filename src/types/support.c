/*
 * src/types/support.c
 *
 * Planner support of the mixed operators. What compares an encrypted value with
 * one of the base type, and was not made a comparison of tokens by the parse hook, opens
 * the encrypted side: so the planner is shown the base type's own operator over the cast, and
 * knows how to hash, merge and estimate with it.
 */
#include "postgres.h"

#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "types/basetype.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

KR_FUNCTION(keyring_mixed_support);

static const struct
{
	const char *suffix;
	const char *operator;
} operators[] = {
	{ "_eq", "=" }, { "_ne", "<>" }, { "_lt", "<" }, { "_le", "<=" }, { "_gt", ">" }, { "_ge", ">=" }
};

/* The base type's operator that a function keyring_<base>_<suffix> stands for, or InvalidOid. */
static Oid
base_operator(Oid function, Oid base)
{
	char *name = get_func_name(function);
	Size len = name ? strlen(name) : 0;

	for (int i = 0; len > 3 && i < (int) lengthof(operators); i++)
	{
		if (strcmp(name + len - 3, operators[i].suffix) == 0)
			return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
								   CStringGetDatum(operators[i].operator), ObjectIdGetDatum(base),
								   ObjectIdGetDatum(base), ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
	}
	return InvalidOid;
}

static Node *
open_side(const KrEncryptedType *type, Node *side, Oid collation)
{
	if (exprType(side) != type->oid)
		return side;
	return (Node *) makeFuncExpr(type->open, type->base->oid, list_make1(side), collation, collation,
								 COERCE_IMPLICIT_CAST);
}

static bool
is_searchable(const KrEncryptedType *type, Node *side)
{
	return exprType(side) == type->oid && KR_TYPMOD_MODE(exprTypmod(side)) == KR_TYPMOD_SEARCHABLE;
}

static Node *
operand_side(const KrEncryptedType *type, Node *side)
{
	Oid collation = exprCollation(side);

	if (exprType(side) == type->oid)
		return side;
	return (Node *) makeFuncExpr(type->operand, type->oid, list_make1(side), collation, collation,
								 COERCE_IMPLICIT_CAST);
}

/* Equality with a searchable column, in what the planner has inlined out of sight of the hooks: by token. */
static Node *
compare_tokens(FuncExpr *call, const KrEncryptedType *type, Node *left, Node *right)
{
	Oid operator= InvalidOid;

	Node *searchable = is_searchable(type, left) ? left : right;

	if (!is_searchable(type, searchable))
		return NULL;
	if (OidIsValid(call->inputcollid) && !get_collation_isdeterministic(call->inputcollid))
		return NULL;
	if (call->funcid == get_opcode(type->eq[KR_ENC_BASE]) || call->funcid == get_opcode(type->eq[KR_BASE_ENC]))
		operator= type->eq[KR_ENC_ENC];
	else if (call->funcid == get_opcode(type->ne[KR_ENC_BASE]) || call->funcid == get_opcode(type->ne[KR_BASE_ENC]))
		operator= type->ne[KR_ENC_ENC];
	if (!OidIsValid(operator))
		return NULL;
	return (Node *) make_opclause(operator, BOOLOID, false, (Expr *) operand_side(type, left),
								  (Expr *) operand_side(type, right), InvalidOid, exprCollation(searchable));
}

static Node *
simplify(FuncExpr *call)
{
	Node *left = linitial(call->args);
	Node *right = lsecond(call->args);
	const KrEncryptedType *type = kr_types_lookup(exprType(left));
	Node *by_token;
	Oid operator;
	OpExpr *result;

	if (type == NULL)
		type = kr_types_lookup(exprType(right));
	if (type == NULL)
		return NULL;
	by_token = compare_tokens(call, type, left, right);
	if (by_token != NULL)
		return by_token;
	operator= base_operator(call->funcid, type->base->oid);
	if (!OidIsValid(operator))
		return NULL;
	result = (OpExpr *) make_opclause(operator, BOOLOID, false,
									  (Expr *) open_side(type, left, call->inputcollid),
									  (Expr *) open_side(type, right, call->inputcollid),
									  InvalidOid, call->inputcollid);
	result->opfuncid = get_opcode(operator);
	result->location = call->location;
	return (Node *) result;
}

Datum
keyring_mixed_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	FuncExpr *call;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	PG_RETURN_POINTER(list_length(call->args) == 2 ? simplify(call) : NULL);
}
