/*
 * src/reencrypt/run.c
 *
 * A job, step by step; README.md has its states. A step is one transaction: what it moves, where
 * it has come to and the counters are committed together, so that whenever this process or the
 * server dies the next one goes on from there. Nothing that matters is in memory alone: the list of
 * earlier transactions is made anew by whoever comes after, which can only make it longer.
 *
 * An error ends a step, not the job. The step is tried again with a subtransaction for each row, which
 * records a row that is to blame; what fails then too has another cause. If it failed in a relation, that one is
 * postponed: the job waits when there is nothing else to do.
 */
#include "postgres.h"

#include "access/xact.h"
#include "keys/lifecycle.h"
#include "keys/ring.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "pg/guc.h"
#include "postmaster/interrupt.h"
#include "reencrypt/completion.h"
#include "reencrypt/pass.h"
#include "reencrypt/route.h"
#include "reencrypt/run.h"
#include "reencrypt/unmoved.h"
#include "reencrypt/waiters.h"
#include "reencrypt/worklist.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* how long the job waits before it looks again whether what it waits for is still there */
#define KR_FIRST_WAIT_MS 100
#define KR_LONGEST_WAIT_MS 5000

/* a wait that is shorter is not worth to be shown: the transactions of keyring_wait_for_job() are such */
#define KR_SHOWN_WAIT_MS 400

typedef struct KrRun
{
	int64 id;
	MemoryContext memory; /* of one step */
	bool careful;
	long wait_ms; /* before the next step, when blocked */
	KrEarlier earlier;
	KrRoute route;
	Oid at;              /* relation that the step works at */
	KrLeft left;         /* by the pass, as far as this process made it */
	int64 moved;         /* by the pass, likewise */
	TimestampTz counted; /* up to when job->pass_seconds knows the time; 0: begins with the next batch */
	KrObstacle obstacle;
	KrStep result; /* of the last step */
} KrRun;

/* Whoever seals must be able to, before a value is blamed for what its new key lacks. */
static const KrKeyRow *
ready_primary(void)
{
	KrKey *key;

	kr_keys_require_primary();
	key = kr_keys_primary();
	kr_keys_ready(key, "seal a value");
	return &key->row;
}

/* places: where alone it goes; they are taken over. NULL: everywhere. */
static void
begin_pass(KrRun *run, KrJob *job, int32 target_key, KrPlaces *places)
{
	kr_reencrypt_route_begin(&run->route, job, places);
	job->target_key = target_key;
	job->pass++;
	job->scanned = 0;
	job->skipped = 0;
	job->pass_seconds = 0;
	kr_reencrypt_places_reset(&run->left.places);
	run->left = (KrLeft){ 0 };
	run->moved = 0;
	run->counted = 0;
	kr_reencrypt_earlier_reset(&run->earlier);
}

static KrStep
blocked(KrRun *run, char *reason)
{
	run->obstacle = (KrObstacle){ .reason = reason };
	return KR_STEP_BLOCKED;
}

/* A rest, a commit and an attempt that failed count with the batch after them, so that the time left is what a clock shows. */
static KrStep
move_batch(KrRun *run, KrJob *job, uint32 tag)
{
	TimestampTz start = run->counted != 0 ? run->counted : GetCurrentTimestamp();
	int64 moved = job->moved;

	run->at = job->current;
	if (kr_reencrypt_batch(job, tag, run->careful, &run->left) == KR_BATCH_LOCKED)
		return kr_reencrypt_route_postpone(&run->route, job, kr_reencrypt_locked_by_others(job->current));
	kr_reencrypt_commit_at_once();
	run->at = InvalidOid;
	run->moved += job->moved - moved;
	run->counted = GetCurrentTimestamp();
	job->pass_seconds += (double) (run->counted - start) / USECS_PER_SEC;
	return KR_STEP_MOVED;
}

