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
static char gcp_endpoint[KR_URLMAX];
static char gcp_credentials_file[MAXPGPATH];
static char kms_ca_file[MAXPGPATH];

void
kr_worker_load_settings(void)
{
	char *path = kr_pg_root_key_file();

	strlcpy(root_key_file, path, sizeof(root_key_file));
	pfree(path);
	strlcpy(gcp_endpoint, kr_guc_gcp_endpoint, sizeof(gcp_endpoint));
	strlcpy(gcp_credentials_file, kr_guc_gcp_credentials_file, sizeof(gcp_credentials_file));
	strlcpy(kms_ca_file, kr_guc_kms_ca_file, sizeof(kms_ca_file));
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
		.root_key_command = root_key_command,
		.gcp_endpoint = gcp_endpoint,
		.gcp_credentials_file = gcp_credentials_file,
		.kms_ca_file = kms_ca_file
	};

	return host;
}
