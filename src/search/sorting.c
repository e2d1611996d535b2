/*
 * src/search/sorting.c
 *
 * The default btree class of an encrypted type orders by token: constraints and
 * indexes work, and reveal equality only. But the parser takes its operators for
 * ORDER BY, DISTINCT, GROUP BY, windows and set operations too. There they are
 * replaced by < and >, which compare plaintexts; NULLS FIRST, equality and hashing
 * stay as they are.
 *
 * This happens in queries about to be planned, never in stored ones, so that
 * pg_get_viewdef does not show USING operators.
 */
#include "postgres.h"

#include "access/transam.h"
#include "nodes/nodeFuncs.h"
#include "search/expr.h"
#include "search/sorting.h"
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

void
kr_search_sort_set_operation(SetOperationStmt *operation)
{
	ListCell *lc;

	foreach(lc, operation->groupClauses)
		kr_search_sort_by_plaintext(lfirst_node(SortGroupClause, lc));
}
