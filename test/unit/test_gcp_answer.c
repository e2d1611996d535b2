/*
 * test/unit/test_gcp_answer.c
 *
 * What answers of Cloud KMS mean: every class of error, and every field of a success.
 */
#include <stdio.h>
#include <string.h>

#include "kms/encode.h"
#include "kms/gcp_answer.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

#define KEY "projects/acme-prod/locations/global/keyRings/r/cryptoKeys/k"
#define VERSION KEY "/cryptoKeyVersions/7"
#define ERROR_(status, message, details) "{\"error\":{\"code\":1,\"message\":\"" message "\",\"status\":\"" status "\",\"details\":[" details "]}}"
#define REASON(word) "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" word "\",\"domain\":\"googleapis.com\"}"
#define VIOLATION(word) "{\"@type\":\"type.googleapis.com/google.rpc.PreconditionFailure\",\"violations\":[{\"type\":\"" word "\",\"subject\":\"" VERSION "\"}]}"
#define STATE(word) VERSION " is not enabled, current state is: " word "."
#define HTML "<!DOCTYPE html><title>Error</title>"

static const KrGcpResource resource = { "acme-prod", "global", "r", "k" };

typedef struct Row
{
	const char *name;
	long code;
	const char *body;
	bool html;
	KrGcpAsked asked;
	KrStatus status;
	KrGcpReason reason;
	const char *message;
	const char *hint;
} Row;

