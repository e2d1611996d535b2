/*
 * src/search/init.c
 *
 * Installs the hooks and answers the question that each of them asks first.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "search/hooks.h"
#include "search/init.h"
#include "types/basetype.h"

/* CREATE and ALTER EXTENSION keyring: types are there before their functions and operators. */
static bool
building_extension(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("keyring", true);
}

bool
kr_search_active(void)
{
	if (IsBinaryUpgrade || !IsTransactionState() || building_extension())
		return false;
	return kr_types_present();
}

void
kr_search_init(void)
{
	kr_search_parse_init();
	kr_search_inline_init();
	kr_search_utility_init();
	kr_search_guard_init();
	kr_search_execute_init();
	kr_search_log_init();
}
