/*
 * src/search/literals.c
 *
 * The parser turns 'x' into a constant of an encrypted type by calling the input
 * function: an envelope under the key of that moment, which views and plans would keep, or what stands in for
 * one (types/literal.h). Each becomes a base-typed constant again, in the place where it is cheapest:
 *
 *	v = <envelope>					v = 'x'::text, the operator over (encrypted, base)
 *	v IN (<envelope>, ...)			v = ANY ('{x,...}'::text[])
 *	coerce(<envelope>, typmod)		seal('x'::text, typmod): one seal, per row
 *	anywhere else					operand('x'::text)
 *
 * With input_format = ciphertext a literal is an envelope that the user has: it stays
 * as it is, also where it meets a column, since it must keep the key that it names,
 * and opening it here would show it in EXPLAIN to a user who may not read. For the
 * same reason only the parse hook calls this, when the literals are those that were just
 * typed.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "pg/guc.h"
#include "search/expr.h"
#include "search/literals.h"
#include "types/literal.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

static bool
has_literal(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
		return kr_search_is_literal(node);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_literal, context, 0);
	return expression_tree_walker(node, has_literal, context);
}

/* The envelope was made of a literal of this very statement: opening it shows its author nothing new. */
static Datum
open_datum(const KrEncryptedType *type, Datum envelope)
{
	struct varlena *value = PG_DETOAST_DATUM(envelope);
	Datum plain;

	if (kr_types_literal_plain(value, &plain))
		return plain;
	return type->base->open(type->base, value, KR_FOR_SYSTEM);
}

static Const *
base_constant(const KrEncryptedType *type, Const *sealed)
{
	Datum value = sealed->constisnull ? (Datum) 0 : open_datum(type, sealed->constvalue);
	Const *result = makeConst(type->base->oid, -1, sealed->constcollid, type->base->typlen, value, sealed->constisnull,
							  type->base->by_value);

	result->location = sealed->location;
	return result;
}

static Const *
base_array_constant(const KrEncryptedType *type, Const *sealed)
{
	ArrayType *array = DatumGetArrayTypeP(sealed->constvalue);
	Const *result;
	Datum *elements;
	bool *nulls;
	int count;
	int16 len;
	bool byval;
	char align;

	deconstruct_array(array, type->oid, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			elements[i] = open_datum(type, elements[i]);
	}

	get_typlenbyvalalign(type->base->oid, &len, &byval, &align);
	array = construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
							   type->base->oid, len, byval, align);
	result = makeConst(type->base_array, -1, sealed->constcollid, -1, PointerGetDatum(array), false, false);
	result->location = sealed->location;
	return result;
}

/* Operands of a comparison: a sealed scalar literal, or NULL of an encrypted type beside one. */
static bool
is_scalar_literal(Node *node)
{
	return kr_search_is_literal(node) && kr_search_type_of(node) != NULL;
}

/* (encrypted, encrypted) with one literal becomes the mixed form. */
static void
unseal_comparison(OpExpr *expr)
{
	KrComparison comparison;
	Node *left;
	Node *right;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args) || comparison.form != KR_ENC_ENC)
		return;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (is_scalar_literal(left) == is_scalar_literal(right))
		return;

	/* the first operand is the result of a NULLIF, so it keeps its type */
	if (is_scalar_literal(left) && IsA(expr, NullIfExpr))
		return;

	if (is_scalar_literal(right))
	{
		expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
		expr->args = list_make2(left, base_constant(comparison.type, (Const *) right));
	}
	else
	{
		expr->opno = kr_search_operator(&comparison, KR_BASE_ENC);
		expr->args = list_make2(base_constant(comparison.type, (Const *) left), right);
	}
	expr->opfuncid = get_opcode(expr->opno);
}

/* The base-typed array for an array of literals only; NULL when something else is among them. */
static Node *
base_array(const KrEncryptedType *type, Node *node)
{
	ArrayExpr *array = (ArrayExpr *) node;
	ArrayExpr *result;
	List *elements = NIL;
	ListCell *lc;

	if (kr_search_is_literal(node))
		return (Node *) base_array_constant(type, (Const *) node);
	if (!IsA(node, ArrayExpr) || array->multidims)
		return NULL;
	foreach(lc, array->elements)
	{
		if (!IsA(lfirst(lc), Const))
			return NULL;
		elements = lappend(elements, base_constant(type, lfirst(lc)));
	}

	result = makeNode(ArrayExpr);
	memcpy(result, array, sizeof(ArrayExpr));
	result->array_typeid = type->base_array;
	result->element_typeid = type->base->oid;
	result->elements = elements;
	return (Node *) result;
}

