/*
 * src/search/created.c
 *
 * A table made from a query takes its columns from the query's result. Casting each
 * encrypted one to a typmod gives the column its mode and each row its envelope.
 *
 * An entry that DISTINCT, ORDER BY, GROUP BY or a set operation uses cannot be
 * wrapped in a volatile function: there a query is put around the whole.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "search/around.h"
#include "search/created.h"
#include "search/expr.h"

/* Whether the cast can take the place of every encrypted entry. */
static bool
can_cast_in_place(Query *query)
{
	ListCell *lc;

	if (query->setOperations != NULL || query->hasTargetSRFs)
		return false;
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (entry->ressortgroupref != 0 && kr_search_type_of((Node *) entry->expr) != NULL)
			return false;
	}
	return true;
}

static bool
has_encrypted_column(Query *query)
{
	ListCell *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		if (!entry->resjunk && kr_search_type_of((Node *) entry->expr) != NULL)
			return true;
	}
	return false;
}

static void
cast_columns(Query *query)
{
	ListCell *lc;

	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		const KrEncryptedType *type = kr_search_type_of((Node *) entry->expr);
		int32 typmod = exprTypmod((Node *) entry->expr);

		if (entry->resjunk || type == NULL)
			continue;
		if (typmod < 0)
			typmod = KR_TYPMOD_RANDOMIZED;
		if (!kr_search_is_sealed_for(type, (Node *) entry->expr, typmod))
			entry->expr = kr_search_coerce(type, (Node *) entry->expr, typmod);
	}
}

void
kr_search_give_created_columns_modes(CreateTableAsStmt *statement)
{
	Query *query = castNode(Query, statement->query);

	/* CREATE TABLE AS EXECUTE: the guard sees to it that the columns have a mode, and into.c that they are fresh */
	if (query->commandType != CMD_SELECT)
		return;
	if (has_encrypted_column(query))
	{
		/* data-modifying WITH must stay outermost; what is not cast here becomes fresh in into.c */
		if (!can_cast_in_place(query) && !query->hasModifyingCTE)
			query = kr_search_select_from(query);
		if (can_cast_in_place(query))
			cast_columns(query);
		statement->query = (Node *) query;
	}

	/* what the materialized view will store was copied before our work on the query; a Node up to 17, then a Query */
	if (statement->into->viewQuery != NULL)
		statement->into->viewQuery = (void *) copyObject(query);
}