static const Row rows[] = {
	{ "expired token", 401, ERROR_("UNAUTHENTICATED", "x", REASON("ACCESS_TOKEN_EXPIRED")), false, KR_GCP_DECRYPT, KR_KMS_AUTH, KR_GCP_PLAIN,
	  "credential", "keyring.gcp_credentials_file" },
	{ "denied", 403, ERROR_("PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '" KEY "' (or it may not exist).", ""),
	  false, KR_GCP_DECRYPT, KR_KMS_DENIED, KR_GCP_PLAIN, "could not decrypt with Cloud KMS key " KEY ": permission denied",
	  "gcloud kms keys add-iam-policy-binding k --keyring=r --location=global --project=acme-prod --member=serviceAccount:db@x --role=roles/cloudkms.cryptoKeyEncrypterDecrypter" },
	{ "denied metadata", 403, ERROR_("PERMISSION_DENIED", "x", REASON("IAM_PERMISSION_DENIED")), false, KR_GCP_GET, KR_KMS_DENIED, KR_GCP_PLAIN,
	  "could not read the metadata of", "--role=roles/cloudkms.viewer" },
	{ "API off", 403, ERROR_("PERMISSION_DENIED", "x", REASON("SERVICE_DISABLED")), false, KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_API_DISABLED,
	  "the Cloud KMS API is not enabled", "gcloud services enable cloudkms.googleapis.com" },
	{ "API off, by its words", 403, ERROR_("PERMISSION_DENIED", "Cloud KMS API has not been used in project 1 before or it is disabled.", ""), false,
	  KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_API_DISABLED, "API is not enabled", "gcloud services enable" },
	{ "API off, the older way", 400, ERROR_("FAILED_PRECONDITION", "Cloud KMS API has not been used in project 1 before or it is disabled.", ""), false,
	  KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_API_DISABLED, "API is not enabled", "gcloud services enable" },
	{ "quota project", 403, ERROR_("PERMISSION_DENIED", "x", REASON("USER_PROJECT_DENIED")), false, KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_QUOTA_PROJECT,
	  "charged", "serviceUsageConsumer" },
	{ "scope", 403, ERROR_("PERMISSION_DENIED", "x", REASON("ACCESS_TOKEN_SCOPE_INSUFFICIENT")), false, KR_GCP_ENCRYPT, KR_KMS_AUTH, KR_GCP_SCOPE,
	  "not for Cloud KMS", "cloud-platform" },
	{ "billing", 403, ERROR_("PERMISSION_DENIED", "x", REASON("BILLING_DISABLED")), false, KR_GCP_ENCRYPT, KR_KMS_DENIED, KR_GCP_BILLING, "billing", "Billing" },
	{ "perimeter", 403, ERROR_("PERMISSION_DENIED", "x", REASON("SECURITY_POLICY_VIOLATED")), false, KR_GCP_ENCRYPT, KR_KMS_DENIED, KR_GCP_PERIMETER,
	  "perimeter", "perimeter" },
	{ "disabled", 400, ERROR_("FAILED_PRECONDITION", STATE("DISABLED"), VIOLATION("KEY_DISABLED")), false, KR_GCP_DECRYPT, KR_KMS_DISABLED, KR_GCP_PLAIN,
	  "the key version is disabled (HTTP 400, version 7, DISABLED)", "gcloud kms keys versions enable 7 --key=k" },
	{ "disabled, by the violation", 400, ERROR_("FAILED_PRECONDITION", "x", VIOLATION("KEY_DISABLED")), false, KR_GCP_DECRYPT, KR_KMS_DISABLED, KR_GCP_PLAIN,
	  "", "versions enable" },
	{ "destroy scheduled", 400, ERROR_("FAILED_PRECONDITION", STATE("DESTROY_SCHEDULED"), VIOLATION("KEY_DISABLED")), false, KR_GCP_DECRYPT,
	  KR_KMS_DESTROY_SCHEDULED, KR_GCP_PLAIN, "scheduled for destruction", "gcloud kms keys versions restore 7" },
	{ "destroyed", 400, ERROR_("FAILED_PRECONDITION", STATE("DESTROYED"), VIOLATION("KEY_DISABLED")), false, KR_GCP_DECRYPT, KR_KMS_DESTROYED, KR_GCP_PLAIN,
	  "has been destroyed", "cannot be decrypted" },
	{ "pending", 400, ERROR_("FAILED_PRECONDITION", STATE("PENDING_GENERATION"), ""), false, KR_GCP_ENCRYPT, KR_KMS_UNAVAILABLE, KR_GCP_PENDING, "not ready", "" },
	{ "another state", 400, ERROR_("FAILED_PRECONDITION", STATE("DESTROYED_OR_SO"), ""), false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_PLAIN, "", "" },
	{ "another precondition", 400, ERROR_("FAILED_PRECONDITION", "DESTROYED", ""), false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_PLAIN, "refuses", "log" },
	{ "external key manager", 400, ERROR_("FAILED_PRECONDITION", "EKM endpoint did not answer", ""), false, KR_GCP_DECRYPT, KR_KMS_UNAVAILABLE, KR_GCP_EXTERNAL,
	  "external key manager", "" },
	{ "not found", 404, ERROR_("NOT_FOUND", "CryptoKey " KEY " not found.", ""), false, KR_GCP_ENCRYPT, KR_KMS_NOT_FOUND, KR_GCP_PLAIN, "no such key", "If the name is right" },
	{ "bad address", 404, HTML, true, KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "not Cloud KMS", "keyring.gcp_endpoint" },
	{ "corrupt", 400, ERROR_("INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.", ""), false, KR_GCP_DECRYPT, KR_KMS_BAD_CIPHERTEXT, KR_GCP_PLAIN,
	  "does not accept", "keyring_key" },
	{ "another key's", 400, ERROR_("INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.", ""), false, KR_GCP_DECRYPT,
	  KR_KMS_BAD_CIPHERTEXT, KR_GCP_PLAIN, "", "" },
	{ "corrupt, though encrypting", 400, ERROR_("INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.", ""), false, KR_GCP_ENCRYPT, KR_KMS_CONFIG,
	  KR_GCP_PLAIN, "", "" },
	{ "checksum", 400, ERROR_("INVALID_ARGUMENT", "The plaintext_crc32c field did not match", ""), false, KR_GCP_ENCRYPT, KR_KMS_INTEGRITY, KR_GCP_PLAIN, "damaged", "" },
	{ "purpose", 400, ERROR_("INVALID_ARGUMENT", "The CryptoKey's purpose does not support it", ""), false, KR_GCP_ENCRYPT, KR_KMS_CONFIG, KR_GCP_PURPOSE,
	  "not for encrypting", "ENCRYPT_DECRYPT" },
	{ "other argument", 400, ERROR_("INVALID_ARGUMENT", "x", ""), false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_PLAIN, "refuses", "" },
	{ "quota", 429, ERROR_("RESOURCE_EXHAUSTED", "Quota exceeded", REASON("RATE_LIMIT_EXCEEDED")), false, KR_GCP_DECRYPT, KR_KMS_THROTTLED, KR_GCP_PLAIN, "quota", "quota" },
	{ "quota, by a gateway", 429, HTML, true, KR_GCP_DECRYPT, KR_KMS_THROTTLED, KR_GCP_PLAIN, "", "" },
	{ "unavailable", 503, ERROR_("UNAVAILABLE", "x", ""), false, KR_GCP_DECRYPT, KR_KMS_UNAVAILABLE, KR_GCP_PLAIN, "cannot answer", "" },
	{ "deadline", 504, ERROR_("DEADLINE_EXCEEDED", "x", ""), false, KR_GCP_DECRYPT, KR_KMS_UNAVAILABLE, KR_GCP_PLAIN, "", "" },
	{ "internal", 500, ERROR_("INTERNAL", "x", ""), false, KR_GCP_DECRYPT, KR_KMS_UNAVAILABLE, KR_GCP_PLAIN, "", "" },
	{ "bad gateway", 502, HTML, true, KR_GCP_DECRYPT, KR_KMS_UNAVAILABLE, KR_GCP_PLAIN, "", "" },
	{ "denied by a gateway", 403, HTML, true, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "", "" },
	{ "denied in JSON of another", 403, "{\"message\":\"no\"}", false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "", "" },
	{ "unknown status", 418, ERROR_("TEAPOT", "x", ""), false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "", "" },
	{ "moved", 302, "", true, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "", "" },
	{ "a page with code 200", 200, HTML, true, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "not Cloud KMS", "" },
	{ "half of an error", 400, "{\"error\":{\"status\":\"INVALID_ARG", false, KR_GCP_DECRYPT, KR_KMS_CONFIG, KR_GCP_NOT_KMS, "", "" },
	{ "success", 200, "{}", false, KR_GCP_DECRYPT, KR_OK, KR_GCP_PLAIN, NULL, NULL },
};

