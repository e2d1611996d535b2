/*
 * src/search/operands.c
 *
 * Equality with a searchable column compares stored tokens, and an index on it can
 * do nothing else, since no key may be needed under a page lock. So the other
 * operand gets its token before the scan begins:
 *
 *	searchable = base			->	searchable = operand(base)
 *	searchable = encrypted		->	searchable = operand(encrypted), which passes through what has a token
 *	searchable = ANY (array)	->	searchable = ANY (operands(array))
 *	other = ANY (base array)	->	open(other) = ANY (base array), which opens once and can hash
 *
 * A constant or parameter that meets the column of a table, which is sure to have tokens, is given a token and not sealed.
 *
 * operand() is STABLE: the executor evaluates it once as a run-time key. A column
 * that is not searchable stays in the mixed form, which opens its value and compares
 * plaintexts. What an expression promises to hold is seen in its typmod.
 *
 * Where both sides are sure to have a token, the function of the operator is the
 * leakproof one that compares nothing else: then row-level security does not keep
 * the condition away from the index. A typmod is not enough for that, since the
 * record of a function may be declared with any: the column must be a table's.
 *
 * Deterministic collations agree on what is equal, so the comparison takes that of
 * the column, which is the index's. Under any other collation plaintexts are compared.
 *
 * Runs for each planning and finds its own work done when it meets it again. Changes nodes where they are: the planner
 * hook's tree is its own, and each comparison stays one, whoever points to it.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "search/expr.h"
#include "search/hashing.h"
#include "search/hooks.h"
#include "search/narrow.h"
#include "search/operands.h"
#include "search/uncast.h"
#include "search/widen.h"
#include "utils/lsyscache.h"

/*
 * Whether the values of expr carry tokens, as its typmod promises. A cast to such a
 * typmod is an operand in other words: it would be called for each row, and index
 * nothing.
 */
static bool
is_searchable(const KrEncryptedType *type, Node *expr)
{
	return exprType(expr) == type->oid && KR_TYPMOD_MODE(exprTypmod(expr)) == KR_TYPMOD_SEARCHABLE &&
		kr_search_cast_argument(type, expr) == NULL;
}

static bool is_stored(Query *query, Var *var);

/* Whether a column of a query's result is a table's; with a set operation, whether it is in all of the queries. */
static bool
is_stored_result(Query *query, Node *operation, AttrNumber column)
{
	TargetEntry *entry;

	if (operation != NULL && IsA(operation, SetOperationStmt))
		return is_stored_result(query, ((SetOperationStmt *) operation)->larg, column) &&
			is_stored_result(query, ((SetOperationStmt *) operation)->rarg, column);
	if (operation != NULL)
	{
		query = rt_fetch(castNode(RangeTblRef, operation)->rtindex, query->rtable)->subquery;
		return is_stored_result(query, query->setOperations, column);
	}
	entry = get_tle_by_resno(query->targetList, column);
	return entry != NULL && IsA(entry->expr, Var) && ((Var *) entry->expr)->varlevelsup == 0 &&
		is_stored(query, (Var *) entry->expr);
}

/* Whether a column of a query is, in the end, a column of a table. */
static bool
is_stored(Query *query, Var *var)
{
	RangeTblEntry *rte = rt_fetch(var->varno, query->rtable);
	Node *alias;

	if (var->varattno <= 0)
		return false;
	switch (rte->rtekind)
	{
		case RTE_RELATION:
			return rte->relkind == RELKIND_RELATION || rte->relkind == RELKIND_PARTITIONED_TABLE ||
				rte->relkind == RELKIND_MATVIEW;
		case RTE_SUBQUERY:
			return is_stored_result(rte->subquery, rte->subquery->setOperations, var->varattno);
		case RTE_JOIN:
			alias = list_nth(rte->joinaliasvars, var->varattno - 1);
			return alias != NULL && IsA(alias, Var) && is_stored(query, (Var *) alias);
		default:
			return false;
	}
}

/* Whether expr reads a searchable column of a table, whose values all went through the typmod coercion. */
static bool
is_stored_searchable(const KrEncryptedType *type, Node *expr, const KrScope *scope)
{
	Var *var = (Var *) expr;

	if (!IsA(expr, Var) || !is_searchable(type, expr))
		return false;
	for (Index level = var->varlevelsup; level > 0 && scope != NULL; level--)
		scope = scope->outer;
	return scope != NULL && is_stored(scope->query, var);
}

static bool
has_token(const KrEncryptedType *type, Node *expr, const KrScope *scope)
{
	return kr_search_is_operand(type, expr) || is_stored_searchable(type, expr, scope);
}

/* A row, a sub-query, or a parameter of a function that is being inlined, which one of them may replace. */
static bool
may_vary(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind != PARAM_EXTERN || kr_search_planning > 0;
	if (IsA(node, Var) || IsA(node, SubLink) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc) ||
		IsA(node, CaseTestExpr))
		return true;
	return expression_tree_walker(node, may_vary, context);
}

/*
 * Marks an operand of base type that meets a column which is sure to have tokens: it is compared with what has one, too, and
 * nothing else is done to it, so it need not be sealed. Not one that varies from row to row: PostgreSQL may sort by
 * whatever is equal to a column, in the order of its plaintexts. The mark is one that a function can ask for and that
 * makes the call unequal to others: where the value is selected as well, that is sealed.
 */
static Node *
only_compared(const KrEncryptedType *type, Expr *operand, bool sure)
{
	FuncExpr *call = (FuncExpr *) operand;

	if (!sure || !IsA(operand, FuncExpr) || (call->funcid != type->operand && call->funcid != type->operands) ||
		may_vary((Node *) call->args, NULL))
		return (Node *) operand;
	if (call->funcid == type->operand)
		call->funcid = type->compared;
	call->funcvariadic = true;
	return (Node *) operand;
}

