/*
 * src/types/columns_sql.c
 *
 * The SQL functions that encrypt and decrypt a column: arguments and privilege.
 */
#include "postgres.h"

#include "keys/value.h"
#include "types/convert.h"

KR_FUNCTION(keyring_encrypt_column);
KR_FUNCTION(keyring_decrypt_column);

/* Not STRICT: a NULL from to_regclass() would otherwise leave a column in plaintext without a word. */
static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name),
				 errhint("Name the table and the column, as in keyring_encrypt_column('schema.table', 'column').")));
}

static void
require_admin(const char *doing)
{
	if (!kr_keys_has_capability("admin"))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s a column", doing),
				 errhint("A superuser gives the capability with keyring_grant(role, 'admin').")));
}

Datum
keyring_encrypt_column(PG_FUNCTION_ARGS)
{
	require_argument(fcinfo, 0, "relation");
	require_argument(fcinfo, 1, "column_name");
	require_argument(fcinfo, 2, "searchable");
	require_admin("encrypt");
	kr_types_encrypt_column(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)), PG_GETARG_BOOL(2));
	PG_RETURN_VOID();
}

Datum
keyring_decrypt_column(PG_FUNCTION_ARGS)
{
	require_argument(fcinfo, 0, "relation");
	require_argument(fcinfo, 1, "column_name");
	require_admin("decrypt");
	kr_types_decrypt_column(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
	PG_RETURN_VOID();
}
