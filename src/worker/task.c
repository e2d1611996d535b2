/*
 * src/worker/task.c
 *
 * The tasks of the KMS worker: see README.md. Secrets are in KrSecrets of a task, or in shared memory, and
 * are wiped as the task ends; no function here can throw while it holds one.
 */
#include "postgres.h"

#include "keys/dek_cache.h"
#include "keys/kek_health.h"
#include "keys/request.h"
#include "kms/http.h"
#include "pg/report.h"
#include "postmaster/interrupt.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "worker/settings.h"
#include "worker/task.h"

/* keys that are fetched at once: more than a server usually has, or a few that hang would hold up the others */
#define KR_FETCHES 64
#define KR_TASKS (KR_FETCHES + KR_REQUEST_SLOTS)

/* how long a request that nobody waits for any more may go on unnoticed */
#define KR_TASK_NAP_MS 100

typedef enum KrStage
{
	KR_STAGE_NONE, /* the task is free */
	KR_STAGE_IDENTIFY,
	KR_STAGE_UNWRAP_OTHER,
	KR_STAGE_UNWRAP,
	KR_STAGE_WRAP,
	KR_STAGE_UNWRAP_AGAIN, /* what was just wrapped */
	KR_STAGE_DESCRIBE
} KrStage;

typedef struct KrTask
{
	KrStage stage;
	int number; /* of the request, -1 = a fetch */
	KrCacheWork work;
	const KrRequest *request;
	KrRequestResult *result;
	KrSecret material;
	KrSecret again;
	KrKmsReport report; /* of a fetch; of unwrapping again, kept from the notice of wrapping */
	char aad[KR_WRAP_AADBYTES];
	KrKmsCall call;
} KrTask;

static KrTask *tasks = NULL;
static int fetches = 0;

bool
kr_worker_stopping(void)
{
	return ShutdownRequestPending || !PostmasterIsAlive();
}

/* Asked by providers that do not run beside others: these go on meanwhile. */
static bool
should_abort(void *arg)
{
	KrTask *task = arg;

	kr_keys_worker_beat();
	kr_kms_http_pump(0);
	return kr_worker_stopping() || (task->number >= 0 && kr_keys_request_abandoned(task->number));
}

static const KrWrapped *
key_of(const KrTask *task)
{
	if (task->stage == KR_STAGE_UNWRAP_OTHER)
		return &task->request->other;
	return task->number < 0 ? &task->work.key : &task->request->key;
}

static KrKmsReport *
report_of(KrTask *task)
{
	if (task->number < 0 || task->stage == KR_STAGE_UNWRAP_AGAIN)
		return &task->report;
	return task->stage == KR_STAGE_DESCRIBE ? &task->result->describe_report : &task->result->report;
}

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
end(KrTask *task, KrStatus status)
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

static void
set_up_call(KrTask *task, KrKmsOp op)
{
	KrKmsCall *call = &task->call;

	memset(call, 0, sizeof(*call));
	call->op = op;
	call->host = kr_worker_host();
	call->host.should_abort = should_abort;
	call->host.arg = task;
	call->host.may_create_root_key = op == KR_KMS_WRAP && task->request->op == KR_REQUEST_CREATE &&
		task->request->may_create_root_key;
	call->resource = key_of(task)->resource;
	call->aad = task->aad;
	call->aad_len = sizeof(task->aad);
	call->secret = &task->material;
	call->wrap = key_of(task)->wrap;
	call->wrap_len = key_of(task)->wrap_len;
	call->version = key_of(task)->kek_version;
	call->report = report_of(task);
	call->unwrapped = &task->material;
	if (task->number >= 0)
	{
		call->wrapped = &task->result->wrap;
		call->description = &task->result->description;
		call->identity = task->result->identity;
	}
	if (task->stage == KR_STAGE_UNWRAP_AGAIN)
	{
		call->wrap = task->result->wrap.bytes;
		call->wrap_len = task->result->wrap.len;
		call->unwrapped = &task->again;
	}
}

static void
go(KrTask *task, KrStage stage, KrKmsOp op)
{
	const KrWrapped *key;

	task->stage = stage;
	key = key_of(task);
	kr_crypto_material_wrap_aad(task->aad, key->uuid);
	set_up_call(task, op);
	task->call.provider = kr_kms_provider(key->provider);
	if (task->call.provider == NULL)
	{
		kr_kms_say(report_of(task)->message, sizeof(report_of(task)->message), "unknown key provider \"%s\"", key->provider);
		kr_kms_say(report_of(task)->hint, sizeof(report_of(task)->hint), "Known providers: %s.", kr_kms_provider_names());
		end(task, KR_KMS_CONFIG);
		return;
	}
	kr_kms_call_start(&task->call);
}

/* A wrap that opens but holds another key's material is as bad as one that does not open. */
static KrStatus
verify(KrTask *task)
{
	const KrWrapped *key = key_of(task);
	uint8 check_value[KR_HMACBYTES];
	KrStatus status = kr_crypto_material_check(&task->material);

	if (status == KR_OK)
		status = kr_crypto_material_check_value(check_value, &task->material, key->uuid);
	if (status == KR_OK && memcmp(check_value, key->check_value, KR_HMACBYTES) != 0)
		status = KR_KMS_BAD_CIPHERTEXT;
	if (status != KR_OK)
		kr_kms_say(report_of(task)->message, sizeof(report_of(task)->message),
				   "what was unwrapped is not this key: its check value differs");
	return status;
}

