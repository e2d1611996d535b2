/*
 * test/fuzz/fuzz_gcp_answer.c
 *
 * Any answer at all in place of Cloud KMS's: the first byte chooses the HTTP status, whether it calls itself JSON and what
 * was asked; the rest is the body. What is refused leaves nothing behind, every problem has
 * words that can be shown, and the classes that are for ever need the service's words.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "kms/gcp_permissions.h"

#define KEY "projects/acme-prod/locations/global/keyRings/r/cryptoKeys/k"

static const KrGcpResource resource = { "acme-prod", "global", "r", "k" };

static void
check_words(const char *text, bool wanted)
{
	check(!wanted || text[0] != '\0');
	check_printable(text);
}

static void
explain(const KrGcpProblem *problem, KrGcpAsked asked)
{
	KrGcpContext context = { asked, &resource, "serviceAccount:a@b", "https://kms" };
	KrKmsReport report = { 0 };

	kr_kms_gcp_explain(&report, problem, &context);
	check_words(report.message, true);
	check_words(report.hint, true);
	check_words(report.complaint, false);
}

static void
classify(const KrHttpAnswer *answer, KrGcpAsked asked)
{
	KrGcpProblem problem;

	kr_kms_gcp_classify(&problem, answer, asked);
	if (problem.status == KR_OK)
	{
		check(answer->code == 200);
		return;
	}
	explain(&problem, asked);
	if (problem.status == KR_KMS_DESTROYED)
		check(answer->code >= 400 && memmem(answer->body, answer->len, "FAILED_PRECONDITION", 19) != NULL);
	if (problem.status == KR_KMS_BAD_CIPHERTEXT)
		check(asked == KR_GCP_DECRYPT && answer->code >= 400);
}

static void
read_success(const KrHttpAnswer *answer)
{
	static KrKmsWrap wrap;
	KrSecret secret;
	KrKmsDescription description;
	KrGcpProblem problem;
	KrKmsReport report = { 0 };

	if (kr_kms_gcp_read_encrypt(&wrap, answer, KEY, &report) == KR_OK)
		check(wrap.len > 0 && wrap.len <= KR_KMS_WRAPMAX && wrap.kek_version[0] != '\0');
	else
		check(all_zero(&wrap, sizeof(wrap)) && report.message[0] != '\0');
	if (kr_kms_gcp_read_decrypt(&secret, answer, &report) == KR_OK)
		check(secret.len > 0 && secret.len <= KR_SECRET_MAX);
	else
		check(all_zero(&secret, sizeof(secret)));
	if (kr_kms_gcp_read_key(&description, &problem, answer, KEY, &report) == KR_OK)
		check(description.current_version[0] != '\0');
	else
		explain(&problem, KR_GCP_GET);
	check_words(description.protection, false);
	if (kr_kms_gcp_read_version(&description, &problem, answer, KEY, "7", &report) != KR_OK)
		explain(&problem, KR_GCP_GET);
	check_words(description.version_destroy_time, false);
	check_words(description.next_rotation, false);
	check_words(description.destroy_time, false);
}

static void
read_permissions(const KrHttpAnswer *answer)
{
	KrGcpContext context = { KR_GCP_PROBE, &resource, "serviceAccount:a@b", "https://kms" };
	KrKmsPermissions permissions;
	KrKmsReport report = { 0 };

	if (kr_kms_gcp_read_permissions(&permissions, answer, &context, &report) == KR_OK)
	{
		check(permissions.known && (permissions.granted[0] != '\0' || permissions.missing[0] != '\0'));
		check((permissions.missing[0] != '\0') == (report.hint[0] != '\0'));
	}
	else
		check(all_zero(&permissions, sizeof(permissions)) && report.message[0] != '\0');
	check_words(permissions.granted, false);
	check_words(permissions.missing, false);
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const long codes[] = { 200, 400, 401, 403, 404, 429, 500, 302 };
	KrHttpAnswer answer = { .retry_after = -1 };
	char *body;

	if (len == 0)
		return 0;
	body = malloc(len);
	check(body != NULL);
	memcpy(body, data + 1, len - 1);
	body[len - 1] = '\0';
	answer.code = codes[data[0] & 7];
	answer.json = (data[0] & 8) == 0;
	answer.body = body;
	answer.len = len - 1;
	classify(&answer, (KrGcpAsked) ((data[0] >> 4) % 4));
	if (answer.code == 200)
	{
		read_success(&answer);
		read_permissions(&answer);
	}
	free(body);
	return 0;
}
