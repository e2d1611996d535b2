/*
 * src/search/parameters.c
 *
 * Where the parser meets v = $1 it gives $1 the type of v. A driver that asks is to be told text, and may send the value in
 * binary form. So each such parameter becomes a base-typed one, in the place where it is cheapest:
 *
 *	v = $1						the operator over (encrypted, base)
 *	v IN ($1, ...)				v = ANY (ARRAY[$1, ...]), over (encrypted, base)
 *	coerce($1, typmod)			seal($1, typmod): one seal, per row
 *	open($1)					$1
 *	anywhere else				operand($1)
 *
 * The parser knows parameters by an array of types, from which clients and the plan cache are told. When the plan cache
 * analyzes the statement anew it takes that array as given. So a parameter may change its type only if the statement means
 * the same when it is written for the base type: kept_parameters.c tells.
 */
#include "postgres.h"

#include "access/transam.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_param.h"
#include "search/expr.h"
#include "search/kept_parameters.h"
#include "search/parameters.h"
#include "utils/lsyscache.h"

/* The variable-parameter state of parse_param.c, which keeps it to itself; the same from 15 to 18. */
typedef struct VariableParameters
{
	Oid **types;
	int *count;
} VariableParameters;

typedef struct Change
{
	Bitmapset *kept; /* numbers of those that keep their types */
	bool left;       /* some are not changed yet, as a node of another kind must take their place */
} Change;

/* The parser's own set-up for statements that are prepared; others have hooks and states that are not known here. */
static bool
has_variable_parameters(ParseState *pstate)
{
	static CoerceParamHook hook = NULL;

	if (hook == NULL)
	{
		ParseState *probe = make_parsestate(NULL);
		Oid *types = NULL;
		int count = 0;

		setup_parse_variable_parameters(probe, &types, &count);
		hook = probe->p_coerce_param_hook;
		free_parsestate(probe);
	}
	return pstate->p_coerce_param_hook == hook;
}

static bool
changes(Node *node, const Change *change)
{
	return kr_search_is_encrypted_parameter(node) && !bms_is_member(((Param *) node)->paramid, change->kept);
}

/* The type that a parameter of this one gets. */
static Oid
native_type(Oid type)
{
	const KrEncryptedType *encrypted = kr_types_lookup(type);

	if (encrypted != NULL)
		return encrypted->base->oid;
	encrypted = kr_types_of_array(type);
	return encrypted != NULL ? encrypted->base_array : type;
}

static Node *
base_parameter(Node *node)
{
	Param *result = copyObject((Param *) node);

	result->paramtype = native_type(result->paramtype);
	result->paramtypmod = -1;
	result->paramcollid = get_typcollation(result->paramtype);
	return (Node *) result;
}

static Node *
parameter_operand(Node *node)
{
	const KrEncryptedType *type = kr_search_type_of(node);

	if (type != NULL)
		return (Node *) kr_search_operand(type, base_parameter(node));
	return (Node *) kr_search_operands(kr_search_element_type_of(node), base_parameter(node));
}

static Node *retype(Node *node, Change *change);

static void
retype_comparison(OpExpr *expr, const Change *change)
{
	KrComparison comparison;
	Node *left;
	Node *right;

	if (!kr_search_has_encrypted_parameter(expr->args) || !kr_search_comparison(&comparison, expr->opno, expr->args))
		return;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (comparison.form == KR_ENC_ENC && changes(right, change))
	{
		expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
		expr->args = list_make2(left, base_parameter(right));
	}
	else if (comparison.form == KR_ENC_ENC && changes(left, change) && !IsA(expr, NullIfExpr))
	{
		expr->opno = kr_search_operator(&comparison, KR_BASE_ENC);
		expr->args = list_make2(base_parameter(left), right);
	}
	else if (comparison.form != KR_ENC_ENC && changes(comparison.form == KR_ENC_BASE ? left : right, change))
	{
		/* a plain column, beside a parameter that was compared with an encrypted one before */
		Oid opno = kr_search_base_operator(comparison.type, expr->opno);

		if (!OidIsValid(opno))
			return;
		expr->opno = opno;
		if (comparison.form == KR_ENC_BASE)
			expr->args = list_make2(base_parameter(left), right);
		else
			expr->args = list_make2(left, base_parameter(right));
	}
	else
		return;
	expr->opfuncid = get_opcode(expr->opno);
}

