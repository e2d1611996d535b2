/*
 * src/keys/doctor.c
 *
 * keyring_doctor(): what an operator must know, one row each. It asks the provider of
 * every key live, one after the other, and writes nothing. Jobs of re-encryption are read from their
 * table: what runs them is above this room.
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "keys/kek_health.h"
#include "keys/lifecycle.h"
#include "keys/owner.h"
#include "keys/request.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/report.h"
#include "pg/shmem.h"
#include "utils/builtins.h"

KR_FUNCTION(keyring_doctor);

static void
put(ReturnSetInfo *rsinfo, const char *subject, bool ok, const char *detail, const char *hint)
{
	Datum values[4] = { CStringGetTextDatum(subject), BoolGetDatum(ok), CStringGetTextDatum(detail),
						CStringGetTextDatum(hint) };
	bool nulls[4] = { false, false, false, ok || hint[0] == '\0' };

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* False when there is a worker that does not answer, so that asking it for each key would take long. */
static bool
examine_worker(ReturnSetInfo *rsinfo)
{
	int pid = kr_keys_worker_pid();
	bool answers = pid != 0 && kr_keys_worker_answers();

	if (pid == 0)
		put(rsinfo, "worker", false, "background worker \"keyring kms\" is not running",
			"Look for its messages in the server log; raise max_worker_processes if none was free.");
	else
		put(rsinfo, "worker", answers,
			psprintf("background worker \"keyring kms\" runs as process %d%s", pid,
					 answers ? "" : ", but does not answer"),
			"See what holds the process up: it may be stopped, or wait for a disk that does not answer.");
	return answers || pid == 0;
}

static void
examine_process(ReturnSetInfo *rsinfo)
{
	put(rsinfo, "memory", kr_pg_memory_locked,
		kr_pg_memory_locked ? "unwrapped keys are locked into memory" :
							  "unwrapped keys may be written to swap",
		"Raise the limit on locked memory (ulimit -l, LimitMEMLOCK), or turn swap off.");
	put(rsinfo, "revocation", true,
		psprintf("a revoked key stops working at most %d s after its service refuses it; while the service does not answer, after %d s",
				 kr_guc_cache_ttl + (kr_guc_kms_timeout + kr_guc_kms_connect_timeout) / 1000,
				 kr_guc_cache_grace),
		"");
}

static void
examine_primary(ReturnSetInfo *rsinfo, List *rows)
{
	KrKeyRow *primary = NULL;
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);

		if (row->state == KR_KEY_PRIMARY)
			primary = row;
	}
	put(rsinfo, "primary", primary != NULL,
		primary != NULL ? psprintf("%s is primary", kr_pg_key_words(primary->id, primary->label)) :
						  "this database has no primary key: nothing can be written to encrypted columns",
		"Create a key with keyring_create_key() and activate it with keyring_activate().");
}

/* Whoever steals the disk must not get the root key with it. */
static void
examine_root_key(ReturnSetInfo *rsinfo, const KrKmsDescription *description)
{
	struct stat data;
	bool known = description->device != 0 && stat(DataDir, &data) == 0;
	bool shared = known && (uint64) data.st_dev == description->device;

	put(rsinfo, "root key", !shared,
		psprintf("fingerprint %s, from a %s%s", description->current_version, description->protection,
				 shared ? ", on the same device as the data directory: it protects backups, not the disk" : ""),
		"Keep keyring.root_key_file on another device, or set keyring.root_key_command.");
}

static const char *
unwrap_detail(const KrKeyRow *row, const KrRequestResult *result)
{
	if (result->status != KR_OK)
		return result->report.message[0] ? kr_pg_words_for_admin(&result->report) : kr_crypto_status_name(result->status);
	return psprintf("%s, wrapped by %s, opens", kr_keys_state_name(row->state), row->wrapped.kek_version);
}

/* What helps when the version of the wrapping key that wraps a key is gone. */
static const char *
version_hint(const KrKeyRow *row, const KrKmsDescription *description)
{
	if (description->version_status == KR_KMS_DESTROYED)
		return "Values under this key are lost: destroy the key when no value needs it any more.";
	if (strcmp(description->current_version, row->wrapped.kek_version) == 0)
		return "Have the wrapping key's owner enable the version again.";
	return psprintf("Have the wrapping key's owner enable the version again, then: SELECT keyring_rewrap_key(%d)", row->id);
}

/* Writing need not wait for the primary, as long as there is a worker, and another key yields what a new one has to share. */
static const char *
unwrap_hint(const KrKeyRow *row, List *rows, const KrRequestResult *result, bool may_ask)
{
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *other = lfirst(lc);

		if (may_ask && row->state == KR_KEY_PRIMARY && other != row && other->state != KR_KEY_DESTROYED)
			return psprintf("To go on writing meanwhile, create and activate another key.%s%s",
							result->report.hint[0] != '\0' ? " " : "", result->report.hint);
	}
	return result->report.hint;
}