/* Fresh material, with the token key of the other key if there is one. */
static void
wrap_new(KrTask *task, const KrSecret *other)
{
	KrSecret fresh = { 0 };
	KrStatus status = kr_crypto_material_new(&fresh, other);

	task->material = fresh;
	kr_crypto_secret_wipe(&fresh);
	if (status == KR_OK)
		status = kr_crypto_material_check_value(task->result->check_value, &task->material, task->request->key.uuid);
	if (status == KR_OK)
		status = kr_crypto_material_token_key_id(task->result->token_key_id, &task->material);
	if (status == KR_OK)
		go(task, KR_STAGE_WRAP, KR_KMS_WRAP);
	else
		end(task, status);
}

/* The other key's material is there. */
static void
wrap_with_token_key(KrTask *task)
{
	KrSecret other = task->material;

	wrap_new(task, &other);
	kr_crypto_secret_wipe(&other);
}

/*
 * The other key is asked for, although it may be in memory: what its owner has just forbidden is not to be copied. Only
 * where nobody answers is memory as good as it is for reading. A refusal leaves memory alone, for the next verification to
 * empty: whoever tries what can still be done after a root key was lost must not lose the rest by that.
 */
static void
get_token_key(KrTask *task)
{
	if (kr_keys_cache_copy(&task->material, &task->request->other, false))
		wrap_with_token_key(task);
	else
		go(task, KR_STAGE_UNWRAP_OTHER, KR_KMS_UNWRAP);
}

static void
after_unwrap_other(KrTask *task, KrStatus status)
{
	if (status == KR_OK)
		status = verify(task);
	if (status == KR_OK ||
		(status != KR_KMS_ABORTED && !kr_keys_is_refusal(status) &&
		 kr_keys_cache_copy(&task->material, &task->request->other, true)))
	{
		wrap_with_token_key(task);
		return;
	}
	task->result->other_failed = true;
	end(task, status);
}

static void
after_unwrap(KrTask *task, KrStatus status)
{
	if (status == KR_OK)
		status = verify(task);
	if (status == KR_OK && task->number >= 0 && task->request->op == KR_REQUEST_REWRAP)
		go(task, KR_STAGE_WRAP, KR_KMS_WRAP);
	else
		end(task, status);
}

/* A KEK that wraps but does not unwrap any more has lost data elsewhere. */
static void
after_unwrap_again(KrTask *task, KrStatus status)
{
	KrKmsReport *report = &task->result->report;

	if (status != KR_OK)
		*report = task->report;
	else if (!kr_crypto_secret_equal(&task->again, &task->material))
	{
		kr_kms_say(report->message, sizeof(report->message), "the wrap opened to something else than was wrapped");
		status = KR_KMS_INTEGRITY;
	}
	if (status == KR_OK && task->request->op != KR_REQUEST_TRY)
		go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
	else
		end(task, status);
}

static void
after_identify(KrTask *task, KrStatus status)
{
	if (status == KR_OK && task->request->op == KR_REQUEST_TRY)
		go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
	else
		end(task, status);
}

/* Whatever the metadata say, and also if we may not read them. */
static void
try_to_wrap(KrTask *task)
{
	KrStatus status = kr_crypto_secret_random(&task->material, KR_MATERIALBYTES);

	task->result->reached = KR_TRY_WRAP;
	if (status == KR_OK)
		go(task, KR_STAGE_WRAP, KR_KMS_WRAP);
	else
		end(task, status);
}

static void
after_wrap(KrTask *task, KrStatus status)
{
	if (status != KR_OK)
	{
		end(task, status);
		return;
	}
	task->result->reached = KR_TRY_UNWRAP;
	go(task, KR_STAGE_UNWRAP_AGAIN, KR_KMS_UNWRAP);
}

static void
after_describe(KrTask *task, KrStatus status)
{
	task->result->describe_status = status;
	if (task->request->op == KR_REQUEST_CHECK)
	{
		kr_keys_kek_learned_of(&task->request->key, status, &task->result->description);
		go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
	}
	else if (task->request->op == KR_REQUEST_TRY)
		try_to_wrap(task);
	else
		end(task, KR_OK);
}

/* What follows the call that has ended. */
static void
advance(KrTask *task)
{
	KrStatus status = task->call.status;

	switch (task->stage)
	{
		case KR_STAGE_NONE:
			break;
		case KR_STAGE_IDENTIFY:
			after_identify(task, status);
			break;
		case KR_STAGE_UNWRAP_OTHER:
			after_unwrap_other(task, status);
			break;
		case KR_STAGE_UNWRAP:
			after_unwrap(task, status);
			break;
		case KR_STAGE_WRAP:
			after_wrap(task, status);
			break;
		case KR_STAGE_UNWRAP_AGAIN:
			after_unwrap_again(task, status);
			break;
		case KR_STAGE_DESCRIBE:
			after_describe(task, status);
			break;
	}
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
	while (task->stage != KR_STAGE_NONE && kr_kms_call_step(&task->call))
		advance(task);
	return task->stage == KR_STAGE_NONE;
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
	memset(&task->report, 0, sizeof(task->report));
	go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
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
	memset(&task->report, 0, sizeof(task->report));
	switch (task->request->op)
	{
		case KR_REQUEST_CREATE:
			if (task->request->has_other)
				get_token_key(task);
			else
				wrap_new(task, NULL);
			break;
		case KR_REQUEST_REWRAP:
			go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
			break;
		case KR_REQUEST_CHECK:
			go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
			break;
		case KR_REQUEST_TRY:
		case KR_REQUEST_IDENTIFY:
			go(task, KR_STAGE_IDENTIFY, KR_KMS_IDENTIFY);
			break;
	}
	step(task);
	return true;
}

static void
stop(KrTask *task)
{
	kr_kms_call_cancel(&task->call);
	end(task, KR_KMS_ABORTED);
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
