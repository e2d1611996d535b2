/*
 * src/worker/kms_worker.c
 *
 * "keyring kms": see README.md. Secrets of this process are in KrSecrets on the
 * stack of one call, or in shared memory, and are wiped on every way out; no
 * function here can throw while it holds one.
 */
#include "postgres.h"

#include <signal.h>

#include "keys/dek_cache.h"
#include "keys/request.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
#include "worker/workers.h"

/* the root key's path, kept over the settings' reload so that a provider call sees one value */
static char root_key_file[MAXPGPATH];

static bool
stopping(void)
{
	return ShutdownRequestPending || !PostmasterIsAlive();
}

/* Also when the session that asked is gone: the others are waiting behind it. */
static bool
should_abort(void *arg)
{
	kr_keys_worker_beat();
	return stopping() || kr_keys_request_abandoned();
}

static KrKmsHost
make_host(bool may_create_root_key)
{
	KrKmsHost host = {
		.should_abort = should_abort,
		.timeout_ms = kr_guc_kms_timeout,
		.connect_timeout_ms = kr_guc_kms_connect_timeout,
		.root_key_file = root_key_file,
		.root_key_command = kr_guc_root_key_command,
		.may_create_root_key = may_create_root_key
	};

	return host;
}

static const KrKmsProvider *
find_provider(const KrWrapped *key, KrKmsReport *report)
{
	const KrKmsProvider *provider = kr_kms_provider(key->provider);

	if (provider == NULL)
	{
		kr_kms_say(report->message, sizeof(report->message), "unknown key provider \"%s\"", key->provider);
		kr_kms_say(report->hint, sizeof(report->hint), "Known providers: %s.", kr_kms_provider_names());
	}
	return provider;
}

/* A wrap that opens but holds another key's material is as bad as one that does not open. */
static KrStatus
verify(const KrSecret *material, const KrWrapped *key, KrKmsReport *report)
{
	uint8 check_value[KR_HMACBYTES];
	KrStatus status = kr_crypto_material_check(material);

	if (status == KR_OK)
		status = kr_crypto_material_check_value(check_value, material, key->uuid);
	if (status == KR_OK && memcmp(check_value, key->check_value, KR_HMACBYTES) != 0)
		status = KR_KMS_BAD_CIPHERTEXT;
	if (status != KR_OK)
		kr_kms_say(report->message, sizeof(report->message),
				   "what was unwrapped is not this key: its check value differs");
	return status;
}

static KrStatus
unwrap_with(const KrKmsProvider *provider, KrSecret *out, const KrWrapped *key, const uint8 *wrap, Size len,
			const KrKmsHost *host, KrKmsReport *report)
{
	char aad[KR_WRAP_AADBYTES];

	kr_crypto_material_wrap_aad(aad, key->uuid);
	return provider->unwrap(out, wrap, len, aad, sizeof(aad), key->resource, host, report);
}

static KrStatus
unwrap(KrSecret *out, const KrWrapped *key, KrKmsReport *report)
{
	KrKmsHost host = make_host(false);
	const KrKmsProvider *provider = find_provider(key, report);
	KrStatus status = KR_KMS_CONFIG;

	if (provider != NULL)
		status = unwrap_with(provider, out, key, key->wrap, key->wrap_len, &host, report);
	if (status == KR_OK)
		status = verify(out, key, report);
	if (status != KR_OK)
		kr_crypto_secret_wipe(out);
	return status;
}

/* Wraps, and proves that the wrap opens again: a KEK that wraps but no longer unwraps has lost data elsewhere. */
static KrStatus
wrap(KrRequestResult *result, const KrSecret *material, const KrWrapped *key, bool may_create_root_key)
{
	KrKmsHost host = make_host(may_create_root_key);
	const KrKmsProvider *provider = find_provider(key, &result->report);
	KrKmsReport unwrap_report = { 0 };
	KrSecret again = { 0 };
	char aad[KR_WRAP_AADBYTES];
	KrStatus status;

	if (provider == NULL)
		return KR_KMS_CONFIG;
	kr_crypto_material_wrap_aad(aad, key->uuid);
	status = provider->wrap(&result->wrap, material, aad, sizeof(aad), key->resource, &host, &result->report);
	if (status == KR_OK)
	{
		/* apart, so that the notice of wrapping is not lost */
		status = unwrap_with(provider, &again, key, result->wrap.bytes, result->wrap.len, &host, &unwrap_report);
		if (status != KR_OK)
			result->report = unwrap_report;
		else if (!kr_crypto_secret_equal(&again, material))
		{
			kr_kms_say(result->report.message, sizeof(result->report.message),
					   "the wrap opened to something else than was wrapped");
			status = KR_KMS_INTEGRITY;
		}
	}
	kr_crypto_secret_wipe(&again);
	if (status == KR_OK)
		result->describe_status = provider->describe(&result->description, key->resource, &host,
													 &result->describe_report);
	return status;
}