/* Also while the key still opens: it does for a while after its version was taken away. */
static void
examine_version(ReturnSetInfo *rsinfo, const KrKeyRow *row, const KrKmsDescription *description)
{
	if (!kr_keys_kek_is_gone(description->version_status))
		return;
	put(rsinfo, kr_pg_key_words(row->id, row->label), false,
		psprintf("version %s of its wrapping key %s", row->wrapped.kek_version, kr_keys_kek_words(description)),
		version_hint(row, description));
}

static void
examine_keys(ReturnSetInfo *rsinfo, List *rows, bool may_ask)
{
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc0(sizeof(KrRequestResult));
	bool root_key_done = false;
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);
		bool old_kek;

		if (row->state == KR_KEY_DESTROYED)
			continue;
		request->op = KR_REQUEST_CHECK;
		request->key = row->wrapped;
		if (may_ask)
			kr_keys_request(result, request);
		else
			result->status = result->describe_status = kr_keys_no_answer(&result->report);

		/* one wait for a worker is enough, however many keys there are */
		if (result->status == KR_KMS_UNAVAILABLE && kr_keys_worker_pid() == 0)
			may_ask = false;
		put(rsinfo, kr_pg_key_words(row->id, row->label), result->status == KR_OK,
			unwrap_detail(row, result), unwrap_hint(row, rows, result, may_ask));
		examine_version(rsinfo, row, &result->description);
		if (result->describe_status != KR_OK)
		{
			/* one complaint a key: what keeps it from opening is said above */
			if (result->status == KR_OK)
				put(rsinfo, kr_pg_key_words(row->id, row->label), false,
					kr_pg_words_for_admin(&result->describe_report), result->describe_report.hint);
			continue;
		}

		old_kek = strcmp(result->description.current_version, row->wrapped.kek_version) != 0;
		if (old_kek)
			put(rsinfo, kr_pg_key_words(row->id, row->label), false,
				psprintf("wrapped by %s, not by the current version %s of its wrapping key",
						 row->wrapped.kek_version, result->description.current_version),
				psprintf("SELECT keyring_rewrap_key(%d) before the old version is taken away.", row->id));
		if (!root_key_done && strcmp(row->wrapped.provider, "managed") == 0)
		{
			examine_root_key(rsinfo, &result->description);
			root_key_done = true;
		}
	}
}

static void
put_job(HeapTuple row, TupleDesc desc, void *arg)
{
	bool isnull;
	char *reason = SPI_getvalue(row, desc, 3);
	bool paused = strcmp(SPI_getvalue(row, desc, 2), "paused") == 0;
	bool deserted = !paused && !DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));

	put(arg, psprintf("job %s", SPI_getvalue(row, desc, 1)), !deserted && reason[0] == '\0',
		psprintf("is %s%s%s", SPI_getvalue(row, desc, 2), reason, deserted ? ", and no worker is at it" : ""),
		deserted ? "Raise max_worker_processes or keyring.reencrypt_workers, or wait until another job has ended." :
				   "It goes on by itself when what it waits for is over; doc/reencryption.md says what to do about each.");
}

/* A worker holds a lock as long as it is at a job: one of class 3, which users' advisory locks cannot have. */
static void
examine_jobs(ReturnSetInfo *rsinfo)
{
	kr_keys_rows_as_owner("SELECT j.id, j.state, concat(': ' || j.waiting_reason, ' (process ' || j.waiting_for_pid || ')',"
						  " ' (transaction ' || j.waiting_for_transaction || ')'),"
						  " pg_is_in_recovery() OR j.created_at > clock_timestamp() - interval '2 s'"
						  " OR EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
						  " WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 3"
						  " AND l.classid::bigint = j.id >> 32 AND l.objid::bigint = j.id & 4294967295)"
						  " FROM %s.keyring_job j WHERE j.state NOT IN ('completed', 'cancelled') ORDER BY j.id",
						  0, NULL, NULL, NULL, put_job, rsinfo);
}

Datum
keyring_doctor(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List *rows;
	bool may_ask;

	InitMaterializedSRF(fcinfo, 0);
	rows = kr_keys_store_read();
	put(rsinfo, "preload", true, "keyring is in shared_preload_libraries", "");
	may_ask = examine_worker(rsinfo);
	examine_process(rsinfo);
	put(rsinfo, "role", true, RecoveryInProgress() ? "standby: keys are read, never changed" : "primary server", "");
	examine_primary(rsinfo, rows);
	examine_keys(rsinfo, rows, may_ask);
	examine_jobs(rsinfo);
	PG_RETURN_VOID();
}
