/*
 * src/worker/task.c
 *
 * The tasks of the KMS worker, begun, gone on with and ended; what each does is in stages.c. Secrets are in KrSecrets of
 * a task, or in shared memory, and are wiped as the task ends; no function here can throw while it holds one.
 */
#include "postgres.h"

#include "keys/kek_health.h"
#include "pg/report.h"
#include "utils/memutils.h"
#include "worker/stages.h"
#include "worker/task.h"

/* keys that are fetched at once: more than a server usually has, or a few that hang would hold up the others */
#define KR_FETCHES 64
#define KR_TASKS (KR_FETCHES + KR_REQUEST_SLOTS)

/* how long a request that nobody waits for any more may go on unnoticed */
#define KR_TASK_NAP_MS 100

static KrTask *tasks = NULL;
static int fetches = 0;

static void
log_failure(KrStatus status, const KrKmsReport *report)
{
	char *words = kr_pg_words_for_admin(report);
	char *sentence = kr_pg_sentence(words);

	ereport(LOG,
			(errmsg("keyring could not unwrap a data key: %s", kr_crypto_status_name(status)),
			 words[0] ? errdetail_internal("%s", sentence) : 0,
			 report->hint[0] ? errhint("%s", report->hint) : 0));

	/* nothing else frees them: this process lives as long as the server */
	pfree(words);
	pfree(sentence);
}

static void
hand_over(KrTask *task, KrStatus status)
{
	bool fetch = task->number < 0;
	KrKmsReport report = task->report;

	if (fetch)
	{
		fetches--;
		kr_keys_kek_refused(&task->work.key, status);
		kr_keys_cache_finish(&task->work, status, status == KR_OK ? &task->material : NULL, &report);
	}
	else
		kr_keys_request_end(task->number, status);
	kr_crypto_secret_wipe(&task->material);
	kr_crypto_secret_wipe(&task->again);
	task->stage = KR_STAGE_NONE;
	if (fetch && status != KR_OK && status != KR_KMS_ABORTED)
		log_failure(status, &report);
}

static KrTask *
free_task(void)
{
	for (int i = 0; i < KR_TASKS; i++)
	{
		if (tasks[i].stage == KR_STAGE_NONE)
			return &tasks[i];
	}
	return NULL;
}

/* As far as it goes without waiting. True when it has ended. */
static bool
step(KrTask *task)
{
	while (task->stage != KR_STAGE_ENDED && kr_kms_call_step(&task->call))
		kr_worker_next_stage(task);
	if (task->stage != KR_STAGE_ENDED)
		return false;
	hand_over(task, task->status);
	return true;
}

bool
kr_worker_has_room(void)
{
	return fetches < KR_FETCHES;
}

bool
kr_worker_begin_fetch(void)
{
	KrTask *task = kr_worker_has_room() ? free_task() : NULL;

	if (task == NULL || !kr_keys_cache_next(&task->work))
		return false;
	fetches++;
	kr_keys_kek_seen(&task->work.key);
	task->number = -1;
	kr_worker_first_stage(task);
	step(task);
	return true;
}

bool
kr_worker_begin_request(void)
{
	KrTask *task = free_task();

	if (task == NULL)
		return false;
	task->number = kr_keys_request_take(&task->request, &task->result);
	if (task->number < 0)
		return false;
	kr_worker_first_stage(task);
	step(task);
	return true;
}

static void
stop(KrTask *task)
{
	kr_kms_call_cancel(&task->call);
	hand_over(task, KR_KMS_ABORTED);
}

bool
kr_worker_step_tasks(void)
{
	bool ended = false;

	for (int i = 0; i < KR_TASKS; i++)
	{
		KrTask *task = &tasks[i];

		if (task->stage == KR_STAGE_NONE)
			continue;
		if (task->number >= 0 && kr_keys_request_abandoned(task->number))
		{
			stop(task);
			ended = true;
		}
		else
			ended = step(task) || ended;
	}
	return ended;
}

long
kr_worker_tasks_due(void)
{
	long due = -1;

	for (int i = 0; i < KR_TASKS; i++)
	{
		int wake_ms = tasks[i].call.wake_ms;

		if (tasks[i].stage == KR_STAGE_NONE)
			continue;
		if (wake_ms < 0 || wake_ms > KR_TASK_NAP_MS)
			wake_ms = KR_TASK_NAP_MS;
		due = due < 0 ? wake_ms : Min(due, wake_ms);
	}
	return due;
}

void
kr_worker_stop_tasks(void)
{
	for (int i = 0; i < KR_TASKS; i++)
	{
		if (tasks[i].stage != KR_STAGE_NONE)
			stop(&tasks[i]);
	}
}

void
kr_worker_tasks_init(void)
{
	tasks = MemoryContextAllocZero(TopMemoryContext, sizeof(KrTask) * KR_TASKS);
}
