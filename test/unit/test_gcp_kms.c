/*
 * test/unit/test_gcp_kms.c
 *
 * Whole calls of the provider: token, request, answer, and when it asks again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kms/gcp_auth.h"
#include "kms/gcp_kms.h"
#include "unit/gcp_kit.h"
#include "unit/http_kit.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

#define RING "projects/acme-prod/locations/global/keyRings/r/cryptoKeys/"
#define PATH(key) "/v1/" RING key
#define CONNECTION "Content-Type: application/json; charset=UTF-8\r\nConnection: close\r\n\r\n"
#define GOOD "HTTP/1.1 200 OK\r\n" CONNECTION
#define DENIED "HTTP/1.1 403 Forbidden\r\n" CONNECTION "{\"error\":{\"code\":403,\"message\":\"Permission denied\",\"status\":\"PERMISSION_DENIED\"}}"
#define UNAUTHENTICATED "HTTP/1.1 401 Unauthorized\r\n" CONNECTION "{\"error\":{\"code\":401,\"message\":\"x\",\"status\":\"UNAUTHENTICATED\"}}"
#define BUSY(seconds) "HTTP/1.1 429 Too Many\r\nRetry-After: " seconds "\r\n" CONNECTION "{\"error\":{\"code\":429,\"message\":\"x\",\"status\":\"RESOURCE_EXHAUSTED\"}}"
#define HELLO "\"aGVsbG8=\""
#define CRC "\"2591144780\""
#define DECRYPTED GOOD "{\"plaintext\":" HELLO ",\"plaintextCrc32c\":" CRC ",\"usedPrimary\":true}"
#define DAMAGED GOOD "{\"plaintext\":" HELLO ",\"plaintextCrc32c\":\"1\"}"
#define ENCRYPTED(key) \
	GOOD "{\"name\":\"" RING key "/cryptoKeyVersions/3\",\"ciphertext\":" HELLO ",\"ciphertextCrc32c\":" CRC \
		 ",\"verifiedPlaintextCrc32c\":true,\"verifiedAdditionalAuthenticatedDataCrc32c\":true,\"protectionLevel\":\"HSM\"}"

enum
{
	TOKEN,
	ENCRYPT,
	DECRYPT,
	DESCRIBE,
	SPURIOUS_1,
	SPURIOUS_2,
	DENY,
	EXPIRED_1,
	EXPIRED_2,
	BUSY_1,
	BUSY_2,
	BUSY_LONG,
	DAMAGED_1,
	DAMAGED_2,
	ALWAYS_DAMAGED,
	SLOW,
	ECHO_PLAIN,
	OTHER,
	OLD_VERSION,
	OLD_DENIED,
	OLD_WRONG,
	PROBE,
	PROBE_WRONG
};

#define VERSION(number, rest) GOOD "{\"name\":\"" RING "good/cryptoKeyVersions/" number "\"," rest "}"

static const KitAnswer answers[] = {
	[TOKEN] = { "POST /token", GOOD "{\"access_token\":\"tokenthatissecret\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", 0, 0 },
	[ENCRYPT] = { "POST " PATH("good:encrypt"), ENCRYPTED("good"), 0, 0 },
	[DECRYPT] = { "POST " PATH("good:decrypt"), DECRYPTED, 0, 0 },
	[DESCRIBE] = { "GET " PATH("good "), GOOD "{\"name\":\"" RING "good\",\"purpose\":\"ENCRYPT_DECRYPT\",\"primary\":{\"name\":\"" RING "good/cryptoKeyVersions/3\",\"state\":\"ENABLED\",\"protectionLevel\":\"HSM\"}}", 0, 0 },
	[SPURIOUS_1] = { "POST " PATH("spurious:decrypt"), DENIED, 0, 1 },
	[SPURIOUS_2] = { "POST " PATH("spurious:decrypt"), DECRYPTED, 0, 0 },
	[DENY] = { "POST " PATH("deny:"), DENIED, 0, 0 },
	[EXPIRED_1] = { "POST " PATH("expired:decrypt"), UNAUTHENTICATED, 0, 1 },
	[EXPIRED_2] = { "POST " PATH("expired:decrypt"), DECRYPTED, 0, 0 },
	[BUSY_1] = { "POST " PATH("busy:decrypt"), BUSY("1"), 0, 1 },
	[BUSY_2] = { "POST " PATH("busy:decrypt"), DECRYPTED, 0, 0 },
	[BUSY_LONG] = { "POST " PATH("busylong:decrypt"), BUSY("3600"), 0, 0 },
	[DAMAGED_1] = { "POST " PATH("damaged:decrypt"), DAMAGED, 0, 2 },
	[DAMAGED_2] = { "POST " PATH("damaged:decrypt"), DECRYPTED, 0, 0 },
	[ALWAYS_DAMAGED] = { "POST " PATH("wrong:decrypt"), DAMAGED, 0, 0 },
	[SLOW] = { "POST " PATH("slow:decrypt"), DECRYPTED, 3000, 0 },
	[ECHO_PLAIN] = { "POST " PATH("echo:encrypt"), "HTTP/1.1 400 Bad\r\n" CONNECTION "{\"error\":{\"message\":\"Invalid value at 'plaintext': \\\"AQEBAQEBAQEBAQEBAQEB\\\"\",\"status\":\"INVALID_ARGUMENT\"}}", 0, 0 },
	[OTHER] = { "POST " PATH("other:encrypt"), ENCRYPTED("good"), 0, 0 },
	[OLD_VERSION] = { "GET " PATH("good/cryptoKeyVersions/1 "), VERSION("1", "\"state\":\"DESTROY_SCHEDULED\",\"destroyTime\":\"2031-02-03T04:05:06Z\""), 0, 0 },
	[OLD_DENIED] = { "GET " PATH("good/cryptoKeyVersions/2 "), DENIED, 0, 0 },
	[OLD_WRONG] = { "GET " PATH("good/cryptoKeyVersions/4 "), VERSION("5", "\"state\":\"DESTROYED\""), 0, 0 },
	[PROBE] = { "POST " PATH("good:testIamPermissions"), GOOD "{\"permissions\":[\"cloudkms.cryptoKeyVersions.useToDecrypt\"]}", 0, 0 },
	[PROBE_WRONG] = { "POST " PATH("wrong:testIamPermissions"), GOOD "{\"permissions\":7}", 0, 0 },
	{ NULL, NULL, 0, 0 }
};

static KrKmsHost host;
static KrSecret secret;
static KrSecret unwrapped;
static KrKmsWrap wrapped;
static KrKmsDescription description;
static KrKmsPermissions permissions;
static KrKmsReport report;
static char resource[KR_KMS_RESOURCEMAX];

static KrKmsCall
make_call(KrKmsOp op, const char *key)
{
	snprintf(resource, sizeof(resource), RING "%s", key);
	return (KrKmsCall){
		.provider = &kr_kms_gcp, .op = op, .host = host, .resource = resource, .aad = "keyring/v1/x", .aad_len = 12, .secret = &secret, .wrap = (const uint8_t *) "hello", .wrap_len = 5, .report = &report, .wrapped = &wrapped, .unwrapped = &unwrapped, .description = &description, .permissions = &permissions
	};
}

static KrStatus
run(KrKmsOp op, const char *key)
{
	KrKmsCall call = make_call(op, key);
	double end = kit_seconds() + 20;

	kr_kms_call_start(&call);
	while (!kr_kms_call_step(&call) && kit_seconds() < end)
		kr_kms_http_pump(call.wake_ms >= 0 && call.wake_ms < 100 ? call.wake_ms : 100);
	return call.ended ? call.status : KR_KMS_ABORTED;
}

static void
test_good(void)
{
	tap_ok(run(KR_KMS_WRAP, "good") == KR_OK && wrapped.len == 5 && strcmp(wrapped.kek_version, "3") == 0, "wrap");
	kit_contains(kit_http_sent(), "POST " PATH("good:encrypt") " HTTP/1.1\r\n", "its path");
	kit_contains(kit_http_sent(), "Authorization: Bearer tokenthatissecret\r\n", "its token");
	kit_contains(kit_http_sent(), "\r\n\r\n{\"plaintext\":\"AQEBAQEBAQEBAQEBAQEBAQ==\",\"plaintextCrc32c\":\"1167916994\","
								  "\"additionalAuthenticatedData\":\"a2V5cmluZy92MS94\",\"additionalAuthenticatedDataCrc32c\":\"",
				 "its body");
	tap_ok(run(KR_KMS_UNWRAP, "good") == KR_OK && unwrapped.len == 5 && memcmp(unwrapped.bytes, "hello", 5) == 0, "unwrap");
	kit_contains(kit_http_sent(), "{\"ciphertext\":\"aGVsbG8=\",\"ciphertextCrc32c\":\"2591144780\",\"additionalAuth", "its body");
	tap_ok(run(KR_KMS_DESCRIBE, "good") == KR_OK && strcmp(description.current_version, "3") == 0 && strcmp(description.protection, "HSM") == 0, "describe");
	tap_ok(kit_http_count(TOKEN) == 1, "with one token");
}

static KrStatus
describe(const char *version)
{
	KrKmsCall call = make_call(KR_KMS_DESCRIBE, "good");
	double end = kit_seconds() + 20;

	call.version = version;
	kr_kms_call_start(&call);
	while (!kr_kms_call_step(&call) && kit_seconds() < end)
		kr_kms_http_pump(call.wake_ms >= 0 && call.wake_ms < 100 ? call.wake_ms : 100);
	return call.ended ? call.status : KR_KMS_ABORTED;
}

static void
test_version(void)
{
	tap_ok(describe("3") == KR_OK && description.version_status == KR_OK && kit_http_count(OLD_VERSION) == 0, "the current version comes with the key");
	tap_ok(describe("1") == KR_OK && description.version_status == KR_KMS_DESTROY_SCHEDULED && strcmp(description.version_destroy_time, "2031-02-03T04:05:06Z") == 0, "an older one is asked about");
	tap_ok(strcmp(description.current_version, "3") == 0 && description.destroy_time[0] == '\0' && report.message[0] == '\0', "and leaves alone what is known of the key");
	tap_ok(describe("2") == KR_OK && description.version_status == KR_KMS_DENIED && report.message[0] == '\0', "one that may not be looked at is no failure");
	tap_ok(describe("4") == KR_OK && description.version_status == KR_KMS_INTEGRITY && kit_http_count(OLD_WRONG) == 3, "an answer about another version is not believed");
	tap_ok(describe("1:destroy") == KR_OK && kit_http_count(OLD_WRONG) == 3, "nor is what is no number sent");
}

static void
test_probe(void)
{
	tap_ok(run(KR_KMS_PROBE, "good") == KR_OK && permissions.known && strcmp(permissions.granted, "cloudkms.cryptoKeyVersions.useToDecrypt") == 0, "what is granted");
	kit_contains(kit_http_sent(), "POST " PATH("good:testIamPermissions") " HTTP/1.1\r\n", "its path");
	kit_contains(kit_http_sent(), "\r\n\r\n{\"permissions\":[\"cloudkms.cryptoKeyVersions.useToEncrypt\",\"cloudkms.cryptoKeyVersions.useToDecrypt\","
								  "\"cloudkms.cryptoKeys.get\"]}",
				 "its body");
	kit_contains(report.hint, "--member=serviceAccount:" KIT_EMAIL " --role=roles/cloudkms.cryptoKeyEncrypterDecrypter", "and whom to grant what is missing");
	tap_ok(run(KR_KMS_PROBE, "wrong") == KR_KMS_INTEGRITY && kit_http_count(PROBE_WRONG) == 3 && !permissions.known, "an answer that is none is asked for again");
	tap_ok(run(KR_KMS_PROBE, "deny") == KR_KMS_DENIED && !permissions.known, "a server that may not even ask");
	tap_ok(strstr(report.hint, "--role") == NULL && report.hint[0] != '\0', "needs no role for that: %s", report.hint);
}

static void
test_again(void)
{
	double began;

	tap_ok(run(KR_KMS_UNWRAP, "spurious") == KR_OK && kit_http_count(SPURIOUS_1) == 1, "one spurious refusal is not believed");
	tap_ok(run(KR_KMS_UNWRAP, "deny") == KR_KMS_DENIED && kit_http_count(DENY) == 3, "the second is");
	kit_contains(report.hint, "--member=serviceAccount:" KIT_EMAIL " --role=roles/cloudkms.cryptoKeyEncrypterDecrypter", "and says what to grant");
	tap_ok(unwrapped.len == 0, "nothing is unwrapped");
	tap_ok(run(KR_KMS_WRAP, "deny") == KR_KMS_DENIED && kit_http_count(DENY) == 4, "wrapping is refused at once");
	tap_ok(run(KR_KMS_UNWRAP, "expired") == KR_OK && kit_http_count(EXPIRED_1) == 1, "a refused token is tried once more");
	tap_ok(run(KR_KMS_UNWRAP, "busy") == KR_OK && kit_http_count(BUSY_1) == 1, "a busy service is asked later");
	tap_ok(run(KR_KMS_UNWRAP, "busylong") == KR_KMS_THROTTLED && kit_http_count(BUSY_LONG) == 1, "but not when that would take too long");
	tap_ok(report.retry_after == 3600, "and the caller learns for how long");
	tap_ok(run(KR_KMS_UNWRAP, "damaged") == KR_OK && kit_http_count(DAMAGED_1) == 2, "a damaged answer is asked for again");
	began = kit_seconds();
	tap_ok(run(KR_KMS_UNWRAP, "wrong") == KR_KMS_INTEGRITY && kit_http_count(ALWAYS_DAMAGED) == 3, "three times in all");
	/* at the least 200 ms before the second, 400 ms before the third */
	tap_ok(kit_seconds() - began > 0.55, "with pauses that grow");
	kit_contains(report.message, "checksum differs", "then it says so");
	tap_ok(run(KR_KMS_WRAP, "other") == KR_KMS_INTEGRITY && wrapped.len == 0, "an answer about another key");
}

