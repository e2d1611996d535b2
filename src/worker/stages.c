/*
 * src/worker/stages.c
 *
 * What follows what in a task. No function here can throw, for a task holds secrets.
 */
#include "postgres.h"

#include "keys/kek_health.h"
#include "kms/http.h"
#include "worker/settings.h"
#include "worker/stages.h"
#include "worker/wait.h"

static void
end(KrTask *task, KrStatus status)
{
	task->stage = KR_STAGE_ENDED;
	task->status = status;
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

/* Of wrapping, and of unwrapping again: a check keeps it from that of the key itself. */
static KrKmsReport *
wrap_report_of(KrTask *task)
{
	return task->request->op == KR_REQUEST_CHECK ? &task->result->wrap_report : &task->result->report;
}

static KrKmsReport *
report_of(KrTask *task)
{
	if (task->number < 0 || task->stage == KR_STAGE_UNWRAP_AGAIN)
		return &task->report;
	if (task->stage == KR_STAGE_DESCRIBE)
		return &task->result->describe_report;
	if (task->stage == KR_STAGE_PROBE)
		return &task->result->probe_report;
	return task->stage == KR_STAGE_WRAP ? wrap_report_of(task) : &task->result->report;
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
		call->permissions = &task->result->permissions;
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

/* How wrapping went, and opening it: all that there is of most requests, and one part of a check. */
static void
end_of_wrap(KrTask *task, KrStatus status)
{
	if (task->request->op == KR_REQUEST_CHECK && status != KR_KMS_ABORTED)
	{
		task->result->wrap_status = status;
		status = task->unwrap_status;
	}
	end(task, status);
}

/* Something made up, which is stored nowhere. */
static void
try_to_wrap(KrTask *task)
{
	KrStatus status = kr_crypto_secret_random(&task->material, KR_MATERIALBYTES);

	task->result->reached = KR_TRY_WRAP;
	if (status == KR_OK)
		go(task, KR_STAGE_WRAP, KR_KMS_WRAP);
	else
		end_of_wrap(task, status);
}

/* Whoever gives no answer now is not asked for more. */
static bool
goes_on_to_wrap(const KrTask *task, KrStatus status)
{
	return task->number >= 0 && task->request->op == KR_REQUEST_CHECK && task->request->in_full &&
		(status == KR_OK || kr_keys_is_refusal(status));
}

static void
after_unwrap(KrTask *task, KrStatus status)
{
	if (status == KR_OK)
		status = verify(task);
	if (goes_on_to_wrap(task, status))
	{
		task->unwrap_status = status;
		try_to_wrap(task);
		return;
	}
	if (status == KR_OK && task->number >= 0 && task->request->op == KR_REQUEST_REWRAP)
		go(task, KR_STAGE_WRAP, KR_KMS_WRAP);
	else
		end(task, status);
}

/* A KEK that wraps but does not unwrap any more has lost data elsewhere. */
static void
after_unwrap_again(KrTask *task, KrStatus status)
{
	KrKmsReport *report = wrap_report_of(task);

	if (status != KR_OK)
		*report = task->report;
	else if (!kr_crypto_secret_equal(&task->again, &task->material))
	{
		kr_kms_say(report->message, sizeof(report->message), "the wrap opened to something else than was wrapped");
		status = KR_KMS_INTEGRITY;
	}
	if (status == KR_OK && task->request->op != KR_REQUEST_TRY && task->request->op != KR_REQUEST_CHECK)
		go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
	else
		end_of_wrap(task, status);
}

static void
after_identify(KrTask *task, KrStatus status)
{
	if (status != KR_OK || task->request->op == KR_REQUEST_IDENTIFY)
	{
		end(task, status);
		return;
	}
	task->result->reached = KR_TRY_KEY;
	go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
}

static void
after_wrap(KrTask *task, KrStatus status)
{
	if (status != KR_OK)
	{
		end_of_wrap(task, status);
		return;
	}
	task->result->reached = KR_TRY_UNWRAP;
	go(task, KR_STAGE_UNWRAP_AGAIN, KR_KMS_UNWRAP);
}

/* Whatever the metadata and the permissions say, and also if we may not read them. */
static void
after_probe(KrTask *task, KrStatus status)
{
	task->result->probe_status = status;
	if (status == KR_KMS_ABORTED)
		end(task, status);
	else if (task->request->op == KR_REQUEST_TRY)
		try_to_wrap(task);
	else
		go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
}

/* Who gave no answer now is not asked for more, unless it is what the check is for. */
static void
probe(KrTask *task, KrStatus described)
{
	KrRequestResult *result = task->result;
	bool answered = described != KR_KMS_UNAVAILABLE && described != KR_KMS_THROTTLED;

	if (answered)
	{
		go(task, KR_STAGE_PROBE, KR_KMS_PROBE);
		return;
	}
	result->probe_report = result->describe_report;
	/* who is nobody to a service needs no permission of anybody, and there is nothing to be known */
	after_probe(task, result->identity[0] == '\0' ? KR_OK : described);
}

static void
after_describe(KrTask *task, KrStatus status)
{
	task->result->describe_status = status;
	if (task->request->op == KR_REQUEST_CHECK)
	{
		kr_keys_kek_learned_of(&task->request->key, status, &task->result->description);
		if (task->request->in_full)
			probe(task, status);
		else
			go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
	}
	else if (task->request->op == KR_REQUEST_TRY)
		probe(task, status);
	else
		end(task, KR_OK);
}

void
kr_worker_next_stage(KrTask *task)
{
	KrStatus status = task->call.status;

	switch (task->stage)
	{
		case KR_STAGE_NONE:
		case KR_STAGE_ENDED:
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
		case KR_STAGE_PROBE:
			after_probe(task, status);
			break;
	}
}

static void
start_creating(KrTask *task)
{
	if (task->request->has_other)
		get_token_key(task);
	else
		wrap_new(task, NULL);
}

void
kr_worker_first_stage(KrTask *task)
{
	memset(&task->report, 0, sizeof(task->report));
	if (task->number < 0)
	{
		go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
		return;
	}
	switch (task->request->op)
	{
		case KR_REQUEST_CREATE:
			start_creating(task);
			break;
		case KR_REQUEST_REWRAP:
			go(task, KR_STAGE_UNWRAP, KR_KMS_UNWRAP);
			break;
		case KR_REQUEST_CHECK:
			if (task->request->in_full)
				go(task, KR_STAGE_IDENTIFY, KR_KMS_IDENTIFY);
			else
				go(task, KR_STAGE_DESCRIBE, KR_KMS_DESCRIBE);
			break;
		case KR_REQUEST_TRY:
		case KR_REQUEST_IDENTIFY:
			go(task, KR_STAGE_IDENTIFY, KR_KMS_IDENTIFY);
			break;
	}
}
