/*
 * src/keys/request.c
 *
 * Requests to the KMS worker, and its presence.
 *
 * Lock protocol: the part's LWLock guards every field. A slot belongs to the
 * backend that took it from FREE until it frees it, except while RUNNING, when
 * the worker reads the request and writes the result; a backend that gives up
 * then leaves the slot ABANDONED and the worker frees it. No lock is held while a
 * provider works.
 */
#include "postgres.h"

#include "keys/request.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/report.h"
#include "pg/shmem.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define KR_NAP_MS 500

/* a worker that lives beats every 100 ms, and sooner when it is woken */
#define KR_BEAT_NAP_MS 50
#define KR_BEAT_NAPS 40

/* the calls to the provider that one request may be: a check in full has most */
#define KR_CALLS_PER_REQUEST 6

typedef enum KrRequestState
{
	KR_REQUEST_FREE,
	KR_REQUEST_TAKEN, /* a backend is filling it in */
	KR_REQUEST_POSTED,
	KR_REQUEST_RUNNING,
	KR_REQUEST_DONE,
	KR_REQUEST_ABANDONED /* RUNNING, but nobody waits any more */
} KrRequestState;

typedef struct KrRequestSlot
{
	KrRequestState state;
	KrRequest request;
	KrRequestResult result;
} KrRequestSlot;

typedef struct KrRequests
{
	ConditionVariable changed;
	Latch *worker_latch; /* NULL when there is no worker */
	int worker_pid;
	pg_atomic_uint64 beats; /* no lock: signs of life of the worker */
	KrRequestSlot slots[KR_REQUEST_SLOTS];
} KrRequests;

static KrRequests *requests = NULL;
static LWLock *requests_lock = NULL;

bool
kr_keys_wake_worker(void)
{
	bool present;

	LWLockAcquire(requests_lock, LW_SHARED);
	present = requests->worker_latch != NULL;
	if (present)
		SetLatch(requests->worker_latch);
	LWLockRelease(requests_lock);
	return present;
}

int
kr_keys_worker_pid(void)
{
	int pid;

	LWLockAcquire(requests_lock, LW_SHARED);
	pid = requests->worker_pid;
	LWLockRelease(requests_lock);
	return pid;
}

void
kr_keys_worker_beat(void)
{
	pg_atomic_fetch_add_u64(&requests->beats, 1);
}

bool
kr_keys_worker_answers(void)
{
	uint64 before = pg_atomic_read_u64(&requests->beats);

	for (int i = 0; i < KR_BEAT_NAPS && kr_keys_wake_worker(); i++)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, KR_BEAT_NAP_MS,
						 kr_pg_wait_event("KeyringRequest"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (pg_atomic_read_u64(&requests->beats) != before)
			return true;
	}
	return false;
}

KrStatus
kr_keys_no_answer(KrKmsReport *report)
{
	if (kr_keys_worker_pid() == 0)
	{
		kr_kms_say(report->message, sizeof(report->message), "background worker \"keyring kms\" is not running");
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Look for its messages in the server log; raise max_worker_processes if none was free.");
	}
	else
	{
		kr_kms_say(report->message, sizeof(report->message), "background worker \"keyring kms\" did not answer in time");
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Try again; look at keyring_doctor() and at the server log.");
	}
	return KR_KMS_UNAVAILABLE;
}

static void
give_no_answer(KrRequestResult *result)
{
	result->status = kr_keys_no_answer(&result->report);
	result->describe_status = result->status;
	result->describe_report = result->report;
}

static void
set_state(int index, KrRequestState state)
{
	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	requests->slots[index].state = state;
	LWLockRelease(requests_lock);
	ConditionVariableBroadcast(&requests->changed);
}

/* Not inlined: the caller's PG_TRY would have gcc warn about this loop. */
static pg_noinline int
take_slot(void)
{
	int index = -1;

	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	for (int i = 0; i < KR_REQUEST_SLOTS && index < 0; i++)
	{
		if (requests->slots[i].state == KR_REQUEST_FREE)
		{
			requests->slots[i].state = KR_REQUEST_TAKEN;
			index = i;
		}
	}
	LWLockRelease(requests_lock);
	return index;
}

/* Frees a slot that may be at any point of its way: the way out of a cancelled wait. */
static void
give_up(int code, Datum arg)
{
	KrRequestSlot *slot = &requests->slots[DatumGetInt32(arg)];

	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	slot->state = slot->state == KR_REQUEST_RUNNING ? KR_REQUEST_ABANDONED : KR_REQUEST_FREE;
	LWLockRelease(requests_lock);
	ConditionVariableBroadcast(&requests->changed);
}

typedef struct KrPatience
{
	TimestampTz start;
	TimestampTz last_seen;
} KrPatience;

/* One nap. False when it is time to give up. */
static bool
nap(KrPatience *patience)
{
	long limit = (long) KR_CALLS_PER_REQUEST * kr_guc_kms_timeout + kr_guc_kms_connect_timeout;
	TimestampTz now = GetCurrentTimestamp();

	if (kr_keys_wake_worker())
		patience->last_seen = now;
	if (TimestampDifferenceExceeds(patience->start, now, limit) ||
		TimestampDifferenceExceeds(patience->last_seen, now, KR_WORKER_PATIENCE_MS))
		return false;
	ConditionVariableTimedSleep(&requests->changed, KR_NAP_MS, kr_pg_wait_event("KeyringRequest"));
	return true;
}

