/*
 * src/keys/access.c
 *
 * Who may read. A capability is the right to execute a marker function, so that
 * GRANT, dumps and role membership work as everywhere. What was found out is kept
 * for the last user until one of the catalogs it came from changes.
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "keys/access.h"
#include "keys/value.h"
#include "miscadmin.h"
#include "pg/errcodes.h"
#include "pg/extension.h"
#include "pg/guc.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static Oid reader_checked = InvalidOid;
static bool reader_result = false;
static uint64 changes = 0;

static void
forget_reader(void)
{
	reader_checked = InvalidOid;
	changes++;
}

static void
forget_by_syscache(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_reader();
}

bool
kr_keys_has_capability(const char *capability)
{
	char name[NAMEDATALEN];
	const char *verb = strcmp(capability, "reader") == 0 ? "read" : capability;

	if (superuser())
		return true;
	snprintf(name, sizeof(name), "keyring_may_%s", verb);
	return kr_pg_may_execute(kr_pg_function(name, 0, NULL), GetUserId());
}

bool
kr_keys_may_read(void)
{
	Oid user = GetUserId();
	uint64 before = changes;
	bool result;

	if (!kr_guc_require_reader)
		return true;
	if (reader_checked == user)
		return reader_result;

	/* no catalog may be read under a page lock; there, nothing is shown to anybody */
	if (InterruptHoldoffCount > 0)
		return true;

	result = kr_keys_has_capability("reader");

	/* a right that was taken away while the catalogs were read must not be remembered */
	if (before == changes)
	{
		reader_result = result;
		reader_checked = user;
	}
	return result;
}

void
kr_keys_refuse_reading(Oid role)
{
	const char *name = GetUserNameFromId(role, false);

	ereport(ERROR,
			(errcode(KR_ERRCODE_NOT_READER),
			 errmsg("role \"%s\" may not read encrypted values", name),
			 errhint("A role with the admin capability can allow it: SELECT keyring_grant('%s', 'reader').", name)));
}

void
kr_keys_require_reader(void)
{
	if (!kr_keys_may_read())
		kr_keys_refuse_reading(GetUserId());
}

void
kr_keys_access_init(void)
{
	CacheRegisterSyscacheCallback(PROCOID, forget_by_syscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, forget_by_syscache, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_by_syscache, (Datum) 0);
	kr_pg_on_change(forget_reader);
}
