/*
 * test/unit/test_call.c
 *
 * Calls of both kinds of providers through one door.
 */
#include <string.h>

#include "kms/managed.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

static int steps, cancels;

static void
slow_start(KrKmsCall *call)
{
	call->state = &steps;
	call->wake_ms = 5;
}

static bool
slow_step(KrKmsCall *call)
{
	call->status = KR_KMS_DENIED;
	return ++steps == 3;
}

static void
slow_cancel(KrKmsCall *call)
{
	call->state = NULL;
	cancels++;
}

static const KrKmsProvider slow = { .name = "slow", .start = slow_start, .step = slow_step, .cancel = slow_cancel };

static void
test_slow(void)
{
	KrKmsReport report;
	KrKmsCall call = { .provider = &slow, .op = KR_KMS_DESCRIBE, .report = &report };

	memset(&report, 'x', sizeof(report));
	kr_kms_call_start(&call);
	tap_ok(!call.ended && call.state == &steps && report.message[0] == '\0', "a call begins, with an empty report");
	tap_ok(!kr_kms_call_step(&call) && !kr_kms_call_step(&call), "goes on");
	tap_ok(kr_kms_call_step(&call) && call.status == KR_KMS_DENIED, "and ends");
	tap_ok(kr_kms_call_step(&call) && steps == 3, "once");
	kr_kms_call_cancel(&call);
	tap_ok(cancels == 0 && call.status == KR_KMS_DENIED, "after which there is nothing to stop");

	kr_kms_call_start(&call);
	kr_kms_call_cancel(&call);
	tap_ok(cancels == 1 && call.ended && call.status == KR_KMS_ABORTED, "one that is stopped has ended");
}

static void
test_managed(void)
{
	KrKmsReport report;
	KrKmsWrap wrapped;
	KrSecret secret;
	KrSecret unwrapped = { 0 };
	KrKmsDescription description;
	KrKmsPermissions permissions;
	KrKmsCall call = {
		.provider = &kr_kms_managed, .op = KR_KMS_WRAP, .host = kit_host(kit_file("one", KIT_KEY_1 "\n", 0600)), .resource = "", .aad = "aad", .aad_len = 3, .secret = &secret, .report = &report, .wrapped = &wrapped, .unwrapped = &unwrapped, .description = &description
	};

	tap_ok(kr_crypto_secret_random(&secret, 65) == KR_OK, "a secret");
	kr_kms_call_start(&call);
	tap_ok(kr_kms_call_step(&call) && call.status == KR_OK, "managed: wrapped as the call starts");
	call.op = KR_KMS_UNWRAP;
	call.wrap = wrapped.bytes;
	call.wrap_len = wrapped.len;
	kr_kms_call_start(&call);
	tap_ok(kr_kms_call_step(&call) && call.status == KR_OK && kr_crypto_secret_equal(&secret, &unwrapped), "and unwrapped");
	call.op = KR_KMS_DESCRIBE;
	kr_kms_call_start(&call);
	tap_ok(kr_kms_call_step(&call) && call.status == KR_OK && strcmp(description.current_version, KIT_FINGERPRINT_1) == 0,
		   "and described");
	call.op = KR_KMS_PROBE;
	call.permissions = &permissions;
	memset(&permissions, 0xA5, sizeof(permissions));
	kr_kms_call_start(&call);
	tap_ok(kr_kms_call_step(&call) && call.status == KR_OK && tap_all_zero(&permissions, sizeof(permissions)), "nobody grants anything");
}

int
main(void)
{
	test_slow();
	test_managed();
	return tap_done();
}
