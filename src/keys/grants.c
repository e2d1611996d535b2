/*
 * src/keys/grants.c
 *
 * keyring_grant and keyring_revoke: a capability is a list of ordinary privileges on
 * the extension's objects, so that dumps carry it and \dp shows it.
 */
#include "postgres.h"

#include "keys/owner.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "utils/acl.h"
#include "utils/builtins.h"

KR_FUNCTION(keyring_grant);
KR_FUNCTION(keyring_revoke);

/* what each capability opens; %s is the extension's schema */
static const char *const admin_privileges[] = {
	"EXECUTE ON FUNCTION %s.keyring_may_admin()",
	"EXECUTE ON FUNCTION %s.keyring_create_key(text, text, text)",
	"EXECUTE ON FUNCTION %s.keyring_check_key(integer)",
	"EXECUTE ON FUNCTION %s.keyring_check_resource(text, text)",
	"EXECUTE ON FUNCTION %s.keyring_service_account(text)",
	"EXECUTE ON FUNCTION %s.keyring_activate(integer)",
	"EXECUTE ON FUNCTION %s.keyring_rewrap_key(integer)",
	"EXECUTE ON FUNCTION %s.keyring_destroy_key(integer, boolean)",
	"EXECUTE ON FUNCTION %s.keyring_encrypt_column(regclass, name, boolean)",
	"EXECUTE ON FUNCTION %s.keyring_decrypt_column(regclass, name)",
	"EXECUTE ON FUNCTION %s.keyring_census(regclass, name)",
	"EXECUTE ON FUNCTION %s.keyring_reencrypt(regclass, name, boolean)",
	"EXECUTE ON FUNCTION %s.keyring_pause_job(bigint)",
	"EXECUTE ON FUNCTION %s.keyring_resume_job(bigint)",
	"EXECUTE ON FUNCTION %s.keyring_cancel_job(bigint)",
	"EXECUTE ON PROCEDURE %s.keyring_wait_for_job(bigint, interval)",
	"EXECUTE ON FUNCTION %s.keyring_doctor()",
	"EXECUTE ON FUNCTION %s.keyring_flush_cache()",
	"EXECUTE ON FUNCTION %s.keyring_key_health(integer)",
	"EXECUTE ON FUNCTION %s.keyring_statistics()",
	"EXECUTE ON FUNCTION %s.keyring_grant(regrole, text)",
	"EXECUTE ON FUNCTION %s.keyring_revoke(regrole, text)",
	"SELECT ON %s.keyring_keys",
	"SELECT ON %s.keyring_events",
	"SELECT ON %s.keyring_stats",
	"SELECT ON %s.keyring_jobs",
	"SELECT ON %s.keyring_unrecoverable",
	NULL
};

static const char *const reader_privileges[] = {
	"EXECUTE ON FUNCTION %s.keyring_may_read()",
	NULL
};

static const char *const backup_privileges[] = {
	"EXECUTE ON FUNCTION %s.keyring_may_backup()",
	"SELECT ON %s.keyring_key",
	"SELECT ON %s.keyring_event",
	"SELECT ON %s.keyring_job",
	"SELECT ON %s.keyring_job_column",
	"SELECT ON %s.keyring_unmoved",
	NULL
};

static const char *const *
privileges_of(const char *capability)
{
	if (strcmp(capability, "admin") == 0)
		return admin_privileges;
	if (strcmp(capability, "reader") == 0)
		return reader_privileges;
	if (strcmp(capability, "backup") == 0)
		return backup_privileges;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown capability \"%s\"", capability),
			 errhint("Capabilities are admin, reader and backup.")));
}

static void
change(const char *verb, const char *direction, Oid role, const char *capability)
{
	const char *const *privileges = privileges_of(capability);
	const char *name = quote_identifier(GetUserNameFromId(role, false));

	for (int i = 0; privileges[i] != NULL; i++)
	{
		StringInfoData command;

		/* the role's name comes last, and may hold a per cent sign: only the first %s is a place */
		initStringInfo(&command);
		appendStringInfoString(&command, verb);
		appendStringInfoString(&command, privileges[i]);
		appendStringInfoString(&command, direction);
		appendStringInfoString(&command, name);
		kr_keys_as_owner(command.data, 0, NULL, NULL, NULL);
	}
	ereport(LOG,
			(errmsg("keyring: %s %s%s%s by role \"%s\"", verb, capability, direction, name,
					GetUserNameFromId(GetUserId(), false)),
			 errhidestmt(true)));
}

Datum
keyring_grant(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("keyring_grant()");
	change("GRANT ", " TO ", PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

Datum
keyring_revoke(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("keyring_revoke()");
	change("REVOKE ", " FROM ", PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}
