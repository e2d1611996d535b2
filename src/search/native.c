/*
 * src/search/native.c
 *
 * The columns of what goes to a client are cast to their base types: a driver knows text, and how to
 * read it in binary form, and nothing of encrypted_text.
 *
 * The cast must be the last thing that happens to a row. What is sorted, grouped, compared or put into a temporary
 * file on the way is an envelope, as ever; a value is not opened for a row that LIMIT or a lock leaves out. So a query
 * that does any of these gets another around it, and the cast is in that one.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "pg/guc.h"
#include "search/around.h"
#include "search/expr.h"
#include "search/limits.h"
#include "search/native.h"
#include "search/scroll.h"
#include "search/statement.h"

bool
kr_search_for_client(void)
{
	return kr_guc_native_types && kr_search_is_outside();
}

/* Whether clients do not know the type of an entry of the result. */
static bool
is_foreign(TargetEntry *entry)
{
	Node *expr = (Node *) entry->expr;

	return !entry->resjunk && (kr_search_type_of(expr) != NULL || kr_search_element_type_of(expr) != NULL);
}

static bool
has_foreign(List *targets)
{
	ListCell *lc;

	foreach(lc, targets)
	{
		if (is_foreign(lfirst_node(TargetEntry, lc)))
			return true;
	}
	return false;
}

static bool
is_sorted_or_grouped(List *targets)
{
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->ressortgroupref != 0 && is_foreign(entry))
			return true;
	}
	return false;
}

/* Whether rows are yet to be sorted, compared or left out when the query's target list is evaluated. */
static bool
goes_on_after_targets(Query *query)
{
	return query->setOperations != NULL || query->distinctClause != NIL || query->sortClause != NIL ||
		query->limitOffset != NULL || query->rowMarks != NIL || is_sorted_or_grouped(query->targetList);
}

static Expr *
declared_as(Expr *expr, Oid type, int32 typmod)
{
	return (Expr *) applyRelabelType((Node *) expr, type, typmod, exprCollation((Node *) expr), COERCE_IMPLICIT_CAST, -1,
									 false);
}

/*
 * A literal or parameter that was made an operand is what it was made of; a column keeps its modifier, as numeric(10,2) or
 * varchar(20).
 */
static Expr *
native_value(const KrEncryptedType *type, TargetEntry *entry)
{
	Node *expr = (Node *) entry->expr;
	int32 typmod = kr_types_base_typmod(type->base, exprTypmod(expr));
	int32 length;
	Expr *result;

	if (kr_search_is_operand(type, expr) && exprType(linitial(((FuncExpr *) expr)->args)) == type->base->oid)
		return linitial(((FuncExpr *) expr)->args);
	result = kr_search_open(type, expr);
	if (typmod >= 0)
		return declared_as(result, type->base->oid, typmod);
	length = kr_search_length_modifier(type, entry);
	return length >= 0 ? declared_as(result, VARCHAROID, length) : result;
}

static Expr *
native_array(const KrEncryptedType *type, Node *expr)
{
	Node *result = coerce_to_target_type(NULL, expr, type->array, type->base_array, -1, COERCION_IMPLICIT,
										 COERCE_IMPLICIT_CAST, -1);

	exprSetCollation(result, exprCollation(expr));
	return (Expr *) result;
}

static void
cast_targets(List *targets)
{
	ListCell *lc;

	foreach(lc, targets)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node *expr = (Node *) entry->expr;
		const KrEncryptedType *type = kr_search_type_of(expr);
		const KrEncryptedType *of_array;

		if (entry->resjunk)
			continue;
		if (type != NULL)
			entry->expr = native_value(type, entry);
		else if ((of_array = kr_search_element_type_of(expr)) != NULL)
			entry->expr = native_array(of_array, expr);
	}
}

void
kr_search_native_results(Query *query, bool scrolls)
{
	Query *inner;

	if (query->commandType != CMD_SELECT)
	{
		cast_targets(query->returningList);
		return;
	}
	if (!has_foreign(query->targetList))
		return;
	if (scrolls || goes_on_after_targets(query))
	{
		/* the query's place is known to the caller */
		inner = palloc(sizeof(Query));
		memcpy(inner, query, sizeof(Query));
		memcpy(query, kr_search_select_from(inner), sizeof(Query));
		if (scrolls)
			kr_search_keep_apart(query);
	}
	cast_targets(query->targetList);
}