/* The other operand of a searchable one, which is sure to have tokens or not. */
static Node *
tokened(const KrEncryptedType *type, Node *operand, bool sure)
{
	Node *argument = kr_search_cast_argument(type, operand);

	if (argument != NULL)
		return only_compared(type, kr_search_operand(type, argument), sure);
	if (is_searchable(type, operand) || kr_search_is_operand(type, operand))
		return operand;
	return only_compared(type, kr_search_operand(type, operand), sure);
}

static Oid
comparing_function(const KrComparison *comparison, Oid operator, bool tokens)
{
	return tokens && comparison->comparator == KR_EQ ? comparison->type->token_eq : get_opcode(operator);
}

static bool
is_equality(KrComparison *out, Oid opno, List *args, Oid collation)
{
	return kr_search_comparison(out, opno, args) && (out->comparator == KR_EQ || out->comparator == KR_NE) &&
		kr_types_keeps_equality(collation);
}

/* The collation of a searchable expression, whatever COLLATE says around it. */
static Oid
own_collation(Node *searchable)
{
	while (IsA(searchable, CollateExpr))
		searchable = (Node *) ((CollateExpr *) searchable)->arg;
	return exprCollation(searchable);
}

/* With a value of another type a column is compared by tokens only if it is sure to have them. */
static bool
is_narrowable(Oid opno, List *args, const KrScope *scope)
{
	Node *column = kr_search_narrowable(opno, args);

	return column != NULL && is_stored_searchable(kr_search_type_of(column), column, scope);
}

/* The operands of expr are already treated. */
static void
give_token(OpExpr *expr, const KrScope *scope)
{
	KrComparison comparison;
	const KrEncryptedType *type;
	Node *left;
	Node *right;
	Node *searchable;

	if (!is_equality(&comparison, expr->opno, expr->args, expr->inputcollid))
		return;
	type = comparison.type;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (is_searchable(type, left))
	{
		searchable = left;
		right = tokened(type, right, is_stored_searchable(type, left, scope));
	}
	else if (is_searchable(type, right) && !IsA(expr, NullIfExpr))
	{
		searchable = right;
		left = tokened(type, left, is_stored_searchable(type, right, scope));
	}
	else
		/* also for a NULLIF whose first operand would change its type, which is the result's */
		return;

	expr->opno = kr_search_operator(&comparison, KR_ENC_ENC);
	expr->opfuncid = comparing_function(&comparison, expr->opno,
										has_token(type, left, scope) && has_token(type, right, scope));
	expr->inputcollid = own_collation(searchable);
	expr->args = list_make2(left, right);
}

/* A value that must be opened for each row is not opened for each element: the base type's own operator compares. */
static void
open_once(ScalarArrayOpExpr *expr)
{
	KrComparison comparison;
	Oid opno;

	if (!kr_search_comparison(&comparison, expr->opno, expr->args) || comparison.form != KR_ENC_BASE)
		return;
	opno = kr_search_base_operator(comparison.type, expr->opno);
	if (!OidIsValid(opno))
		return;
	expr->opno = opno;
	expr->opfuncid = get_opcode(opno);
	expr->args = list_make2(kr_search_open(comparison.type, linitial(expr->args)), lsecond(expr->args));
}

static void
give_tokens(ScalarArrayOpExpr *expr, const KrScope *scope)
{
	KrComparison comparison;
	Node *left;
	Node *right;
	bool tokens;

	if (!is_equality(&comparison, expr->opno, expr->args, expr->inputcollid))
		return;
	left = linitial(expr->args);
	right = lsecond(expr->args);
	if (!is_searchable(comparison.type, left))
		return;
	tokens = has_token(comparison.type, left, scope);

	if (!kr_search_is_operand(comparison.type, right))
		right = only_compared(comparison.type, kr_search_operands(comparison.type, right), tokens);
	expr->opno = kr_search_operator(&comparison, KR_ENC_ENC);
	expr->opfuncid = comparing_function(&comparison, expr->opno, tokens);
	expr->inputcollid = own_collation(left);
	expr->args = list_make2(left, right);

	/* a timestamp is another moment when the time zone has changed within the statement */
	if (tokens && !(comparison.type->base->oid == TIMESTAMPTZOID && ((FuncExpr *) right)->funcid == comparison.type->fittings))
		kr_search_hash_operands(expr, linitial(((FuncExpr *) right)->args), comparison.type->token_eq, scope->params);
}

static void
give_tokens_to_comparison(OpExpr *expr, const KrScope *scope)
{
	KrComparison ignored;

	/* operators of keyring that have no other form are what most comparisons are */
	if (!kr_search_comparison(&ignored, expr->opno, expr->args))
	{
		if (scope->filtering)
			kr_search_uncast(expr);
		if (is_narrowable(expr->opno, expr->args, scope))
			kr_search_narrow(expr);
		kr_search_widen(expr);
	}
	give_token(expr, scope);
}

static void
give_tokens_to_array_comparison(ScalarArrayOpExpr *expr, const KrScope *scope)
{
	if (scope->filtering)
		kr_search_uncast_array(expr);
	if (is_narrowable(expr->opno, expr->args, scope))
		kr_search_narrow_array(expr);
	kr_search_widen_array(expr);
	give_tokens(expr, scope);
	open_once(expr);
	kr_search_open_beside_array(expr);
}

void
kr_search_give_tokens(Node *comparison, const KrScope *scope)
{
	if (IsA(comparison, ScalarArrayOpExpr))
		give_tokens_to_array_comparison((ScalarArrayOpExpr *) comparison, scope);
	else
		give_tokens_to_comparison((OpExpr *) comparison, scope);
}
