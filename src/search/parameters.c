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
 * the same when it is written for the base type. That is not sure of arguments of functions, which are found by their
 * types (a function over encrypted_text takes no text), nor in recursive queries, whose two parts must agree.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_param.h"
#include "parser/parse_type.h"
#include "pg/extension.h"
#include "search/expr.h"
#include "search/parameters.h"
#include "search/statement.h"
#include "utils/lsyscache.h"

/* The variable-parameter state of parse_param.c, which keeps it to itself; the same from 15 to 18. */
typedef struct VariableParameters
{
	Oid **types;
	int *count;
} VariableParameters;

/* What is found out before anything is changed. */
typedef struct Survey
{
	bool recursive;  /* inside of a query with WITH RECURSIVE */
	Bitmapset *kept; /* numbers of those that keep their types */
} Survey;

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
is_encrypted_parameter(Node *node)
{
	return node != NULL && IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN &&
		(kr_search_type_of(node) != NULL || kr_search_element_type_of(node) != NULL);
}

static void
keep(Survey *survey, List *args)
{
	ListCell *lc;

	foreach(lc, args)
	{
		Node *arg = lfirst(lc);

		if (arg != NULL && IsA(arg, TargetEntry))
			arg = (Node *) ((TargetEntry *) arg)->expr;
		if (is_encrypted_parameter(arg))
			survey->kept = bms_add_member(survey->kept, ((Param *) arg)->paramid);
	}
}

static Oid
base_type_of(Node *expr)
{
	const KrEncryptedType *type = kr_search_type_of(expr);

	return type != NULL ? type->base->oid : exprType(expr);
}

static bool
has_operator(Oid schema, Oid opno, Oid left, Oid right)
{
	List *name = list_make2(makeString(get_namespace_name(schema)), makeString(get_opname(opno)));

	return OidIsValid(OpernameGetOprid(name, left, right));
}

/* Whether one of keyring's operators is there also for parameters of the base type. */
static bool
has_base_form(OpExpr *expr)
{
	Oid types[2];

	if (list_length(expr->args) != 2 || get_func_namespace(expr->opfuncid) != kr_pg_schema())
		return false;
	for (int i = 0; i < 2; i++)
	{
		Node *arg = list_nth(expr->args, i);

		types[i] = is_encrypted_parameter(arg) ? base_type_of(arg) : exprType(arg);
	}
	return has_operator(kr_pg_schema(), expr->opno, types[0], types[1]) ||
		has_operator(PG_CATALOG_NAMESPACE, expr->opno, types[0], types[1]);
}

/* A cast that PostgreSQL has for the base type too. */
static bool
is_cast(FuncExpr *expr)
{
	return expr->funcformat != COERCE_EXPLICIT_CALL && get_func_namespace(expr->funcid) == kr_pg_schema();
}

static bool
survey_walker(Node *node, Survey *survey)
{
	KrComparison ignored;
	bool recursive = survey->recursive;
	bool result;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			survey->recursive = recursive || ((Query *) node)->hasRecursive;
			result = query_tree_walker((Query *) node, survey_walker, survey, 0);
			survey->recursive = recursive;
			return result;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			set_opfuncid((OpExpr *) node);
			if (!has_base_form((OpExpr *) node))
				keep(survey, ((OpExpr *) node)->args);
			break;
		case T_ScalarArrayOpExpr:
			if (!kr_search_comparison(&ignored, ((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args))
				keep(survey, ((ScalarArrayOpExpr *) node)->args);
			break;
		case T_FuncExpr:
			if (!is_cast((FuncExpr *) node))
				keep(survey, ((FuncExpr *) node)->args);
			break;
		case T_Aggref:
			keep(survey, ((Aggref *) node)->args);
			keep(survey, ((Aggref *) node)->aggdirectargs);
			break;
		case T_WindowFunc:
			keep(survey, ((WindowFunc *) node)->args);
			break;
		case T_CoalesceExpr:
			if (recursive)
				keep(survey, ((CoalesceExpr *) node)->args);
			break;
		case T_CaseExpr:
			if (recursive)
				keep(survey, list_make1(((CaseExpr *) node)->defresult));
			break;
		case T_CaseWhen:
			if (recursive)
				keep(survey, list_make1(((CaseWhen *) node)->result));
			break;
		case T_MinMaxExpr:
			if (recursive)
				keep(survey, ((MinMaxExpr *) node)->args);
			break;
		case T_ArrayExpr:
			if (recursive)
				keep(survey, ((ArrayExpr *) node)->elements);
			break;
		case T_TargetEntry:
		case T_List:
			if (recursive)
				keep(survey, IsA(node, List) ? (List *) node : list_make1(node));
			break;
		default:
			break;
	}
	return expression_tree_walker(node, survey_walker, survey);
}

static bool
changes(Node *node, const Survey *survey)
{
	return is_encrypted_parameter(node) && !bms_is_member(((Param *) node)->paramid, survey->kept);
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

static Node *retype(Node *node, Survey *survey);

/* expr is a copy, whose arguments are not. */
static bool
retype_comparison(OpExpr *expr, Survey *survey)
{
	KrComparison comparison;
	Node *left;
	Node *right;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args))
		return false;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (comparison.form == KR_ENC_ENC && changes(right, survey))
	{
		expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
		expr->args = list_make2(retype(left, survey), base_parameter(right));
	}
	else if (comparison.form == KR_ENC_ENC && changes(left, survey) && !IsA(expr, NullIfExpr))
	{
		expr->opno = kr_search_operator(&comparison, KR_BASE_ENC);
		expr->args = list_make2(base_parameter(left), retype(right, survey));
	}
	else if (comparison.form != KR_ENC_ENC && changes(comparison.form == KR_ENC_BASE ? left : right, survey))
	{
		/* a plain column, beside a parameter that was compared with an encrypted one before */
		Oid opno = kr_search_base_operator(comparison.type, expr->opno);

		if (!OidIsValid(opno))
			return false;
		expr->opno = opno;
		if (comparison.form == KR_ENC_BASE)
			expr->args = list_make2(base_parameter(left), retype(right, survey));
		else
			expr->args = list_make2(retype(left, survey), base_parameter(right));
	}
	else
		return false;
	expr->opfuncid = get_opcode(expr->opno);
	return true;
}

