/*
 * src/search/guard_servers.c
 *
 * postgres_fdw sends operators of those extensions that a server's option names, for they mean the same on both sides. Keyring's
 * do not: the tokens of the other database are made with another key, and ORDER BY sorts by plaintext there where
 * the plan asks for the order of tokens. A merge join of such rows fails, or loses some.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "search/guard.h"
#include "utils/varlena.h"

#define KR_EXTENSION "keyring"

static bool
names_keyring(DefElem *option)
{
	List *names;
	ListCell *lc;

	if (strcmp(option->defname, "extensions") != 0 || option->arg == NULL)
		return false;

	/* a list that cannot be read is refused by its owner */
	if (!SplitIdentifierString(pstrdup(defGetString(option)), ',', &names))
		return false;
	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), KR_EXTENSION) == 0)
			return true;
	}
	return false;
}

static void
check(const char *server, List *options)
{
	ListCell *lc;

	foreach(lc, options)
	{
		if (names_keyring(lfirst_node(DefElem, lc)))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot send operators of extension \"keyring\" to foreign server \"%s\"", server),
					 errdetail("They compare by tokens, which each database makes with a key of its own."),
					 errhint("Leave keyring out of option \"extensions\", and declare the columns of foreign tables with the base types: their conditions are sent.")));
	}
}

void
kr_search_check_server(Node *statement)
{
	if (IsA(statement, CreateForeignServerStmt))
		check(((CreateForeignServerStmt *) statement)->servername, ((CreateForeignServerStmt *) statement)->options);
	else if (IsA(statement, AlterForeignServerStmt))
		check(((AlterForeignServerStmt *) statement)->servername, ((AlterForeignServerStmt *) statement)->options);
}
