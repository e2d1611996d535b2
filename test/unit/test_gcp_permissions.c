/*
 * test/unit/test_gcp_permissions.c
 *
 * What Cloud KMS says is granted: which permissions are missing, the role and the command for each, and
 * answers that are none.
 */
#include <stdio.h>
#include <string.h>

#include "kms/gcp_permissions.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

#define ENCRYPT "cloudkms.cryptoKeyVersions.useToEncrypt"
#define DECRYPT "cloudkms.cryptoKeyVersions.useToDecrypt"
#define GET "cloudkms.cryptoKeys.get"
#define USE "--role=roles/cloudkms.cryptoKeyEncrypterDecrypter"
#define VIEW "--role=roles/cloudkms.viewer"
#define COMMAND "gcloud kms keys add-iam-policy-binding k --keyring=r --location=global --project=acme-prod --member=serviceAccount:db@x "

static const KrGcpResource resource = { "acme-prod", "global", "r", "k" };
static const KrGcpContext context = { KR_GCP_PROBE, &resource, "serviceAccount:db@x", "https://kms" };
static KrKmsReport report;

static KrStatus
read_body(KrKmsPermissions *out, const char *body)
{
	KrHttpAnswer answer = { .code = 200, .json = true, .retry_after = -1, .body = body, .len = strlen(body) };
	KrStatus status;

	memset(out, 0xA5, sizeof(*out));
	memset(&report, 0, sizeof(report));
	status = kr_kms_gcp_read_permissions(out, &answer, &context, &report);
	if (status != KR_OK && !tap_all_zero(out, sizeof(*out)))
		tap_ok(false, "what a refused answer says is kept");
	return status;
}

typedef struct Row
{
	const char *name;
	const char *body;
	const char *granted;
	const char *missing;
	const char *hint;     /* what is in it; NULL = there is none */
	const char *not_hint; /* what is not */
} Row;

static const Row rows[] = {
	{ "all", "{\"permissions\":[\"" ENCRYPT "\",\"" DECRYPT "\",\"" GET "\"]}", ENCRYPT ", " DECRYPT ", " GET, "", NULL, NULL },
	{ "in another order, and twice", "{\"permissions\":[\"" GET "\",\"" DECRYPT "\",\"" GET "\",\"" ENCRYPT "\"]}",
	  ENCRYPT ", " DECRYPT ", " GET, "", NULL, NULL },
	{ "nothing", "{}", "", ENCRYPT ", " DECRYPT ", " GET, COMMAND USE " (a grant takes a few minutes to work). Likewise " VIEW ".", NULL },
	{ "an empty list", "{\"permissions\":[]}", "", ENCRYPT ", " DECRYPT ", " GET, USE, NULL },
	{ "no encrypting", "{\"permissions\":[\"" DECRYPT "\",\"" GET "\"]}", DECRYPT ", " GET, ENCRYPT, COMMAND USE, VIEW },
	{ "no decrypting", "{\"permissions\":[\"" ENCRYPT "\",\"" GET "\"]}", ENCRYPT ", " GET, DECRYPT, COMMAND USE, VIEW },
	{ "no metadata", "{\"permissions\":[\"" ENCRYPT "\",\"" DECRYPT "\"]}", ENCRYPT ", " DECRYPT, GET, COMMAND VIEW, USE },
	{ "metadata alone", "{\"permissions\":[\"" GET "\"]}", GET, ENCRYPT ", " DECRYPT, COMMAND USE, "Likewise" },
	{ "names that nobody asked for", "{\"permissions\":[\"cloudkms.cryptoKeys.getIamPolicy\",\"" ENCRYPT "x\",\"" DECRYPT "\"]}", DECRYPT,
	  ENCRYPT ", " GET, "Likewise " VIEW, NULL },
	{ "more in the answer", "{\"permissions\":[\"" GET "\"],\"etag\":\"x\"}", GET, ENCRYPT ", " DECRYPT, USE, NULL },
};

static void
test_granted(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		const Row *row = &rows[i];
		KrKmsPermissions p;

		tap_ok(read_body(&p, row->body) == KR_OK && p.known, "%s: read", row->name);
		tap_ok(strcmp(p.granted, row->granted) == 0, "%s: granted: %s", row->name, p.granted);
		tap_ok(strcmp(p.missing, row->missing) == 0, "%s: missing: %s", row->name, p.missing);
		if (row->hint == NULL)
			tap_ok(report.hint[0] == '\0', "%s: nothing to be done", row->name);
		else
			kit_contains(report.hint, row->hint, "%s: hint", row->name);
		tap_ok(row->not_hint == NULL || strstr(report.hint, row->not_hint) == NULL, "%s: and no other role", row->name);
	}
}

static void
test_damaged(void)
{
	static const char *const bodies[] = {
		"", "{", "[]", "null", "{\"permission\":[\"" GET "\"]}", "{\"permissions\":null}", "{\"permissions\":\"" GET "\"}",
		"{\"permissions\":{\"0\":\"" GET "\"}}", "{\"permissions\":[\"" GET "\",1]}", "{\"permissions\":[\"" GET "\",null]}",
		"{\"permissions\":[\"" GET "\"]}{}", "{\"permissions\":[],\"permissions\":[\"" GET "\"]}",
		"{\"permissions\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}"
	};
	KrKmsPermissions p;

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
	{
		tap_status(read_body(&p, bodies[i]), KR_KMS_INTEGRITY, bodies[i]);
		tap_ok(report.message[0] != '\0' && report.hint[0] != '\0', "with words");
	}
}

/* The longest names that there are: the command is whole, or it would be pasted cut. */
static void
test_long_names(void)
{
	char member[KR_KMS_IDENTITYMAX];
	KrGcpResource longest = { 0 };
	KrGcpContext long_context = { KR_GCP_PROBE, &longest, member, "https://kms" };
	KrHttpAnswer answer = { .code = 200, .json = true, .retry_after = -1, .body = "{}", .len = 2 };
	KrKmsPermissions p;

	memset(longest.project, 'p', sizeof(longest.project) - 1);
	memset(longest.ring, 'r', sizeof(longest.ring) - 1);
	memset(longest.key, 'k', sizeof(longest.key) - 1);
	snprintf(longest.location, sizeof(longest.location), "northamerica-northeast1");
	snprintf(member, sizeof(member), "serviceAccount:%.30s@%s.iam.gserviceaccount.com", longest.project, longest.project);
	memset(&report, 0, sizeof(report));
	tap_ok(kr_kms_gcp_read_permissions(&p, &answer, &long_context, &report) == KR_OK, "long names");
	kit_contains(report.hint, " Likewise " VIEW ".", "leave room for both roles");
}

/* What is asked is what is read. */
static void
test_question(void)
{
	KrKmsPermissions p;

	tap_ok(read_body(&p, kr_kms_gcp_probe_body) == KR_OK && p.missing[0] == '\0', "the question, as an answer, grants all");
}

int
main(void)
{
	test_granted();
	test_damaged();
	test_long_names();
	test_question();
	return tap_done();
}
