/*
 * src/search/execute.c
 *
 * The executor's hooks. At each start, messages about changed catalogs are taken in,
 * since an open transaction would otherwise go on with the primary that it knows.
 * Around each run, the output functions are told whether they print for the client
 * or for an error message.
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "keys/value.h"
#include "nodes/params.h"
#include "pg/compat.h"
#include "search/hints.h"
#include "search/hooks.h"
#include "search/into.h"
#include "search/statement.h"
#include "types/basetype.h"
#include "types/kept.h"
#include "types/literal.h"
#include "types/printed.h"
#include "types/running.h"
#include "utils/inval.h"

bool kr_search_hide_context = false;
bool kr_search_refreshing = false;
bool kr_search_creating = false;

/* How many calls of the executor or of utility statements are open in this backend. */
static int depth = 0;

/* The one of them that runs, or NULL. */
static KrStatement *innermost = NULL;

static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorRun_hook_type next_executor_run = NULL;
static ExecutorFinish_hook_type next_executor_finish = NULL;

void
kr_search_forget_values(void)
{
	kr_types_printed_plaintext = false;
	kr_types_took_plaintext = false;
	kr_keys_opened_value = false;
	kr_keys_made_searchable = false;
	kr_search_hide_context = false;
}

void
kr_search_enter(KrStatement *saved, bool placeholder)
{
	if (depth == 0)
		kr_search_forget_values();
	depth++;
	kr_search_watch_errors(&saved->watch);
	saved->placeholder = kr_types_placeholder;
	kr_types_placeholder = placeholder;
	saved->placeholder_for = kr_types_placeholder_for;
	kr_types_placeholder_for = InvalidOid;
	saved->refreshing = kr_search_refreshing;
	saved->creating = kr_search_creating;
	kr_search_creating = false;
	saved->running = kr_types_running;
	kr_types_running = NULL;
	saved->hook_follows = kr_types_hook_follows;
	kr_types_hook_follows = true;
	saved->around = innermost;
	saved->transparent = false;
	saved->declared = NIL;
	innermost = saved;
}

/* A placeholder that did not go into an error message must not be taken for the value. */
static void
refuse_placeholder(Oid role)
{
	if (OidIsValid(role))
		kr_keys_refuse_reading(role);
}

/* After an error, the log is yet to be written. */
void
kr_search_leave(const KrStatement *saved, bool failed)
{
	Oid placeholder_for = kr_types_placeholder_for;

	kr_search_unwatch_errors(&saved->watch);
	if (--depth == 0)
	{
		kr_types_wipe_kept();
		if (!failed)
			kr_search_forget_values();
	}
	kr_types_placeholder = saved->placeholder;
	kr_search_refreshing = saved->refreshing;
	kr_search_creating = saved->creating;
	kr_types_running = saved->running;
	kr_types_hook_follows = saved->hook_follows;
	innermost = saved->around;
	kr_types_placeholder_for = saved->placeholder_for;
	if (!failed)
		refuse_placeholder(placeholder_for);
}

/*
 * Functions run also where no statement does: triggers that were put off fire in COMMIT, the parser and the planner
 * evaluate constants, EXECUTE its arguments. Whatever language they are in, they tell errors where they happened by a
 * callback of their own.
 */
bool
kr_search_is_outside(void)
{
	const ErrorContextCallback *callback = error_context_stack;

	while (callback != NULL && callback->callback == ParamsErrorCallback)
		callback = callback->previous;
	if (innermost == NULL)
		return callback == NULL;
	return innermost->transparent && callback == &innermost->watch;
}

List *
kr_search_declared_types(void)
{
	return innermost != NULL ? innermost->declared : NIL;
}

/* Triggers that are put off to the commit may open and print outside of any statement. */
static void
transaction_ends(XactEvent event, void *arg)
{
	Oid placeholder_for = kr_types_placeholder_for;

	kr_types_placeholder_for = InvalidOid;
	if (event == XACT_EVENT_COMMIT && depth == 0)
		kr_search_forget_values();
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		refuse_placeholder(placeholder_for);
}

/* Whether a query modifies a table and returns no encrypted column. */
static bool
modifies_quietly(QueryDesc *query)
{
	TupleDesc result = query->tupDesc;

	if (query->operation == CMD_SELECT && !query->plannedstmt->hasModifyingCTE)
		return false;
	for (int i = 0; result != NULL && i < result->natts; i++)
	{
		if (kr_types_lookup(TupleDescAttr(result, i)->atttypid) != NULL)
			return false;
	}
	return true;
}

static void
executor_start(QueryDesc *query, int eflags)
{
	if (kr_search_active())
		AcceptInvalidationMessages();
	if (next_executor_start)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * Whether the rows of a query go into a table that is made from them: at once, or, when they come
 * from a WITH that modifies data, by way of the portal's store.
 */
static bool
makes_table(const QueryDesc *query, const KrStatement *outer)
{
	CommandDest dest = query->dest != NULL ? query->dest->mydest : DestNone;

	return dest == DestIntoRel || (dest == DestTuplestore && outer->creating);
}

static void
executor_run(QueryDesc *query, ScanDirection direction, uint64 count KR_EXECUTE_ONCE_PARAMETER)
{
	ExecutorRun_hook_type next = next_executor_run ? next_executor_run : standard_ExecutorRun;
	DestReceiver *dest = query->dest;
	KrStatement saved;

	if (!kr_search_active())
	{
		next(query, direction, count KR_EXECUTE_ONCE);
		return;
	}
	kr_search_enter(&saved, modifies_quietly(query));
	kr_types_running = query->planstate;
	/* what workers open they do not tell; their errors come back through here */
	if (query->plannedstmt->parallelModeNeeded)
		kr_types_took_plaintext = kr_keys_opened_value = true;
	PG_TRY();
	{
		if (makes_table(query, &saved))
			query->dest = kr_search_into(query);
		next(query, direction, count KR_EXECUTE_ONCE);
		query->dest = dest;
	}
	PG_CATCH();
	{
		query->dest = dest;
		kr_search_leave(&saved, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	kr_search_leave(&saved, false);
}

/* Triggers that were put off fire here, foreign keys among them. */
static void
executor_finish(QueryDesc *query)
{
	ExecutorFinish_hook_type next = next_executor_finish ? next_executor_finish : standard_ExecutorFinish;
	KrStatement saved;

	if (!kr_search_active())
	{
		next(query);
		return;
	}
	kr_search_enter(&saved, modifies_quietly(query));
	PG_TRY();
	{
		next(query);
	}
	PG_CATCH();
	{
		kr_search_leave(&saved, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	kr_search_leave(&saved, false);
}

void
kr_search_execute_init(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	next_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = executor_finish;
	RegisterXactCallback(transaction_ends, NULL);
}