static KrHttpAnswer
make_answer(long code, const char *body, bool json)
{
	KrHttpAnswer answer = { .code = code, .json = json, .retry_after = -1, .body = body, .len = strlen(body) };

	return answer;
}

static void
test_classes(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		const Row *row = &rows[i];
		KrHttpAnswer answer = make_answer(row->code, row->body, !row->html);
		KrGcpContext context = { row->asked, &resource, "serviceAccount:db@x", "https://kms" };
		KrGcpProblem problem;
		KrKmsReport report = { 0 };

		kr_kms_gcp_classify(&problem, &answer, row->asked);
		tap_ok(problem.status == row->status && problem.reason == row->reason, "%s: %s, %d", row->name,
			   kr_crypto_status_name(problem.status), problem.reason);
		if (row->message == NULL)
			continue;
		kr_kms_gcp_explain(&report, &problem, &context);
		kit_contains(report.message, row->message, "message: %s", row->name);
		kit_contains(report.hint, row->hint, "hint: %s", row->name);
		tap_ok(report.hint[0] != '\0', "there is a hint: %s", row->name);
	}
}

static void
test_no_answer(void)
{
	KrHttpAnswer answer = { .transport = KR_KMS_UNAVAILABLE, .words = "Could not resolve host: x\n", .retry_after = -1, .body = "" };
	KrGcpContext context = { KR_GCP_DECRYPT, &resource, "", "https://kms.example" };
	KrGcpProblem problem;
	KrKmsReport report = { 0 };

	kr_kms_gcp_classify(&problem, &answer, KR_GCP_DECRYPT);
	kr_kms_gcp_explain(&report, &problem, &context);
	tap_ok(problem.status == KR_KMS_UNAVAILABLE, "no answer at all");
	kit_contains(report.message, "at https://kms.example: no answer", "says where");
	tap_ok(strcmp(report.complaint, "Could not resolve host: x?") == 0, "and why, to admins");

	answer.transport = KR_KMS_CONFIG;
	answer.tls_refused = true;
	kr_kms_gcp_classify(&problem, &answer, KR_GCP_DECRYPT);
	kr_kms_gcp_explain(&report, &problem, &context);
	kit_contains(report.hint, "keyring.kms_ca_file", "a certificate that is refused");

	answer = make_answer(429, "{}", true);
	answer.retry_after = 12;
	kr_kms_gcp_classify(&problem, &answer, KR_GCP_DECRYPT);
	tap_ok(problem.retry_after == 12, "how long to wait is passed on");
}

