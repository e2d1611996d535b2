/*
 * src/worker/settings.c
 *
 * The worker's copies of the settings that providers use.
 */
#include "postgres.h"

#include "pg/guc.h"
#include "worker/settings.h"

#define KR_COMMANDMAX 4096
#define KR_URLMAX 1024

static char root_key_file[MAXPGPATH];
static char root_key_command[KR_COMMANDMAX];

void
kr_worker_load_settings(void)
{
	char *path = kr_pg_root_key_file();

	strlcpy(root_key_file, path, sizeof(root_key_file));
	pfree(path);
	if (strlcpy(root_key_command, kr_guc_root_key_command, sizeof(root_key_command)) >= sizeof(root_key_command))
		ereport(LOG,
				(errmsg("keyring.root_key_command is longer than %d bytes", KR_COMMANDMAX - 1),
				 errhint("Put the command into a script.")));
}

KrKmsHost
kr_worker_host(void)
{
	KrKmsHost host = {
		.timeout_ms = kr_guc_kms_timeout,
		.connect_timeout_ms = kr_guc_kms_connect_timeout,
		.root_key_file = root_key_file,
		.root_key_command = root_key_command
	};

	return host;
}
