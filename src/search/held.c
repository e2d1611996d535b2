/*
 * src/search/held.c
 *
 * The rows of a client's cursor are of native types, unless keyring.native_types or keyring.output_format says otherwise.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "keys/lifecycle.h"
#include "search/contains.h"
#include "search/held.h"
#include "utils/portal.h"

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
