/*
 * src/search/inline.c
 *
 * The planner puts the bodies of set-returning SQL functions into the query, when
 * the planner hook has already seen it:
 *
 * - A body written as a string is parsed then, and passes the parse hook. The
 *   views in it are expanded after that, so they are expanded here instead. To
 *   rewrite a SELECT twice does no harm.
 * - A body written as BEGIN ATOMIC passes no hook at all. If it needs one,
 *   inlining is refused: the function is executed by itself, and planned by itself.
 *
 * Scalar functions are inlined only when they are a bare expression: no sorting, and an
 * equality in them that keeps its form is slower, not wrong.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "rewrite/rewriteHandler.h"
#include "search/expr.h"
#include "search/hooks.h"
#include "search/inline.h"
#include "search/unprepared.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/* Functions that are not of that kind: the planner asks for each that it meets or prepares to call, often several times. */
#define KR_HARMLESS 128

static Oid harmless[KR_HARMLESS];

static needs_fmgr_hook_type next_needs_fmgr_hook = NULL;

static void
forget_harmless(Datum arg, int cacheid, uint32 hashvalue)
{
	memset(harmless, 0, sizeof(harmless));
}

void
kr_search_expand_views(Query *query)
{
	List *rewritten;

	if (query->commandType != CMD_SELECT || !kr_search_needs_preparing(query, true))
		return;
	rewritten = QueryRewrite(copyObject(query));
	if (list_length(rewritten) == 1)
		memcpy(query, linitial(rewritten), sizeof(Query));
}

/* The single query of a BEGIN ATOMIC body, stored as a list of lists; NULL for others. */
static Query *
only_query(Node *body)
{
	if (IsA(body, List) && list_length((List *) body) == 1)
		body = linitial((List *) body);
	if (IsA(body, List) && list_length((List *) body) == 1)
		body = linitial((List *) body);
	return IsA(body, Query) ? (Query *) body : NULL;
}

static bool
has_query(HeapTuple procedure)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(procedure);

	return form->prolang == SQLlanguageId && form->proretset;
}

static bool
body_needs_preparing(HeapTuple procedure)
{
	Query *query;
	Datum body;
	bool isnull;

	body = SysCacheGetAttr(PROCOID, procedure, Anum_pg_proc_prosqlbody, &isnull);
	if (isnull)
		return false;
	query = only_query(stringToNode(TextDatumGetCString(body)));
	return query != NULL && kr_search_needs_preparing(query, false);
}

/* Asked by the planner before it inlines a function; elsewhere our answer is no. */
static bool
needs_fmgr(Oid function)
{
	Oid *place = &harmless[function % KR_HARMLESS];
	HeapTuple procedure;
	bool result = false;

	if (next_needs_fmgr_hook && next_needs_fmgr_hook(function))
		return true;
	if (kr_search_planning == 0 || !kr_search_maybe_ours(function) || *place == function)
		return false;

	procedure = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(procedure))
		return false;
	if (has_query(procedure))
		result = body_needs_preparing(procedure);
	else
		*place = function;
	ReleaseSysCache(procedure);
	return result;
}

void
kr_search_inline_init(void)
{
	next_needs_fmgr_hook = needs_fmgr_hook;
	needs_fmgr_hook = needs_fmgr;
	CacheRegisterSyscacheCallback(PROCOID, forget_harmless, (Datum) 0);
}