/* The step of a job whose row is locked. */
static KrStep
advance(KrRun *run, KrJob *job)
{
	const KrKeyRow *primary = ready_primary();
	uint32 tag = primary->tag;
	bool begun = job->pass == 0 || primary->id != job->target_key;
	KrStep step;

	if (begun)
		begin_pass(run, job, primary->id, NULL);
	if (job->next_block < job->end_block)
		step = move_batch(run, job, tag);
	else
		step = kr_reencrypt_route_next(&run->route, job, &run->obstacle.reason);
	if (step == KR_STEP_COUNT && kr_reencrypt_earlier_run(&run->earlier, &run->obstacle))
		step = KR_STEP_BLOCKED;

	/* a pass that is not stored would be begun again, with another list of earlier transactions each time */
	if (begun || step == KR_STEP_ON || step == KR_STEP_MOVED || step == KR_STEP_COUNT)
		kr_reencrypt_save(job);
	else if (step != KR_STEP_BLOCKED)
		kr_reencrypt_save_position(job);
	return step;
}

static void
complete(KrJob *job)
{
	int unreadable;

	(void) kr_reencrypt_columns(job, &unreadable);
	kr_reencrypt_forget_gone();
	kr_reencrypt_set_unreadable(job->id, unreadable);
	kr_reencrypt_set_state(job->id, KR_JOB_COMPLETED);
}

/*
 * Another pass, to the places alone where something was left or found. What is left is held by others: a pass after one in vain
 * waits a little, lest the job go round and round.
 */
static KrStep
look_again(KrRun *run, KrJob *job)
{
	KrLeft left = run->left;
	bool in_vain = run->moved == 0;

	run->left = (KrLeft){ 0 };
	begin_pass(run, job, job->target_key, &left.places);
	kr_reencrypt_save(job);
	if (!in_vain)
		return KR_STEP_ON;
	run->obstacle = (KrObstacle){ .reason = pstrdup("rows are being changed or are locked by other transactions") };
	if (TransactionIdIsValid(left.holder) && TransactionIdIsInProgress(left.holder))
	{
		run->obstacle.transaction = psprintf("%u", left.holder);
		run->obstacle.pid = BackendXidGetPid(left.holder);
	}
	return KR_STEP_BLOCKED;
}

/*
 * Notes in run->left where old values are. What the pass has left says enough. A pass to places that found nothing there was too
 * late: a row that is updated all the time is elsewhere by now, and the whole relation is faster than it.
 */
static Oid
find_left(KrRun *run, const KrJob *job, uint32 tag)
{
	Oid locked = InvalidOid;

	if (run->left.places.ranges == NIL)
		kr_reencrypt_find_old(job, tag, job->looking && run->moved == 0, &run->left.places, &locked);
	return locked;
}

/* Counting may take long, so the job's row is locked only afterwards, and looked at once more. */
static KrStep
count(KrRun *run)
{
	KrJob *job = kr_reencrypt_read(run->id);
	int32 target = job != NULL ? job->target_key : 0;
	const KrKeyRow *primary = ready_primary();
	uint32 tag = primary->tag;
	Oid locked;

	if (job == NULL || !kr_reencrypt_is_workable(job->state) || primary->id != target)
		return KR_STEP_ON;
	locked = find_left(run, job, tag);
	if (OidIsValid(locked))
		return blocked(run, kr_reencrypt_locked_by_others(locked));
	job = kr_reencrypt_read_locked(run->id);
	primary = ready_primary();
	if (job == NULL || !kr_reencrypt_is_workable(job->state) || primary->id != target)
		return KR_STEP_ON;
	if (run->left.places.ranges != NIL)
		return look_again(run, job);
	complete(job);
	return KR_STEP_END;
}

static KrStep
step(KrRun *run, bool counting)
{
	KrJob *job;

	/* the extension may have been dropped */
	if (!OidIsValid(kr_pg_schema()))
		return KR_STEP_END;
	if (counting)
		return count(run);
	job = kr_reencrypt_read_locked(run->id);
	if (job == NULL || !kr_reencrypt_is_workable(job->state))
		return KR_STEP_END;
	return advance(run, job);
}

static void
take_step(KrRun *run)
{
	run->at = InvalidOid;
	run->result = step(run, run->result == KR_STEP_COUNT);
	if (run->result == KR_STEP_BLOCKED && run->wait_ms >= KR_SHOWN_WAIT_MS)
		kr_reencrypt_set_waiting(run->id, &run->obstacle);
}

static void
show_obstacle(KrRun *run)
{
	if (OidIsValid(kr_pg_schema()))
		kr_reencrypt_set_waiting(run->id, &run->obstacle);
}