/* "hello" and its CRC32C */
#define HELLO "aGVsbG8="
#define HELLO_CRC "2591144780"
#define GOOD_ENCRYPT(name, crc, plain, aad) \
	"{\"name\":\"" name "\",\"ciphertext\":\"" HELLO "\",\"ciphertextCrc32c\":" crc ",\"verifiedPlaintextCrc32c\":" plain \
	",\"verifiedAdditionalAuthenticatedDataCrc32c\":" aad "}"

static KrStatus
read_encrypt(KrKmsWrap *out, const char *body)
{
	KrHttpAnswer answer = make_answer(200, body, true);
	KrKmsReport report = { 0 };
	KrStatus status;

	memset(out, 0xA5, sizeof(*out));
	status = kr_kms_gcp_read_encrypt(out, &answer, KEY, &report);
	if (status != KR_OK && !tap_all_zero(out, sizeof(*out)))
		tap_ok(false, "a refused wrap is kept");
	return status;
}

static void
test_encrypt(void)
{
	KrKmsWrap wrap;

	tap_ok(kr_kms_crc32c((const uint8_t *) "123456789", 9) == 0xE3069283, "CRC32C: the check value");
	tap_ok(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "\"" HELLO_CRC "\"", "true", "true")) == KR_OK && wrap.len == 5 &&
			   memcmp(wrap.bytes, "hello", 5) == 0 && strcmp(wrap.kek_version, "7") == 0,
		   "encrypt: a good answer");
	tap_ok(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, HELLO_CRC, "true", "true")) == KR_OK, "a checksum without quotes");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "\"1\"", "true", "true")), KR_KMS_INTEGRITY, "wrong checksum");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "-1", "true", "true")), KR_KMS_INTEGRITY, "negative checksum");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "\"" HELLO_CRC "\"", "false", "true")), KR_KMS_INTEGRITY, "plaintext not verified");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "\"" HELLO_CRC "\"", "true", "\"true\"")), KR_KMS_INTEGRITY, "additional data not verified");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(KEY "2/cryptoKeyVersions/7", "\"" HELLO_CRC "\"", "true", "true")), KR_KMS_INTEGRITY, "another key");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(KEY, "\"" HELLO_CRC "\"", "true", "true")), KR_KMS_INTEGRITY, "no version");
	tap_status(read_encrypt(&wrap, "{}"), KR_KMS_INTEGRITY, "nothing in it");
	tap_status(read_encrypt(&wrap, "[]"), KR_KMS_INTEGRITY, "not an object");
	tap_status(read_encrypt(&wrap, "{\"name\":\"" VERSION "\",\"name\":\"x\"}"), KR_KMS_INTEGRITY, "a name twice");
	tap_status(read_encrypt(&wrap, GOOD_ENCRYPT(VERSION, "\"" HELLO_CRC "\"", "true", "true") "x"), KR_KMS_INTEGRITY, "more behind it");
}

static KrStatus
read_decrypt(KrSecret *out, const char *text, const char *crc)
{
	char body[512];
	KrHttpAnswer answer;
	KrKmsReport report = { 0 };
	KrStatus status;

	snprintf(body, sizeof(body), "{\"plaintext\":\"%s\",\"plaintextCrc32c\":\"%s\"}", text, crc);
	answer = make_answer(200, body, true);
	memset(out, 0xA5, sizeof(*out));
	status = kr_kms_gcp_read_decrypt(out, &answer, &report);
	if (status != KR_OK && !tap_all_zero(out, sizeof(*out)))
		tap_ok(false, "a refused secret is kept");
	return status;
}