static KrStatus
create(KrRequestResult *result, const KrRequest *request)
{
	KrSecret other = { 0 };
	KrSecret material = { 0 };
	KrStatus status = KR_OK;

	if (request->has_other)
		status = unwrap(&other, &request->other, &result->report);
	if (status == KR_OK)
		status = kr_crypto_material_new(&material, request->has_other ? &other : NULL);
	if (status == KR_OK)
		status = kr_crypto_material_check_value(result->check_value, &material, request->key.uuid);
	if (status == KR_OK)
		status = kr_crypto_material_token_key_id(result->token_key_id, &material);
	if (status == KR_OK)
		status = wrap(result, &material, &request->key, request->may_create_root_key);
	kr_crypto_secret_wipe(&other);
	kr_crypto_secret_wipe(&material);
	return status;
}

static KrStatus
rewrap(KrRequestResult *result, const KrRequest *request)
{
	KrSecret material = { 0 };
	KrStatus status = unwrap(&material, &request->key, &result->report);

	if (status == KR_OK)
		status = wrap(result, &material, &request->key, false);
	kr_crypto_secret_wipe(&material);
	return status;
}

static KrStatus
check(KrRequestResult *result, const KrRequest *request)
{
	KrKmsHost host = make_host(false);
	const KrKmsProvider *provider = find_provider(&request->key, &result->report);
	KrSecret material = { 0 };
	KrStatus status;

	if (provider == NULL)
		return KR_KMS_CONFIG;
	result->describe_status = provider->describe(&result->description, request->key.resource, &host,
												 &result->describe_report);
	status = unwrap(&material, &request->key, &result->report);
	kr_crypto_secret_wipe(&material);
	return status;
}

static KrStatus
handle(KrRequestResult *result, const KrRequest *request)
{
	switch (request->op)
	{
		case KR_REQUEST_CREATE:
			return create(result, request);
		case KR_REQUEST_REWRAP:
			return rewrap(result, request);
		case KR_REQUEST_CHECK:
			return check(result, request);
	}
	return KR_KMS_CONFIG;
}

static bool
fetch_one(void)
{
	static KrCacheWork work;
	KrKmsReport report = { 0 };
	KrSecret material = { 0 };
	KrStatus status;

	if (!kr_keys_cache_next(&work))
		return false;
	status = unwrap(&material, &work.key, &report);
	kr_keys_cache_finish(&work, status, status == KR_OK ? &material : NULL, &report);
	kr_crypto_secret_wipe(&material);
	if (status != KR_OK && status != KR_KMS_ABORTED)
		ereport(LOG,
				(errmsg("keyring could not unwrap a data key: %s", kr_crypto_status_name(status)),
				 report.message[0] ? errdetail_internal("%s%s%s.", report.message, report.complaint[0] ? ": " : "",
														report.complaint) :
									 0,
				 report.hint[0] ? errhint("%s", report.hint) : 0));
	return true;
}

static void
load_settings(void)
{
	char *path = kr_pg_root_key_file();

	strlcpy(root_key_file, path, sizeof(root_key_file));
	pfree(path);
}

/* Without this process nobody learns of a revocation, so what it unwrapped does not outlive it. */
static void
wipe_cache(int code, Datum arg)
{
	kr_keys_cache_flush();
}

static void
reload_if_told(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	load_settings();
}

/* In turns: keys to verify may never run out, nor may requests, and both must go on. */
static void
serve(void)
{
	bool found = true;

	while (found && !stopping())
	{
		kr_keys_worker_beat();
		reload_if_told();
		found = fetch_one();
		if (!stopping())
			found = kr_keys_request_serve(handle) || found;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
wait_for_work(void)
{
	long timeout = kr_keys_cache_next_due();
	int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0);

	(void) WaitLatch(MyLatch, events, timeout, kr_pg_wait_event("KeyringKmsMain"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	reload_if_told();
}

void
keyring_kms_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	load_settings();
	before_shmem_exit(wipe_cache, (Datum) 0);
	kr_keys_cache_adopt();
	kr_keys_worker_announce();
	ereport(LOG, (errmsg("keyring kms: ready")));

	while (!ShutdownRequestPending)
	{
		serve();
		if (!ShutdownRequestPending)
			wait_for_work();
	}

	/* any other status would keep the postmaster from starting it again after SIGTERM */
	proc_exit(1);
}
