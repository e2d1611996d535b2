/*
 * src/types/table_owner.c
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pg/extension.h"
#include "types/table_owner.h"

KrIdentity
kr_types_enter_owner(Oid relation)
{
	Oid owner = kr_pg_owner_of(relation);
	KrIdentity caller;

	if (!OidIsValid(owner))
		elog(ERROR, "cache lookup failed for relation %u", relation);
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
