/*
 * src/search/expr.c
 *
 * Recognises and builds expressions over encrypted types.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "pg/extension.h"
#include "search/expr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static const Oid *
operators_of(const KrEncryptedType *type, KrComparator comparator)
{
	switch (comparator)
	{
		case KR_EQ:
			return type->eq;
		case KR_NE:
			return type->ne;
		case KR_LT:
			return type->lt;
		case KR_LE:
			return type->le;
		case KR_GE:
			return type->ge;
		case KR_GT:
			return type->gt;
	}
	return NULL; /* keep compiler quiet */
}

Oid
kr_search_operator(const KrComparison *comparison, KrOperand form)
{
	return operators_of(comparison->type, comparison->comparator)[form];
}

Oid
kr_search_base_operator(const KrEncryptedType *type, Oid opno)
{
	Oid base = type->base->oid;

	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(get_opname(opno)), ObjectIdGetDatum(base),
						   ObjectIdGetDatum(base), ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
}

const KrEncryptedType *
kr_search_type_of(Node *expr)
{
	Oid type = exprType(expr);

	return kr_search_maybe_ours(type) ? kr_types_lookup(type) : NULL;
}

const KrEncryptedType *
kr_search_element_type_of(Node *expr)
{
	Oid type = exprType(expr);

	return kr_search_maybe_ours(type) ? kr_types_of_array(type) : NULL;
}

bool
kr_search_comparison(KrComparison *out, Oid opno, List *args)
{
	Node *left;
	Node *right;

	if (!kr_search_maybe_ours(opno) || list_length(args) != 2)
		return false;

	left = linitial(args);
	right = lsecond(args);
	out->type = kr_search_type_of(left);
	if (out->type == NULL)
		out->type = kr_search_type_of(right);
	if (out->type == NULL)
		out->type = kr_search_element_type_of(right);
	if (out->type == NULL)
		return false;

	for (KrComparator comparator = KR_EQ; comparator <= KR_GT; comparator++)
	{
		const Oid *operators = operators_of(out->type, comparator);

		for (KrOperand form = KR_ENC_ENC; form <= KR_BASE_ENC; form++)
		{
			if (operators[form] == opno)
			{
				out->comparator = comparator;
				out->form = form;
				return true;
			}
		}
	}
	return false;
}

bool
kr_search_is_literal(Node *expr)
{
	Const *constant = (Const *) expr;

	if (!IsA(expr, Const) || constant->constisnull)
		return false;
	return kr_search_type_of(expr) != NULL || kr_search_element_type_of(expr) != NULL;
}

/* A call that is printed as an implicit cast; collation is the argument's. */
static Expr *
call(Oid function, Oid result, List *args)
{
	Oid collation = exprCollation(linitial(args));

	return (Expr *) makeFuncExpr(function, result, args, collation, collation, COERCE_IMPLICIT_CAST);
}

/* A type without equality has no tokens to give, so its values are just sealed. */
Expr *
kr_search_operand(const KrEncryptedType *type, Node *arg)
{
	Oid function = exprType(arg) == type->oid ? type->operand_self : type->operand;

	if (type->base->no_equality)
		return exprType(arg) == type->oid ? (Expr *) arg : kr_search_seal(type, arg, -1);
	return call(function, type->oid, list_make1(arg));
}

Expr *
kr_search_operands(const KrEncryptedType *type, Node *arg)
{
	Oid function = exprType(arg) == type->array ? type->operands_self : type->operands;

	if (type->base->no_equality)
		return (Expr *) coerce_type(NULL, arg, exprType(arg), type->array, -1, COERCION_EXPLICIT, COERCE_IMPLICIT_CAST, -1);
	return call(function, type->array, list_make1(arg));
}

bool
kr_search_is_operand(const KrEncryptedType *type, Node *expr)
{
	Oid function;

	if (!IsA(expr, FuncExpr))
		return false;
	function = ((FuncExpr *) expr)->funcid;
	if (function == type->operand || function == type->operands || function == type->compared)
		return true;
	return function == type->operand_self || function == type->operands_self || function == type->fitting ||
		function == type->fittings;
}

/* The typmod that a cast was given as its second argument. */
static bool
typmod_argument(FuncExpr *expr, int32 *typmod)
{
	Const *argument;

	if (list_length(expr->args) < 2)
		return false;
	argument = lsecond(expr->args);
	if (!IsA(argument, Const) || argument->constisnull)
		return false;
	*typmod = DatumGetInt32(argument->constvalue);
	return true;
}

/* A cast of another type than the base type, which seals what it has converted: its arguments are those of seal(). */
static bool
seals_other_type(const KrEncryptedType *type, FuncExpr *cast)
{
	return cast->funcresulttype == type->oid && list_length(cast->args) == 3 &&
		(cast->funcformat == COERCE_IMPLICIT_CAST || cast->funcformat == COERCE_EXPLICIT_CAST) &&
		get_func_namespace(cast->funcid) == kr_pg_schema();
}

bool
kr_search_cast_typmod(const KrEncryptedType *type, Node *expr, int32 *typmod)
{
	FuncExpr *cast = (FuncExpr *) expr;

	if (!IsA(expr, FuncExpr))
		return false;
	if (cast->funcid != type->seal && cast->funcid != type->coerce && cast->funcid != type->accept &&
		!seals_other_type(type, cast))
		return false;
	return typmod_argument(cast, typmod);
}

Node *
kr_search_cast_argument(const KrEncryptedType *type, Node *expr)
{
	FuncExpr *cast = (FuncExpr *) expr;

	if (!IsA(expr, FuncExpr) || (cast->funcid != type->seal && cast->funcid != type->coerce))
		return NULL;
	return linitial(cast->args);
}

/* The arguments of a length-coercion cast: value, typmod, not explicit. */
static List *
cast_arguments(Node *arg, int32 typmod)
{
	Const *typmod_const = makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(typmod), false, true);

	return list_make3(arg, typmod_const, makeBoolConst(false, false));
}

Expr *
kr_search_seal(const KrEncryptedType *type, Node *arg, int32 typmod)
{
	return call(type->seal, type->oid, cast_arguments(arg, typmod));
}

Expr *
kr_search_coerce(const KrEncryptedType *type, Node *arg, int32 typmod)
{
	return call(type->coerce, type->oid, cast_arguments(arg, typmod));
}

Expr *
kr_search_open(const KrEncryptedType *type, Node *arg)
{
	return call(type->open, type->base->oid, list_make1(arg));
}

Expr *
kr_search_accept(const KrEncryptedType *type, Node *arg, int32 typmod)
{
	List *args = cast_arguments(arg, typmod);

	return call(type->accept, type->oid, list_truncate(args, 2));
}

bool
kr_search_is_sealed_for(const KrEncryptedType *type, Node *expr, int32 typmod)
{
	int32 given;

	return kr_search_cast_typmod(type, expr, &given) && given == typmod;
}
