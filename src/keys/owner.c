/*
 * src/keys/owner.c
 *
 * SQL as the extension's owner. The switch of user is one that PostgreSQL undoes
 * when an error passes, and so is the nest level of the settings.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "keys/owner.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

static Oid
owner_of_catalog(void)
{
	Oid relid = kr_pg_relation("keyring_key");
	Oid owner = kr_pg_owner_of(relid);

	if (!OidIsValid(owner))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return owner;
}

static char *
in_schema(const char *command)
{
	const char *place = strstr(command, "%s");
	StringInfoData sql;

	Assert(place != NULL);
	initStringInfo(&sql);
	appendBinaryStringInfo(&sql, command, place - command);
	appendStringInfoString(&sql, quote_identifier(get_namespace_name(kr_pg_schema())));
	appendStringInfoString(&sql, place + 2);
	return sql.data;
}

static uint64
execute(const char *command, int nargs, Oid *types, Datum *values, const char *nulls, KrTakeRow take, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	char *sql = in_schema(command);
	uint64 processed;
	int result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	result = SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
	processed = SPI_processed;
	MemoryContextSwitchTo(caller);
	for (uint64 i = 0; take != NULL && i < processed; i++)
		take(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, arg);
	SPI_finish();
	return processed;
}

uint64
kr_keys_rows_as_owner(const char *command, int nargs, Oid *types, Datum *values, const char *nulls, KrTakeRow take, void *arg)
{
	Oid user;
	int context;
	int nest;
	uint64 processed;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner_of_catalog(), context | SECURITY_LOCAL_USERID_CHANGE);
	nest = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);

	processed = execute(command, nargs, types, values, nulls, take, arg);

	AtEOXact_GUC(true, nest);
	SetUserIdAndSecContext(user, context);
	return processed;
}

uint64
kr_keys_as_owner(const char *command, int nargs, Oid *types, Datum *values, const char *nulls)
{
	return kr_keys_rows_as_owner(command, nargs, types, values, nulls, NULL, NULL);
}
