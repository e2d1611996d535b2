/*
 * src/search/guard_settings.c
 *
 * What is kept for a role or a database is taken for a superuser's word: it makes a
 * stream of changes carry plaintext (pg/guc.c). PostgreSQL lets every role keep
 * settings for itself, and owners for their databases, so that one is refused.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "search/guard.h"
#include "utils/guc.h"

static VariableSetStmt *
kept_setting(Node *statement)
{
	if (IsA(statement, AlterRoleSetStmt))
		return ((AlterRoleSetStmt *) statement)->setstmt;
	if (IsA(statement, AlterDatabaseSetStmt))
		return ((AlterDatabaseSetStmt *) statement)->setstmt;
	return NULL;
}

void
kr_search_check_setting(Node *statement)
{
	VariableSetStmt *setting = kept_setting(statement);
	const char *value;

	if (setting == NULL || (setting->kind != VAR_SET_VALUE && setting->kind != VAR_SET_CURRENT) ||
		pg_strcasecmp(setting->name, "keyring.output_format") != 0 || superuser())
		return;
	value = ExtractSetVariableArgs(setting);
	if (value != NULL && pg_strcasecmp(value, "ciphertext") == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to keep keyring.output_format for a role or a database"),
			 errdetail("It would have streams of changes carry plaintext, which is a superuser's to decide."),
			 errhint("SET it in a session, or have a superuser keep it.")));
}
