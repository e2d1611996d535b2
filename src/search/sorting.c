/*
 * src/search/sorting.c
 *
 * The default btree class of an encrypted type orders by token: constraints and
 * indexes work, and reveal equality only. But the parser takes its operators for
 * ORDER BY, DISTINCT, GROUP BY, windows and set operations too. There they are
 * replaced by < and >, which compare plaintexts; NULLS FIRST, equality and hashing
 * stay as they are. Where a searchable column is only grouped by, and nothing shows in
 * which order, tokens go on to decide: they need no opening.
 *
 * Rows and arrays compare by the default classes of what is in them, so by token. Where
 * one is written out in ORDER BY, and there alone, its parts are opened: ORDER BY (a, b)
 * has to agree with (a, b) > ($1, $2), or paging by both would lose rows.
 *
 * This happens in queries about to be planned, never in stored ones, so that
 * pg_get_viewdef does not show USING operators.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "search/expr.h"
#include "search/sorting.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

Oid
kr_search_plaintext_operator(Oid sortop)
{
	const KrEncryptedType *type;
	Oid left;
	Oid right;

	if (!kr_search_maybe_ours(sortop))
		return InvalidOid;
	op_input_types(sortop, &left, &right);
	type = kr_types_lookup(left);
	if (type == NULL)
		return InvalidOid;
	if (sortop == type->token_lt)
		return type->lt[KR_ENC_ENC];
	if (sortop == type->token_gt)
		return type->gt[KR_ENC_ENC];
	return InvalidOid;
}

bool
kr_search_sort_by_plaintext(SortGroupClause *clause)
{
	Oid replacement = kr_search_plaintext_operator(clause->sortop);

	if (!OidIsValid(replacement))
		return false;
	clause->sortop = replacement;
	return true;
}

static Oid
token_operator(const KrEncryptedType *type, Oid sortop)
{
	if (sortop == type->lt[KR_ENC_ENC])
		return type->token_lt;
	return sortop == type->gt[KR_ENC_ENC] ? type->token_gt : sortop;
}

static void
by_token(List *clauses, List *targets, List *sorted)
{
	ListCell *lc;

	foreach(lc, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, lc);
		Node *key = get_sortgroupclause_expr(clause, targets);
		const KrEncryptedType *type = kr_search_type_of(key);

		/* what a nondeterministic collation finds equal may have different tokens: the comparison refuses it, as anywhere */
		if (type == NULL || KR_TYPMOD_MODE(exprTypmod(key)) != KR_TYPMOD_SEARCHABLE ||
			!kr_types_keeps_equality(exprCollation(key)))
			continue;
		if (get_sortgroupref_clause_noerr(clause->tleSortGroupRef, sorted) == NULL)
			clause->sortop = token_operator(type, clause->sortop);
	}
}

void
kr_search_group_by_token(Query *query)
{
	ListCell *lc;

	by_token(query->groupClause, query->targetList, query->sortClause);
	by_token(query->distinctClause, query->targetList, query->sortClause);
	foreach(lc, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, lc);

		by_token(window->partitionClause, query->targetList, list_concat_copy(query->sortClause, window->orderClause));
	}
}

void
kr_search_count_by_token(Aggref *aggregate)
{
	if (aggregate->aggfnoid == F_COUNT_ANY)
		by_token(aggregate->aggdistinct, aggregate->args, aggregate->aggorder);
}

void
kr_search_sort_set_operation(SetOperationStmt *operation)
{
	ListCell *lc;

	foreach(lc, operation->groupClauses)
		kr_search_sort_by_plaintext(lfirst_node(SortGroupClause, lc));
}

/* The parts of a row or array that is written out and may hold encrypted values; NIL for anything else. */
static List *
parts_of(Node *expr)
{
	if (IsA(expr, RowExpr) && ((RowExpr *) expr)->row_typeid == RECORDOID)
		return ((RowExpr *) expr)->args;
	if (IsA(expr, ArrayExpr) && kr_types_lookup(((ArrayExpr *) expr)->element_typeid) != NULL &&
		!((ArrayExpr *) expr)->multidims)
		return ((ArrayExpr *) expr)->elements;
	return NIL;
}

/* The row or array with encrypted parts that a clause sorts by; NULL if it is used for anything else too. */
static Node *
closed_key(SortGroupClause *clause, List *targets, List *groups)
{
	TargetEntry *target = get_sortgroupref_tle(clause->tleSortGroupRef, targets);
	ListCell *lc;

	if (!target->resjunk)
		return NULL;
	if (get_sortgroupref_clause_noerr(clause->tleSortGroupRef, groups) != NULL)
		return NULL;
	foreach(lc, parts_of((Node *) target->expr))
	{
		if (kr_search_type_of(lfirst(lc)) != NULL)
			return (Node *) target->expr;
	}
	return NULL;
}

static void
open_parts(Node *key)
{
	ListCell *lc;

	foreach(lc, parts_of(key))
	{
		const KrEncryptedType *type = kr_search_type_of(lfirst(lc));

		if (type != NULL)
			lfirst(lc) = kr_search_open(type, lfirst(lc));
	}
	if (IsA(key, ArrayExpr))
	{
		ArrayExpr *array = (ArrayExpr *) key;
		const KrEncryptedType *type = kr_types_lookup(array->element_typeid);

		array->array_typeid = type->base_array;
		array->element_typeid = type->base->oid;
	}
}

bool
kr_search_sort_rows(List *clauses, List *targets, List *groups, bool change)
{
	bool found = false;
	ListCell *lc;

	foreach(lc, clauses)
	{
		Node *key = closed_key(lfirst_node(SortGroupClause, lc), targets, groups);

		if (key == NULL)
			continue;
		found = true;
		if (change)
			open_parts(key);
	}
	return found;
}

bool
kr_search_sort_rows_of(Query *query, bool change)
{
	bool found = kr_search_sort_rows(query->sortClause, query->targetList, query->groupClause, change);
	ListCell *lc;

	foreach(lc, query->windowClause)
	{
		if (kr_search_sort_rows(lfirst_node(WindowClause, lc)->orderClause, query->targetList,
								query->groupClause, change))
			found = true;
	}
	return found;
}