static void
test_time(void)
{
	KrKmsCall slow;
	double began = kit_seconds();

	host.timeout_ms = 10000;
	slow = make_call(KR_KMS_UNWRAP, "slow");
	kr_kms_call_start(&slow);
	for (int i = 0; i < 5; i++)
	{
		kr_kms_call_step(&slow);
		kr_kms_http_pump(20);
	}
	tap_ok(run(KR_KMS_UNWRAP, "good") == KR_OK && kit_seconds() - began < 2, "a slow key does not delay another");
	kr_kms_call_cancel(&slow);
	tap_ok(slow.ended && kit_seconds() - began < 2, "and can be given up at once");

	host.timeout_ms = 500;
	tap_ok(run(KR_KMS_UNWRAP, "slow") == KR_KMS_UNAVAILABLE && kit_seconds() - began < 4, "time runs out");
	host.timeout_ms = 5000;
}

static void
test_secrets(void)
{
	tap_ok(run(KR_KMS_WRAP, "echo") == KR_KMS_CONFIG, "a service that quotes the plaintext");
	tap_ok(strstr(report.complaint, "AQEB") == NULL && strstr(report.complaint, "withheld") != NULL, "is not quoted: %s", report.complaint);
}

static void
test_settings(void)
{
	char out[KR_KMS_RESOURCEMAX];

	host.gcp_endpoint = "http://kms.example";
	tap_ok(run(KR_KMS_UNWRAP, "good") == KR_KMS_CONFIG, "plain http to another machine");
	kit_contains(report.message, "keyring.gcp_endpoint \"http://kms.example\" may not be asked", "message: plain http");
	tap_ok(kr_kms_gcp.check_resource(out, "https://cloudkms.googleapis.com/v1/" RING "k/", &report) == KR_OK && strcmp(out, RING "k") == 0,
		   "a name is made canonical");
	tap_ok(kr_kms_gcp.check_resource(out, NULL, &report) == KR_KMS_CONFIG && report.hint[0] != '\0', "no name");
}

int
main(void)
{
	static char endpoint[128];
	char url[128];
	const char *base = kit_http_serve(answers);

	snprintf(url, sizeof(url), "%s/token", base);
	snprintf(endpoint, sizeof(endpoint), "%s/", base);
	host = kit_gcp_host(endpoint, kit_file("account.json", kit_gcp_account("service_account", KIT_EMAIL, url), 0600));
	secret.len = 16;
	memset(secret.bytes, 1, secret.len);
	test_good();
	test_version();
	test_probe();
	test_again();
	test_time();
	test_secrets();
	test_settings();
	kr_kms_gcp_auth_forget();
	return tap_done();
}
