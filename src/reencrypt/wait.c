/*
 * src/reencrypt/wait.c
 *
 * CALL keyring_wait_for_job(). Between two looks at the job the transaction is ended and a
 * new one begun, which has neither a snapshot nor an id: it holds back no VACUUM, and the
 * job, which waits for every transaction that began before the end of its pass, does not wait for it for long.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "keys/owner.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "reencrypt/jobs.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

KR_FUNCTION(keyring_wait_for_job);

#define KR_LOOK_MS 200
#define KR_LINES_MS 1000
#define KR_LINE_MAX 512

/* What is shown of a job. */
typedef struct KrProgress
{
	bool found;
	char state[16];
	char line[KR_LINE_MAX];
	int64 unrecoverable;
} KrProgress;

static void
take_progress(HeapTuple row, TupleDesc desc, void *arg)
{
	KrProgress *progress = arg;
	const char *line;
	bool isnull;

	progress->found = true;
	strlcpy(progress->state, SPI_getvalue(row, desc, 1), sizeof(progress->state));
	line = SPI_getvalue(row, desc, 2);
	strlcpy(progress->line, line, (size_t) pg_mbcliplen(line, (int) strlen(line), KR_LINE_MAX - 1) + 1);
	progress->unrecoverable = DatumGetInt64(SPI_getbinval(row, desc, 3, &isnull));
}

static KrProgress
look(int64 id)
{
	Oid types[] = { INT8OID };
	Datum values[] = { Int64GetDatum(id) };
	KrProgress progress = { 0 };

	kr_keys_rows_as_owner("SELECT state, concat(state, CASE WHEN percent IS NOT NULL THEN concat(', pass ', pass, ': ', percent, ' percent') END,"
						  " ', ' || rate || ' values/s', ', ' || time_left || ' left', ', ' || moved || ' moved',"
						  " ': ' || waiting_reason, ' (' || nullif(concat_ws(', ', 'process ' || waiting_for_pid,"
						  " 'transaction ' || waiting_for_transaction), '') || ')'), unrecoverable"
						  " FROM %s.keyring_jobs WHERE id = $1",
						  lengthof(types), types, values, NULL, take_progress, &progress);
	return progress;
}

static void
require_no_transaction(FunctionCallInfo fcinfo)
{
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) && !castNode(CallContext, fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("keyring_wait_for_job() cannot run inside a transaction block"),
			 errdetail("The job waits for earlier transactions, and so would wait for this one."),
			 errhint("CALL it by itself, outside of BEGIN and of functions.")));
}

static TimestampTz
deadline_of(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
												   PG_GETARG_DATUM(1)));
}

static void
require_job(int64 id, const KrProgress *progress)
{
	if (progress->found)
		return;
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no job to wait for"),
				 errhint("SELECT keyring_reencrypt() starts one.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("job %lld does not exist", (long long) id),
			 errhint("The view keyring_jobs lists the jobs of this database.")));
}

static void
finish(int64 id, const KrProgress *progress)
{
	if (strcmp(progress->state, kr_reencrypt_state_name(KR_JOB_CANCELLED)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job %lld was cancelled", (long long) id),
				 errhint("SELECT keyring_reencrypt() starts another one, which moves what is left.")));
	if (progress->unrecoverable > 0)
		ereport(WARNING,
				(errmsg("job %lld could not move %lld values", (long long) id, (long long) progress->unrecoverable),
				 errhint("The view keyring_unrecoverable says which, and why.")));
}

static void
refuse_waiting_on(int64 id)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("job %lld has not ended in the time given", (long long) id),
			 errdetail("The job goes on."),
			 errhint("The view keyring_jobs shows how far it is, and what it waits for.")));
}

static bool
has_ended(const KrProgress *progress)
{
	return strcmp(progress->state, kr_reencrypt_state_name(KR_JOB_COMPLETED)) == 0 ||
		strcmp(progress->state, kr_reencrypt_state_name(KR_JOB_CANCELLED)) == 0;
}

/* A line when the state is another, and once in a while. */
static void
show(int64 id, const KrProgress *now, KrProgress *shown, TimestampTz *shown_at)
{
	if (strcmp(shown->line, now->line) == 0 ||
		(strcmp(shown->state, now->state) == 0 && !TimestampDifferenceExceeds(*shown_at, GetCurrentTimestamp(), KR_LINES_MS)))
		return;
	ereport(INFO, (errmsg("job %lld: %s", (long long) id, now->line)));
	*shown = *now;
	*shown_at = GetCurrentTimestamp();
}

static void
pause_without_snapshot(void)
{
	SPI_commit();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, KR_LOOK_MS, kr_pg_wait_event("KeyringWaitForJob"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* job_id NULL is the newest; timeout NULL is none. */
Datum
keyring_wait_for_job(PG_FUNCTION_ARGS)
{
	TimestampTz deadline;
	TimestampTz shown_at = 0;
	KrProgress shown = { 0 };
	KrProgress progress;
	int64 id;

	require_no_transaction(fcinfo);
	deadline = deadline_of(fcinfo);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	id = PG_ARGISNULL(0) ? kr_reencrypt_newest() : PG_GETARG_INT64(0);
	for (;;)
	{
		progress = look(id);
		require_job(id, &progress);
		show(id, &progress, &shown, &shown_at);
		if (has_ended(&progress))
			break;
		if (GetCurrentTimestamp() >= deadline)
			refuse_waiting_on(id);
		pause_without_snapshot();
	}
	finish(id, &progress);
	SPI_finish();
	PG_RETURN_VOID();
}
