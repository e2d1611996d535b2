/*
 * src/pg/guc.c
 *
 * keyring's settings. The two formats remember where their value came from: streams
 * of changes and logical replication workers use ciphertext unless somebody who may
 * has asked for something else.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "replication/logicalworker.h"
#include "replication/walsender.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

char *kr_guc_root_key_file = NULL;
char *kr_guc_root_key_command = NULL;
char *kr_guc_gcp_endpoint = NULL;
char *kr_guc_gcp_credentials_file = NULL;
char *kr_guc_kms_ca_file = NULL;
char *kr_guc_kms_allowed_resources = NULL;
int kr_guc_kms_connect_timeout = 2000;
int kr_guc_kms_timeout = 10000;
int kr_guc_max_cached_keys = 64;
int kr_guc_cache_ttl = 300;
int kr_guc_cache_grace = 3600;
int kr_guc_health_check_interval = 600;
int kr_guc_compress_over = 2048;
int kr_guc_reencrypt_workers = 2;
int kr_guc_reencrypt_batch_time = 200;
int kr_guc_reencrypt_delay = 10;
bool kr_guc_native_types = true;
bool kr_guc_require_reader = false;
bool kr_guc_allow_drop_cascade = false;

static int output_format = KR_FORMAT_PLAINTEXT;
static int input_format = KR_FORMAT_PLAINTEXT;

/* Who chose a format. */
typedef enum KrChoice
{
	KR_CHOSEN_BY_NOBODY,
	KR_CHOSEN_BY_SERVER, /* files, ALTER DATABASE, ALTER ROLE: search/guard_settings.c sees to it that it was a superuser */
	KR_CHOSEN_BY_SESSION /* PGOPTIONS, SET: whoever is connected */
} KrChoice;

static KrChoice output_format_choice = KR_CHOSEN_BY_NOBODY;
static KrChoice input_format_choice = KR_CHOSEN_BY_NOBODY;

static const struct config_enum_entry formats[] = {
	{ "plaintext", KR_FORMAT_PLAINTEXT, false },
	{ "ciphertext", KR_FORMAT_CIPHERTEXT, false },
	{ NULL, 0, false }
};

bool
kr_pg_streaming(void)
{
	return am_walsender || HistoricSnapshotActive();
}

/* A role that may replicate, and no more, is not to turn its stream into plaintext. */
static bool
choice_counts_in_stream(void)
{
	return output_format_choice == KR_CHOSEN_BY_SERVER ||
		(output_format_choice == KR_CHOSEN_BY_SESSION && superuser_arg(GetAuthenticatedUserId()));
}

KrFormat
kr_pg_output_format(void)
{
	if (kr_pg_streaming() && !choice_counts_in_stream())
		return KR_FORMAT_CIPHERTEXT;
	return (KrFormat) output_format;
}

KrFormat
kr_pg_input_format(void)
{
	if (input_format_choice == KR_CHOSEN_BY_NOBODY && IsLogicalWorker())
		return KR_FORMAT_CIPHERTEXT;
	return (KrFormat) input_format;
}

char *
kr_pg_root_key_file(void)
{
	char *path;

	if (kr_guc_root_key_file[0] != '\0')
		return pstrdup(kr_guc_root_key_file);

	path = palloc(MAXPGPATH);
	strlcpy(path, DataDir, MAXPGPATH);
	get_parent_directory(path);
	return psprintf("%s/keyring_root.key", path);
}

/* An assign hook is not told the source of a value, so the check hook hands it over. */
static bool
check_format(int *newval, void **extra, GucSource source)
{
	KrChoice *choice = kr_pg_guc_extra(sizeof(KrChoice));

	if (choice == NULL)
		return false;
	if (source <= PGC_S_DYNAMIC_DEFAULT)
		*choice = KR_CHOSEN_BY_NOBODY;
	else
		*choice = source < PGC_S_CLIENT ? KR_CHOSEN_BY_SERVER : KR_CHOSEN_BY_SESSION;
	*extra = choice;
	return true;
}

/* Prepared statements have the types of their results from these two settings. */
static void
assign_native_types(bool newval, void *extra)
{
	if (newval != kr_guc_native_types)
		ResetPlanCache();
}

static void
assign_output_format(int newval, void *extra)
{
	if (newval != output_format)
		ResetPlanCache();
	output_format_choice = *(KrChoice *) extra;
}

static void
assign_input_format(int newval, void *extra)
{
	input_format_choice = *(KrChoice *) extra;
}

static bool
check_path(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0' || is_absolute_path(*newval))
		return true;
	GUC_check_errdetail("The path must be absolute.");
	return false;
}