static void
test_decrypt(void)
{
	KrSecret secret;
	char text[KR_BASE64_SIZE(KR_SECRET_MAX + 3)];
	uint8_t bytes[KR_SECRET_MAX + 3] = { 0 };
	char crc[16];

	tap_ok(read_decrypt(&secret, HELLO, HELLO_CRC) == KR_OK && secret.len == 5 && memcmp(secret.bytes, "hello", 5) == 0, "decrypt: a good answer");
	tap_status(read_decrypt(&secret, HELLO, "1"), KR_KMS_INTEGRITY, "wrong checksum");
	tap_status(read_decrypt(&secret, HELLO, ""), KR_KMS_INTEGRITY, "no checksum");
	tap_status(read_decrypt(&secret, "", "0"), KR_KMS_INTEGRITY, "no plaintext");
	tap_status(read_decrypt(&secret, "aGVsbG8", HELLO_CRC), KR_KMS_INTEGRITY, "no padding");
	tap_status(read_decrypt(&secret, "aGVsbG9=", HELLO_CRC), KR_KMS_INTEGRITY, "bits left over");
	tap_status(read_decrypt(&secret, "aGVs bG8=", HELLO_CRC), KR_KMS_INTEGRITY, "a blank");
	tap_status(read_decrypt(&secret, "====", HELLO_CRC), KR_KMS_INTEGRITY, "padding alone");

	kr_kms_base64(text, bytes, KR_SECRET_MAX);
	snprintf(crc, sizeof(crc), "%u", kr_kms_crc32c(bytes, KR_SECRET_MAX));
	tap_ok(read_decrypt(&secret, text, crc) == KR_OK && secret.len == KR_SECRET_MAX, "as long as can be");
	kr_kms_base64(text, bytes, KR_SECRET_MAX + 1);
	snprintf(crc, sizeof(crc), "%u", kr_kms_crc32c(bytes, KR_SECRET_MAX + 1));
	tap_status(read_decrypt(&secret, text, crc), KR_KMS_INTEGRITY, "a byte too long");
	kr_kms_base64url(text, (const uint8_t *) "\xFB\xFF\xFE\xFF", 4);
	tap_ok(strcmp(text, "-__-_w") == 0, "base64 for URLs");
}

#define GOOD_KEY(name, purpose, primary) \
	"{\"name\":\"" name "\",\"purpose\":\"" purpose "\",\"nextRotationTime\":\"2027-01-01T00:00:00Z\"" primary "}"
#define PRIMARY(state) ",\"primary\":{\"name\":\"" VERSION "\",\"state\":\"" state "\",\"protectionLevel\":\"HSM\",\"destroyTime\":\"2027-02-01T00:00:00Z\"}"

static KrStatus
read_key(KrKmsDescription *out, KrGcpProblem *problem, const char *body)
{
	KrHttpAnswer answer = make_answer(200, body, true);
	KrKmsReport report = { 0 };

	return kr_kms_gcp_read_key(out, problem, &answer, KEY, &report);
}

static void
test_key(void)
{
	KrKmsDescription d;
	KrGcpProblem problem;

	tap_ok(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("ENABLED"))) == KR_OK && strcmp(d.current_version, "7") == 0 &&
			   strcmp(d.protection, "HSM") == 0 && strcmp(d.next_rotation, "2027-01-01T00:00:00Z") == 0,
		   "metadata: a good answer");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY "2", "ENCRYPT_DECRYPT", PRIMARY("ENABLED"))), KR_KMS_INTEGRITY, "of another key");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ASYMMETRIC_SIGN", "")), KR_KMS_CONFIG, "another purpose");
	tap_ok(problem.reason == KR_GCP_PURPOSE && strcmp(problem.state, "ASYMMETRIC_SIGN") == 0, "is named");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", "")), KR_KMS_DISABLED, "no primary version");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("DISABLED"))), KR_KMS_DISABLED, "disabled");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("DESTROY_SCHEDULED"))), KR_KMS_DESTROY_SCHEDULED, "scheduled");
	tap_ok(strcmp(d.destroy_time, "2027-02-01T00:00:00Z") == 0 && strcmp(problem.version, "7") == 0, "with its date and version");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("DESTROYED"))), KR_KMS_DESTROYED, "destroyed");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("PENDING_IMPORT"))), KR_KMS_UNAVAILABLE, "pending");
	tap_status(read_key(&d, &problem, GOOD_KEY(KEY, "ENCRYPT_DECRYPT", PRIMARY("<b>"))), KR_KMS_DISABLED, "a state that is none");
	tap_ok(problem.state[0] == '\0', "is not passed on");
	tap_status(read_key(&d, &problem, "{"), KR_KMS_INTEGRITY, "half of it");
}

int
main(void)
{
	test_classes();
	test_no_answer();
	test_encrypt();
	test_decrypt();
	test_key();
	return tap_done();
}
