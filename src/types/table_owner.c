/*
 * src/types/table_owner.c
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "types/table_owner.h"
#include "utils/syscache.h"

KrIdentity
kr_types_enter_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	KrIdentity caller;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	GetUserIdAndSecContext(&caller.user, &caller.context);
	if (owner != caller.user)
		SetUserIdAndSecContext(owner, caller.context | SECURITY_RESTRICTED_OPERATION);
	return caller;
}

void
kr_types_leave_owner(KrIdentity caller)
{
	SetUserIdAndSecContext(caller.user, caller.context);
}