static void
define_root_key(void)
{
	DefineCustomStringVariable("keyring.root_key_file",
							   "File that holds the root keys, which wrap managed keys.",
							   "Empty: keyring_root.key beside the data directory.",
							   &kr_guc_root_key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_path, NULL, NULL);
	DefineCustomStringVariable("keyring.root_key_command",
							   "Shell command that prints the root keys; used instead of the file.",
							   NULL, &kr_guc_root_key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
}

/* A first look; the worker, which knows libcurl, takes the address apart before it asks. */
static bool
check_endpoint(char **newval, void **extra, GucSource source)
{
	if (strncmp(*newval, "https://", 8) == 0 || strncmp(*newval, "http://127.", 11) == 0 ||
		strncmp(*newval, "http://localhost", 16) == 0 || strncmp(*newval, "http://[::1]", 12) == 0)
		return true;
	GUC_check_errdetail("The address must begin with https://, or with http:// and be one of this machine.");
	return false;
}

static void
define_gcp(void)
{
	DefineCustomStringVariable("keyring.gcp_credentials_file",
							   "Key file of the service account that asks Google Cloud KMS.",
							   "Empty: the service account that the metadata server names.",
							   &kr_guc_gcp_credentials_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_path, NULL, NULL);
	DefineCustomStringVariable("keyring.gcp_endpoint",
							   "Address of Google Cloud KMS.",
							   NULL, &kr_guc_gcp_endpoint, "https://cloudkms.googleapis.com", PGC_SIGHUP, 0,
							   check_endpoint, NULL, NULL);
	DefineCustomStringVariable("keyring.kms_ca_file",
							   "Certificates that key management services are verified with.",
							   "Empty: those of the system.",
							   &kr_guc_kms_ca_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   check_path, NULL, NULL);
	DefineCustomStringVariable("keyring.kms_allowed_resources",
							   "Wrapping keys that data keys may be created with, separated by commas; * at the end of one stands for anything.",
							   "Empty: all that the service allows.",
							   &kr_guc_kms_allowed_resources, "", PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_kms(void)
{
	DefineCustomIntVariable("keyring.kms_connect_timeout",
							"Longest time to connect to a key management service.",
							NULL, &kr_guc_kms_connect_timeout, 2000, 100, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.kms_timeout",
							"Longest time that one key management call may take.",
							"A statement that needs a key waits a little longer than this.",
							&kr_guc_kms_timeout, 10000, 100, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.max_cached_keys",
							"Number of unwrapped data keys that shared memory holds.",
							NULL, &kr_guc_max_cached_keys, 64, 1, 10000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.cache_ttl",
							"Time after which a cached key is unwrapped again, to learn of a revocation.",
							NULL, &kr_guc_cache_ttl, 300, 1, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.cache_grace",
							"Time for which a cached key stays in use while its key management service does not answer.",
							NULL, &kr_guc_cache_grace, 3600, 0, 7 * 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.health_check_interval",
							"Time after which the metadata of a wrapping key are read again; 0 = never.",
							"They tell of rotation, and of versions that are disabled or scheduled for destruction.",
							&kr_guc_health_check_interval, 600, 0, 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

static void
define_values(void)
{
	DefineCustomEnumVariable("keyring.output_format",
							 "Form in which encrypted values leave the server.",
							 "ciphertext needs the backup or the admin capability.",
							 &output_format, KR_FORMAT_PLAINTEXT, formats, PGC_USERSET, 0,
							 check_format, assign_output_format, NULL);
	DefineCustomEnumVariable("keyring.input_format",
							 "Form in which values of encrypted types are given to the server.",
							 NULL, &input_format, KR_FORMAT_PLAINTEXT, formats, PGC_USERSET, 0,
							 check_format, assign_input_format, NULL);
	DefineCustomBoolVariable("keyring.native_types",
							 "Clients see encrypted columns and parameters as values of their base types.",
							 "Has no effect while keyring.output_format is ciphertext.",
							 &kr_guc_native_types, true, PGC_USERSET, 0, NULL, assign_native_types, NULL);
	DefineCustomBoolVariable("keyring.require_reader",
							 "Only roles with the reader capability may read plaintext.",
							 NULL, &kr_guc_require_reader, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.compress_over",
							"Plaintexts longer than this are compressed before they are sealed; 0 = never.",
							"The length of a compressed value tells how compressible it is.",
							&kr_guc_compress_over, 2048, 0, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_BYTE, NULL, NULL, NULL);
	DefineCustomBoolVariable("keyring.allow_drop_cascade",
							 "Lets the extension be dropped together with encrypted columns.",
							 NULL, &kr_guc_allow_drop_cascade, false, PGC_SUSET, 0, NULL, NULL, NULL);
}

static void
define_jobs(void)
{
	DefineCustomIntVariable("keyring.reencrypt_workers",
							"Largest number of jobs of re-encryption that are worked on at a time, in the whole cluster.",
							"Each takes a place of max_worker_processes while it works.",
							&kr_guc_reencrypt_workers, 2, 1, 32, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.reencrypt_batch_time",
							"Time after which a job commits what it has moved.",
							"Rows that it has moved are locked for others until then.",
							&kr_guc_reencrypt_batch_time, 200, 1, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("keyring.reencrypt_delay",
							"Time for which a job rests between two batches.",
							"Unless it is 0, a job also rests for 2 ms after each half of a millisecond of work.", &kr_guc_reencrypt_delay, 10, 0, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

void
kr_pg_guc_init(void)
{
	define_root_key();
	define_kms();
	define_gcp();
	define_values();
	define_jobs();
	MarkGUCPrefixReserved("keyring");
}
