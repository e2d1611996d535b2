/*
 * src/search/kept_parameters.c
 *
 * A parameter may change its type only if the statement means the same when it is written for the base type. That is not sure
 * of arguments of functions, which are found by their types (a function over encrypted_text takes no text), nor in recursive
 * queries, whose two parts must agree. And whoever has declared a type means it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_type.h"
#include "pg/extension.h"
#include "search/expr.h"
#include "search/kept_parameters.h"
#include "search/statement.h"
#include "utils/lsyscache.h"

typedef struct Survey
{
	bool recursive;  /* inside of a query with WITH RECURSIVE */
	Bitmapset *kept; /* what is found */
} Survey;

bool
kr_search_is_encrypted_parameter(Node *node)
{
	return node != NULL && IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN &&
		(kr_search_type_of(node) != NULL || kr_search_element_type_of(node) != NULL);
}

bool
kr_search_has_encrypted_parameter(List *args)
{
	ListCell *lc;

	foreach(lc, args)
	{
		if (kr_search_is_encrypted_parameter(lfirst(lc)))
			return true;
	}
	return false;
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
		if (kr_search_is_encrypted_parameter(arg))
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
	KrComparison ignored;
	Oid types[2];

	if (kr_search_comparison(&ignored, expr->opno, expr->args))
		return true;
	set_opfuncid(expr);
	if (list_length(expr->args) != 2 || get_func_namespace(expr->opfuncid) != kr_pg_schema())
		return false;
	for (int i = 0; i < 2; i++)
	{
		Node *arg = list_nth(expr->args, i);

		types[i] = kr_search_is_encrypted_parameter(arg) ? base_type_of(arg) : exprType(arg);
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
		case T_Var:
		case T_Const:
		case T_Param:
			return false;
		case T_Query:
			survey->recursive = recursive || ((Query *) node)->hasRecursive;
			result = query_tree_walker((Query *) node, survey_walker, survey, 0);
			survey->recursive = recursive;
			return result;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (kr_search_has_encrypted_parameter(((OpExpr *) node)->args) && !has_base_form((OpExpr *) node))
				keep(survey, ((OpExpr *) node)->args);
			break;
		case T_ScalarArrayOpExpr:
			if (!kr_search_comparison(&ignored, ((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args))
				keep(survey, ((ScalarArrayOpExpr *) node)->args);
			break;
		case T_FuncExpr:
			if (kr_search_has_encrypted_parameter(((FuncExpr *) node)->args) && !is_cast((FuncExpr *) node))
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

Bitmapset *
kr_search_kept_parameters(Query *query)
{
	Survey survey = { false, NULL };

	survey_walker((Node *) query, &survey);
	keep_declared(&survey);
	return survey.kept;
}
