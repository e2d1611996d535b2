/*
 * src/types/subscript.c
 *
 * Subscripts of encrypted jsonb: document['key'] is that of the opened document. What an assignment to one
 * makes is a plain document, which the planner hook seals for the column or variable (search/fresh.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/execExpr.h"
#include "nodes/makefuncs.h"
#include "nodes/subscripting.h"
#include "parser/parse_node.h"
#include "types/basetype.h"
#include "utils/lsyscache.h"

KR_FUNCTION(keyring_jsonb_subscript);

static void
transform(SubscriptingRef *subscripts, List *indirection, ParseState *pstate, bool is_slice, bool is_assignment)
{
	const KrEncryptedType *type = kr_types_of_base(JSONBOID);

	if (type == NULL)
		elog(ERROR, "encrypted type of base type \"jsonb\" is not in the catalogs");
	if (subscripts->refexpr != NULL)
		subscripts->refexpr = (Expr *) makeFuncExpr(type->open, JSONBOID, list_make1(subscripts->refexpr),
													InvalidOid, InvalidOid, COERCE_IMPLICIT_CAST);
	subscripts->refcontainertype = JSONBOID;
	subscripts->reftypmod = -1;
	getSubscriptingRoutines(JSONBOID, NULL)->transform(subscripts, indirection, pstate, is_slice, is_assignment);
}

/* Never reached: what transform() makes is of type jsonb. */
static void
exec_setup(const SubscriptingRef *subscripts, SubscriptingRefState *state, SubscriptExecSteps *steps)
{
	elog(ERROR, "subscripts of encrypted jsonb are those of jsonb");
}

Datum
keyring_jsonb_subscript(PG_FUNCTION_ARGS)
{
	static const SubscriptRoutines routines = {
		.transform = transform,
		.exec_setup = exec_setup,
		.fetch_strict = true
	};

	PG_RETURN_POINTER(&routines);
}