static void
unseal_array_comparison(ScalarArrayOpExpr *expr)
{
	KrComparison comparison;
	Node *array;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args) || comparison.form != KR_ENC_ENC)
		return;
	array = base_array(comparison.type, lsecond(expr->args));
	if (array == NULL)
		return;
	expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(linitial(expr->args), array);
}

/* The typmod coercion of a literal: sealed once, knowing the typmod. */
static void
unseal_coercion(FuncExpr *expr)
{
	const KrEncryptedType *type;
	Node *arg;

	if (!kr_search_maybe_ours(expr->funcid) || list_length(expr->args) != 3)
		return;
	arg = linitial(expr->args);
	if (!is_scalar_literal(arg))
		return;
	type = kr_search_type_of(arg);
	if (expr->funcid != type->coerce)
		return;
	expr->funcid = type->seal;
	expr->args = list_make3(base_constant(type, (Const *) arg), lsecond(expr->args), lthird(expr->args));
}

/* Changes what needs no other node, where it is: the tree is fresh from the parser. Tells whether literals are left. */
static bool
unseal_in_place(Node *node, bool *left)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			unseal_comparison((OpExpr *) node);
			break;
		case T_ScalarArrayOpExpr:
			unseal_array_comparison((ScalarArrayOpExpr *) node);
			break;
		case T_FuncExpr:
			unseal_coercion((FuncExpr *) node);
			break;
		case T_Var:
			return false;
		case T_Const:
			if (kr_search_is_literal(node))
				*left = true;
			return false;
		case T_Query:
			return query_tree_walker((Query *) node, unseal_in_place, left, 0);
		default:
			break;
	}
	return expression_tree_walker(node, unseal_in_place, left);
}

static Node *
unseal_constant(Const *constant)
{
	const KrEncryptedType *type;

	if (!kr_search_is_literal((Node *) constant))
		return NULL;
	type = kr_search_type_of((Node *) constant);
	if (type != NULL)
		return (Node *) kr_search_operand(type, (Node *) base_constant(type, constant));
	type = kr_search_element_type_of((Node *) constant);
	return (Node *) kr_search_operands(type, (Node *) base_array_constant(type, constant));
}

/* A literal anywhere else. */
static Node *
unseal(Node *node, void *context)
{
	Node *result = NULL;

	if (node == NULL)
		return NULL;
	if (IsA(node, Const))
		result = unseal_constant((Const *) node);
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, unseal, context, 0);
	return result != NULL ? result : expression_tree_mutator(node, unseal, context);
}

/* coerce(<envelope>, typmod) becomes accept(<envelope>, typmod). */
static Node *
keep(Node *node, void *context)
{
	const KrEncryptedType *type;
	FuncExpr *cast = (FuncExpr *) node;
	int32 typmod;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, keep, context, 0);
	if (IsA(node, FuncExpr) && kr_search_maybe_ours(cast->funcid) && cast->args != NIL &&
		is_scalar_literal(linitial(cast->args)))
	{
		type = kr_search_type_of(linitial(cast->args));
		if (cast->funcid == type->coerce && kr_search_cast_typmod(type, node, &typmod))
			return (Node *) kr_search_accept(type, linitial(cast->args), typmod);
	}
	return expression_tree_mutator(node, keep, context);
}

/*
 * Literals stand in the statement for all to read: opening them is not what the log has to be silent about. While functions
 * run that have queries parsed, the one around them may have met a literal.
 */
void
kr_search_unseal_literals(Query *query)
{
	bool opened_value = kr_keys_opened_value;
	bool left = false;

	if (!kr_types_met_literal)
		return;
	if (kr_pg_input_format() == KR_FORMAT_CIPHERTEXT)
	{
		if (has_literal((Node *) query, NULL))
			query_tree_mutator(query, keep, NULL, QTW_DONT_COPY_QUERY);
		return;
	}
	unseal_in_place((Node *) query, &left);
	if (left)
		query_tree_mutator(query, unseal, NULL, QTW_DONT_COPY_QUERY);
	kr_keys_opened_value = opened_value;
}