/* An element of IN as a value of the base type: what is not a parameter was a literal, and is one in an operand now. */
static Node *
base_element(const KrEncryptedType *type, Node *element, Change *change)
{
	if (changes(element, change))
		return base_parameter(element);
	if (kr_search_is_operand(type, element))
	{
		Node *argument = linitial(((FuncExpr *) element)->args);

		return exprType(argument) == type->base->oid ? retype(argument, change) : NULL;
	}
	return NULL;
}

/* The array of base type for one that is made of parameters and literals only; NULL for others. */
static Node *
base_array(const KrEncryptedType *type, Node *node, Change *change)
{
	ArrayExpr *array = (ArrayExpr *) node;
	List *elements = NIL;
	ListCell *lc;

	if (changes(node, change))
		return base_parameter(node);
	if (!IsA(node, ArrayExpr) || array->multidims)
		return NULL;
	foreach(lc, array->elements)
	{
		Node *element = base_element(type, lfirst(lc), change);

		if (element == NULL)
			return NULL;
		elements = lappend(elements, element);
	}
	array = makeNode(ArrayExpr);
	memcpy(array, node, sizeof(ArrayExpr));
	array->array_typeid = type->base_array;
	array->element_typeid = type->base->oid;
	array->elements = elements;
	return (Node *) array;
}

static void
retype_array_comparison(ScalarArrayOpExpr *expr, Change *change)
{
	KrComparison comparison;
	Node *array;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args) || comparison.form != KR_ENC_ENC)
		return;
	array = base_array(comparison.type, lsecond(expr->args), change);
	if (array == NULL)
		return;
	expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(linitial(expr->args), array);
}

/* The type of a parameter that is the first argument of a function; NULL for anything else. */
static const KrEncryptedType *
type_of_argument(const FuncExpr *expr, const Change *change)
{
	Node *arg;

	if (expr->args == NIL)
		return NULL;
	arg = linitial(expr->args);
	return changes(arg, change) ? kr_search_type_of(arg) : NULL;
}

static void
retype_coercion(FuncExpr *expr, const Change *change)
{
	const KrEncryptedType *type = type_of_argument(expr, change);

	if (type == NULL || expr->funcid != type->coerce)
		return;
	expr->funcid = type->seal;
	expr->args = list_copy(expr->args);
	linitial(expr->args) = base_parameter(linitial(expr->args));
}

/* Changes what needs no other node, where it is: the tree is fresh from the parser. Notes whether parameters are left. */
static bool
retype_in_place(Node *node, Change *change)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
			return false;
		case T_Param:
			if (changes(node, change))
				change->left = true;
			return false;
		case T_Query:
			return query_tree_walker((Query *) node, retype_in_place, change, 0);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			retype_comparison((OpExpr *) node, change);
			break;
		case T_ScalarArrayOpExpr:
			retype_array_comparison((ScalarArrayOpExpr *) node, change);
			break;
		case T_FuncExpr:
			retype_coercion((FuncExpr *) node, change);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, retype_in_place, change);
}

/* A parameter anywhere else: open($1) is $1. */
static Node *
retype(Node *node, Change *change)
{
	const KrEncryptedType *type;

	if (node == NULL)
		return NULL;
	if (changes(node, change))
		return parameter_operand(node);
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, retype, change, 0);
	if (IsA(node, FuncExpr))
	{
		type = type_of_argument((FuncExpr *) node, change);
		if (type != NULL && ((FuncExpr *) node)->funcid == type->open)
			return base_parameter(linitial(((FuncExpr *) node)->args));
	}
	return expression_tree_mutator(node, retype, change);
}

static bool
has_encrypted_type(const VariableParameters *parameters)
{
	for (int i = 0; i < *parameters->count; i++)
	{
		Oid type = (*parameters->types)[i];

		if (kr_search_maybe_ours(type) && native_type(type) != type)
			return true;
	}
	return false;
}

bool
kr_search_native_parameters(ParseState *pstate, Query *query)
{
	VariableParameters *parameters = pstate->p_ref_hook_state;
	Change change = { 0 };

	if (!has_variable_parameters(pstate) || !has_encrypted_type(parameters))
		return false;
	change.kept = kr_search_kept_parameters(query);
	retype_in_place((Node *) query, &change);
	if (change.left)
		query_tree_mutator(query, retype, &change, QTW_DONT_COPY_QUERY);
	for (int i = 0; i < *parameters->count; i++)
	{
		if (!bms_is_member(i + 1, change.kept))
			(*parameters->types)[i] = native_type((*parameters->types)[i]);
	}
	return true;
}