static bool
is_done(int index)
{
	bool done;

	LWLockAcquire(requests_lock, LW_SHARED);
	done = requests->slots[index].state == KR_REQUEST_DONE;
	LWLockRelease(requests_lock);
	return done;
}

static void
run_in_slot(int index, KrRequestResult *result, const KrRequest *request, KrPatience *patience)
{
	KrRequestSlot *slot = &requests->slots[index];

	slot->request = *request;
	set_state(index, KR_REQUEST_POSTED);

	ConditionVariablePrepareToSleep(&requests->changed);
	while (!is_done(index))
	{
		if (!nap(patience))
		{
			give_no_answer(result);
			break;
		}
	}
	ConditionVariableCancelSleep();
	if (is_done(index))
		*result = slot->result;
}

/* Not inlined: what lives in registers around the setjmp would get lost in the caller's. */
static pg_noinline void
run_protected(int index, KrRequestResult *result, const KrRequest *request, KrPatience *patience)
{
	/* also on FATAL: a terminated backend must not keep its slot for ever */
	PG_ENSURE_ERROR_CLEANUP(give_up, Int32GetDatum(index));
	{
		run_in_slot(index, result, request, patience);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_up, Int32GetDatum(index));
	give_up(0, Int32GetDatum(index));
}

void
kr_keys_request(KrRequestResult *result, const KrRequest *request)
{
	KrPatience patience;
	int index;

	memset(result, 0, sizeof(KrRequestResult));
	patience.start = patience.last_seen = GetCurrentTimestamp();

	ConditionVariablePrepareToSleep(&requests->changed);
	while ((index = take_slot()) < 0)
	{
		if (!nap(&patience))
		{
			ConditionVariableCancelSleep();
			give_no_answer(result);
			return;
		}
	}
	ConditionVariableCancelSleep();

	run_protected(index, result, request, &patience);
}

void
kr_keys_warn_of_metadata(const KrRequestResult *result)
{
	if (result->describe_status != KR_OK)
		ereport(WARNING,
				(errmsg("could not read the metadata of the wrapping key: %s",
						kr_pg_words_for_admin(&result->describe_report)),
				 result->describe_report.hint[0] ? errhint("%s", result->describe_report.hint) : 0));
}

static int
next_posted(void)
{
	int index = -1;

	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	for (int i = 0; i < KR_REQUEST_SLOTS && index < 0; i++)
	{
		if (requests->slots[i].state == KR_REQUEST_POSTED)
		{
			requests->slots[i].state = KR_REQUEST_RUNNING;
			index = i;
		}
	}
	LWLockRelease(requests_lock);
	return index;
}

int
kr_keys_request_take(const KrRequest **request, KrRequestResult **result)
{
	int index = next_posted();

	if (index < 0)
		return -1;
	memset(&requests->slots[index].result, 0, sizeof(KrRequestResult));
	*request = &requests->slots[index].request;
	*result = &requests->slots[index].result;
	return index;
}

bool
kr_keys_request_abandoned(int number)
{
	bool abandoned;

	LWLockAcquire(requests_lock, LW_SHARED);
	abandoned = requests->slots[number].state == KR_REQUEST_ABANDONED;
	LWLockRelease(requests_lock);
	return abandoned;
}

void
kr_keys_request_end(int number, KrStatus status)
{
	KrRequestSlot *slot = &requests->slots[number];

	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	slot->result.status = status;
	if (slot->state == KR_REQUEST_ABANDONED)
		slot->state = KR_REQUEST_FREE;
	else if (status == KR_KMS_ABORTED)
		slot->state = KR_REQUEST_POSTED; /* this worker is ending: the next one serves it */
	else
		slot->state = KR_REQUEST_DONE;
	LWLockRelease(requests_lock);
	ConditionVariableBroadcast(&requests->changed);
}

static void
withdraw_worker(int code, Datum arg)
{
	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	requests->worker_latch = NULL;
	requests->worker_pid = 0;
	LWLockRelease(requests_lock);
}

void
kr_keys_worker_announce(void)
{
	LWLockAcquire(requests_lock, LW_EXCLUSIVE);
	requests->worker_latch = MyLatch;
	requests->worker_pid = MyProcPid;
	for (int i = 0; i < KR_REQUEST_SLOTS; i++)
	{
		KrRequestSlot *slot = &requests->slots[i];

		/* a predecessor died over it; its provider calls are safe to repeat */
		if (slot->state == KR_REQUEST_RUNNING)
			slot->state = KR_REQUEST_POSTED;
		else if (slot->state == KR_REQUEST_ABANDONED)
			slot->state = KR_REQUEST_FREE;
	}
	LWLockRelease(requests_lock);
	before_shmem_exit(withdraw_worker, (Datum) 0);
}

static Size
requests_size(void)
{
	return sizeof(KrRequests);
}

static void
start_requests(void *memory, LWLock *lock, bool found)
{
	requests = memory;
	requests_lock = lock;
	if (found)
		return;
	ConditionVariableInit(&requests->changed);
	pg_atomic_init_u64(&requests->beats, 0);
}

void
kr_keys_request_init(void)
{
	static const KrShmemPart part = { "keyring requests", requests_size, start_requests, false };

	kr_pg_shmem_add(&part);
}
