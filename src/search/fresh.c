/*
 * src/search/fresh.c
 *
 * The parser calls the typmod coercion where an expression of another typmod meets a
 * column. Between columns of equal typmod it does not, and the envelope would be
 * copied byte for byte, whatever key it is under. Such target expressions are
 * wrapped in the same coercion: it looks at the header, passes through what is under
 * the current primary, and re-seals the rest.
 *
 * An assignment to a subscript, SET document['key'] = ..., makes a plain document, though the parser gives it
 * the type of the column. It gets its true type here and is sealed. PL/pgSQL's variables are assigned to by a SELECT,
 * the only one that has such an expression; it then casts to what the variable is declared as.
 *
 * A literal that does not fit numeric(10,2) is an error of an UPDATE also where it finds no row, since the planner folds the
 * length coercion of constants. What is sealed for such a column is given the same coercion.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "search/expr.h"
#include "search/fresh.h"
#include "utils/lsyscache.h"

static bool
is_null_constant(Node *expr)
{
	return IsA(expr, Const) && ((Const *) expr)->constisnull;
}

/* Whether every row of VALUES gives this column a value made for it. */
static bool
values_are_sealed(const KrEncryptedType *type, RangeTblEntry *rte, AttrNumber attno, int32 typmod)
{
	ListCell *lc;

	foreach(lc, rte->values_lists)
	{
		Node *value = list_nth(lfirst(lc), attno - 1);

		if (!is_null_constant(value) && !kr_search_is_sealed_for(type, value, typmod))
			return false;
	}
	return true;
}

static bool
is_sealed_for(Query *query, const KrEncryptedType *type, Node *expr, int32 typmod)
{
	Var *var = (Var *) expr;
	RangeTblEntry *rte;

	if (is_null_constant(expr) || kr_search_is_sealed_for(type, expr, typmod))
		return true;
	if (!IsA(expr, Var) || var->varlevelsup > 0 || var->varattno <= 0)
		return false;
	rte = rt_fetch(var->varno, query->rtable);
	return rte->rtekind == RTE_VALUES && values_are_sealed(type, rte, var->varattno, typmod);
}

static bool
is_document_assignment(Expr *expr)
{
	return expr != NULL && IsA(expr, SubscriptingRef) && ((SubscriptingRef *) expr)->refassgnexpr != NULL &&
		((SubscriptingRef *) expr)->refcontainertype == JSONBOID;
}

/* The rewriter puts several assignments to one column into each other; only the outermost is sealed. */
static Expr *
seal_assignment(const KrEncryptedType *type, Expr *expr, int32 typmod)
{
	for (Expr *each = expr; is_document_assignment(each); each = ((SubscriptingRef *) each)->refexpr)
	{
		((SubscriptingRef *) each)->refrestype = JSONBOID;
		((SubscriptingRef *) each)->reftypmod = -1;
	}
	return kr_search_seal(type, (Node *) expr, typmod);
}

static inline Expr *
seal_for_variable(Expr *expr)
{
	const KrEncryptedType *type = is_document_assignment(expr) ? kr_search_type_of((Node *) expr) : NULL;

	return type == NULL ? expr : seal_assignment(type, expr, -1);
}

static void
freshen_variable(List *targets)
{
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);

		target->expr = seal_for_variable(target->expr);
	}
}

void
kr_search_freshen_field(FieldStore *store)
{
	ListCell *lc;

	foreach(lc, store->newvals)
		lfirst(lc) = seal_for_variable(lfirst(lc));
}

/* A value that is known before the statement runs is rounded, or refused, before it runs. */
static void
fit_constant(const KrEncryptedType *type, Expr *expr, int32 typmod)
{
	int32 modifier = kr_types_base_typmod(type->base, typmod);
	FuncExpr *seal = (FuncExpr *) expr;
	Node *value;

	if (modifier < 0 || !IsA(expr, FuncExpr) || seal->funcid != type->seal)
		return;
	value = linitial(seal->args);
	if (!IsA(value, Const) && !(IsA(value, Param) && ((Param *) value)->paramkind == PARAM_EXTERN))
		return;
	linitial(seal->args) = coerce_to_target_type(NULL, value, exprType(value), type->base->oid, modifier,
												 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
}

static void
freshen_targets(Query *query, List *targets)
{
	Oid relation = rt_fetch(query->resultRelation, query->rtable)->relid;
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		const KrEncryptedType *type;
		Oid column_type;
		int32 typmod;
		Oid collation;

		if (target->resjunk)
			continue;
		type = kr_search_type_of((Node *) target->expr);
		if (type == NULL)
			continue;
		get_atttypetypmodcoll(relation, target->resno, &column_type, &typmod, &collation);

		/* a view with INSTEAD OF triggers may have columns without typmod: the trigger writes elsewhere */
		if (column_type != type->oid || (typmod < 0 && !is_document_assignment(target->expr)))
			continue;
		if (is_document_assignment(target->expr))
			target->expr = seal_assignment(type, target->expr, typmod);
		else if (!is_sealed_for(query, type, (Node *) target->expr, typmod))
			target->expr = kr_search_coerce(type, (Node *) target->expr, typmod);
		fit_constant(type, target->expr, typmod);
	}
}

void
kr_search_freshen(Query *query)
{
	ListCell *lc;

	switch (query->commandType)
	{
		case CMD_SELECT:
			freshen_variable(query->targetList);
			break;
		case CMD_INSERT:
			freshen_targets(query, query->targetList);
			if (query->onConflict != NULL)
				freshen_targets(query, query->onConflict->onConflictSet);
			break;
		case CMD_UPDATE:
			freshen_targets(query, query->targetList);
			break;
		case CMD_MERGE:
			foreach(lc, query->mergeActionList)
				freshen_targets(query, lfirst_node(MergeAction, lc)->targetList);
			break;
		default:
			break;
	}
}