/* An element of IN as a value of the base type: what is not a parameter was a literal, and is one in an operand now. */
static Node *
base_element(const KrEncryptedType *type, Node *element, Survey *survey)
{
	if (changes(element, survey))
		return base_parameter(element);
	if (kr_search_is_operand(type, element))
	{
		Node *argument = linitial(((FuncExpr *) element)->args);

		return exprType(argument) == type->base->oid ? retype(argument, survey) : NULL;
	}
	return NULL;
}

/* The array of base type for one that is made of parameters and literals only; NULL for others. */
static Node *
base_array(const KrEncryptedType *type, Node *node, Survey *survey)
{
	ArrayExpr *array = (ArrayExpr *) node;
	List *elements = NIL;
	ListCell *lc;

	if (changes(node, survey))
		return base_parameter(node);
	if (!IsA(node, ArrayExpr) || array->multidims)
		return NULL;
	foreach(lc, array->elements)
	{
		Node *element = base_element(type, lfirst(lc), survey);

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

static bool
retype_array_comparison(ScalarArrayOpExpr *expr, Survey *survey)
{
	KrComparison comparison;
	Node *array;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args) || comparison.form != KR_ENC_ENC)
		return false;
	array = base_array(comparison.type, lsecond(expr->args), survey);
	if (array == NULL)
		return false;
	expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(retype(linitial(expr->args), survey), array);
	return true;
}

/* coerce() and open() of a parameter; NULL for other functions. */
static Node *
retype_cast(FuncExpr *expr, Survey *survey)
{
	Node *arg = expr->args != NIL ? linitial(expr->args) : NULL;
	const KrEncryptedType *type = changes(arg, survey) ? kr_search_type_of(arg) : NULL;
	FuncExpr *result;

	if (type == NULL)
		return NULL;
	if (expr->funcid == type->open)
		return base_parameter(arg);
	if (expr->funcid != type->coerce)
		return NULL;
	result = makeNode(FuncExpr);
	memcpy(result, expr, sizeof(FuncExpr));
	result->funcid = type->seal;
	result->args = list_copy(expr->args);
	linitial(result->args) = base_parameter(arg);
	return (Node *) result;
}

static Node *
retype(Node *node, Survey *survey)
{
	Node *result;

	if (node == NULL)
		return NULL;
	if (changes(node, survey))
		return parameter_operand(node);
	switch (nodeTag(node))
	{
		case T_Query:
			return (Node *) query_tree_mutator((Query *) node, retype, survey, 0);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			result = palloc(sizeof(OpExpr));
			memcpy(result, node, sizeof(OpExpr)); /* all three are this struct */
			if (retype_comparison((OpExpr *) result, survey))
				return result;
			break;
		case T_ScalarArrayOpExpr:
			result = palloc(sizeof(ScalarArrayOpExpr));
			memcpy(result, node, sizeof(ScalarArrayOpExpr));
			if (retype_array_comparison((ScalarArrayOpExpr *) result, survey))
				return result;
			break;
		case T_FuncExpr:
			result = retype_cast((FuncExpr *) node, survey);
			if (result != NULL)
				return result;
			break;
		default:
			break;
	}
	return expression_tree_mutator(node, retype, survey);
}

/*
 * A type that PREPARE was told is meant: somebody may be about to give envelopes. Of the types in a Parse message
 * nothing is known here.
 */
static void
keep_declared(Survey *survey)
{
	int number = 0;
	ListCell *lc;

	foreach(lc, kr_search_declared_types())
	{
		number++;
		if (typenameTypeId(NULL, lfirst_node(TypeName, lc)) != UNKNOWNOID)
			survey->kept = bms_add_member(survey->kept, number);
	}
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
	Survey survey = { 0 };

	if (!has_variable_parameters(pstate) || !has_encrypted_type(parameters))
		return false;
	survey_walker((Node *) query, &survey);
	keep_declared(&survey);
	query_tree_mutator(query, retype, &survey, QTW_DONT_COPY_QUERY);
	for (int i = 0; i < *parameters->count; i++)
	{
		if (!bms_is_member(i + 1, survey.kept))
			(*parameters->types)[i] = native_type((*parameters->types)[i]);
	}
	return true;
}