/* Another relation may have nothing in its way. */
static void
leave_relation(KrRun *run)
{
	KrJob *job = OidIsValid(kr_pg_schema()) ? kr_reencrypt_read_locked(run->id) : NULL;
	const char *name = get_rel_name(run->at);

	if (job == NULL || job->current != run->at || name == NULL)
		return;
	(void) kr_reencrypt_route_postpone(&run->route, job, psprintf("table \"%s\": %s", name, run->obstacle.reason));
	kr_reencrypt_save_position(job);
}

/* Returns the error that has ended the transaction, in the job's memory, or NULL. */
static ErrorData *
in_transaction(KrRun *run, void (*work)(KrRun *run))
{
	ErrorData *volatile error = NULL;

	PG_TRY();
	{
		StartTransactionCommand();
		MemoryContextSwitchTo(run->memory);
		PushActiveSnapshot(GetTransactionSnapshot());
		work(run);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(run->memory);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(run->memory);
	return error;
}

/* Once for each time that the job, or a relation, begins to wait. */
static void
log_error(const KrRun *run, const ErrorData *error)
{
	if (OidIsValid(run->at) ? run->route.postponed.round > 0 : run->wait_ms > KR_FIRST_WAIT_MS)
		return;
	ereport(LOG,
			(errmsg("keyring: job %lld waits: %s", (long long) run->id, error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

static void
rest(long ms)
{
	if (ms > 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, kr_pg_wait_event("KeyringJobMain"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

static void
look_at_state(KrRun *run)
{
	KrJob *job = OidIsValid(kr_pg_schema()) ? kr_reencrypt_read(run->id) : NULL;

	if (job == NULL || !kr_reencrypt_is_workable(job->state))
		run->result = KR_STEP_ON;
}

/*
 * Whoever pauses or cancels any job wakes all of them, as others do who know nothing of jobs: with the cache invalidations
 * that a process which rests has not read, say. None of this is a reason to burden the machine before it is time.
 */
static void
rest_after_batch(KrRun *run)
{
	TimestampTz begun = GetCurrentTimestamp();
	long left = kr_guc_reencrypt_delay;

	do
	{
		rest(left);
		left = kr_guc_reencrypt_delay - TimestampDifferenceMilliseconds(begun, GetCurrentTimestamp());
	} while (left > 0 && in_transaction(run, look_at_state) == NULL && run->result == KR_STEP_MOVED);
}

static void
wait_for_obstacle(KrRun *run)
{
	rest(run->wait_ms);
	run->counted = 0;
	run->wait_ms = Min(run->wait_ms * 2, KR_LONGEST_WAIT_MS);
}

static void
after_step(KrRun *run)
{
	run->careful = false;
	if (run->result == KR_STEP_BLOCKED)
	{
		wait_for_obstacle(run);
		return;
	}
	if (run->result == KR_STEP_MOVED)
	{
		run->wait_ms = KR_FIRST_WAIT_MS;
		kr_reencrypt_wait_for_wal();
		rest_after_batch(run);
		return;
	}
	rest(0);
}

/* The error is shown in keyring_jobs; where even that fails, the log has it. */
static void
after_error(KrRun *run, const ErrorData *error)
{
	run->result = KR_STEP_ON;
	if (!run->careful)
	{
		run->careful = true;
		return;
	}
	log_error(run, error);
	run->careful = false;
	run->obstacle = (KrObstacle){ .reason = error->message };
	if (OidIsValid(run->at) && in_transaction(run, leave_relation) == NULL)
		return;
	(void) in_transaction(run, show_obstacle);
	wait_for_obstacle(run);
}

void
kr_reencrypt_run(int64 id)
{
	KrRun run = { .id = id, .wait_ms = KR_FIRST_WAIT_MS, .result = KR_STEP_ON };
	ErrorData *error;

	run.memory = AllocSetContextCreate(TopMemoryContext, "keyring job", ALLOCSET_DEFAULT_SIZES);
	while (run.result != KR_STEP_END)
	{
		MemoryContextReset(run.memory);
		run.obstacle = (KrObstacle){ 0 };
		error = in_transaction(&run, take_step);
		if (error == NULL)
			after_step(&run);
		else
			after_error(&run, error);
	}
	kr_reencrypt_earlier_reset(&run.earlier);
	kr_reencrypt_postponed_reset(&run.route.postponed);
	kr_reencrypt_places_reset(&run.route.places);
	kr_reencrypt_places_reset(&run.left.places);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(run.memory);
}
