/*
 * src/search/held.c
 *
 * The rows of a client's cursor are of native types, unless keyring.native_types or keyring.output_format says otherwise.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "keys/lifecycle.h"
#include "search/contains.h"
#include "search/held.h"
#include "utils/portal.h"
#include "utils/syscache.h"

/* Nothing is known of the columns of a record. */
static bool
may_hold(Oid type)
{
	return type == RECORDOID || type == RECORDARRAYOID || kr_search_holds_encrypted(type);
}

void
kr_search_note_cursor(const DeclareCursorStmt *statement)
{
	Portal portal;

	if ((statement->options & CURSOR_OPT_HOLD) == 0)
		return;
	portal = GetPortalByName(statement->portalname);
	if (!PortalIsValid(portal) || portal->tupDesc == NULL)
		return;
	for (int i = 0; i < portal->tupDesc->natts; i++)
	{
		if (!may_hold(TupleDescAttr(portal->tupDesc, i)->atttypid))
			continue;
		kr_keys_hold_cursor(portal->portalContext);
		return;
	}
}

/*
 * Procedures in C are keyring's own and those of other extensions, which keep text if anything: who waits for a job is in
 * nobody's way.
 */
static bool
is_in_c(Oid procedure)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(procedure));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	ReleaseSysCache(tuple);
	return result;
}

bool
kr_search_note_procedure(Node *statement, ProcessUtilityContext context)
{
	bool call = IsA(statement, CallStmt);

	if (!call && !IsA(statement, DoStmt))
		return false;
	/* as PostgreSQL decides whether it may */
	if ((context != PROCESS_UTILITY_TOPLEVEL && context != PROCESS_UTILITY_QUERY_NONATOMIC) || IsTransactionBlock())
		return false;
	if (call && is_in_c(((CallStmt *) statement)->funcexpr->funcid))
		return false;
	return kr_keys_begin_procedure();
}
