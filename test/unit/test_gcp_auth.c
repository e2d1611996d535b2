/*
 * test/unit/test_gcp_auth.c
 *
 * Key files, assertions and access tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kms/gcp_account.h"
#include "kms/gcp_auth.h"
#include "unit/gcp_kit.h"
#include "unit/http_kit.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

#define JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"
#define REFUSED "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define TOKEN(text, seconds) "{\"access_token\":\"" text "\",\"expires_in\":" seconds ",\"token_type\":\"Bearer\"}"

static const KitAnswer answers[] = {
	{ "POST /token", JSON TOKEN("first", "3599"), 0, 1 },
	{ "POST /token", JSON TOKEN("second", "3599"), 0, 1 },
	{ "POST /token", JSON TOKEN("third", "3599"), 0, 0 },
	{ "POST /short", JSON TOKEN("short", "4"), 0, 0 },
	{ "POST /skew", REFUSED "{\"error\":\"invalid_grant\",\"error_description\":\"Token must be a short-lived token (60 minutes)\"}", 0, 0 },
	{ "POST /gone", REFUSED "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}", 0, 0 },
	{ "POST /busy", "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", 0, 0 },
	{ "POST /html", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>", 0, 0 },
	{ "POST /evil", JSON "{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":9,\"token_type\":\"Bearer\"}", 0, 0 },
	{ "POST /none", JSON "{}", 0, 0 },
	{ "GET /computeMetadata/v1/instance/service-accounts/default/email", JSON KIT_EMAIL "\n", 0, 0 },
	{ "GET /computeMetadata/v1/instance/service-accounts/default/token", JSON TOKEN("machine", "3599"), 0, 1 },
	{ "GET /computeMetadata/v1/instance/service-accounts/default/token",
	  "HTTP/1.1 404 None\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n", 0, 1 },
	{ "GET /computeMetadata/v1/instance/service-accounts/default/token",
	  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" TOKEN("stranger", "3599"), 0, 0 },
	{ NULL, NULL, 0, 0 }
};

static const char *base;
static KrKmsReport report;
static KrStatus status;
static time_t ahead;

/* The clock that the life of a token is measured by: it can be set forward, so that nobody has to wait. */
int
clock_gettime(clockid_t id, struct timespec *now)
{
	int failed = (int) syscall(SYS_clock_gettime, id, now);

	if (id == CLOCK_MONOTONIC)
		now->tv_sec += ahead;
	return failed;
}

/* ---- key files ---- */

static KrStatus
read_account(const char *text, char *assertion)
{
	KrGcpAccount account;
	KrStatus got;

	memset(&report, 0, sizeof(report));
	got = kr_kms_gcp_account_read(&account, assertion, text, strlen(text), 1700000000, base, "the file", &report);
	tap_ok((got == KR_OK) == (account.email[0] != '\0'), "the account is there when the file is good");
	return got;
}

static void
refused(const char *text, const char *words)
{
	char assertion[KR_GCP_ASSERTIONMAX] = "x";

	tap_ok(read_account(text, assertion) == KR_KMS_CONFIG && assertion[0] == '\0', "refused: %s", words);
	kit_contains(report.message, words, "message: %s", words);
	tap_ok(strstr(report.message, "BEGIN") == NULL, "which holds no key: %s", words);
}

static void
test_account(void)
{
	char assertion[KR_GCP_ASSERTIONMAX];
	char broken[16384];
	char *at;

	tap_ok(read_account(kit_gcp_account("service_account", KIT_EMAIL, "https://oauth2.googleapis.com/token"), assertion) == KR_OK, "a key file");
	tap_ok(kit_gcp_signed(assertion), "the assertion is signed with its key");
	tap_ok(strcmp(kit_gcp_part(assertion, 0), "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"0123abcd\"}") == 0, "its header");
	tap_ok(strcmp(kit_gcp_part(assertion, 1), "{\"iss\":\"" KIT_EMAIL "\",\"scope\":\"https://www.googleapis.com/auth/cloudkms\","
											  "\"aud\":\"https://oauth2.googleapis.com/token\",\"iat\":1699999970,\"exp\":1700003570}") == 0,
		   "its claims: %s", kit_gcp_part(assertion, 1));
	tap_ok(read_account(kit_gcp_account("service_account", KIT_EMAIL, base), NULL) == KR_OK, "a token endpoint on this machine");

	refused("{", "not JSON");
	refused(kit_gcp_account("authorized_user", KIT_EMAIL, "https://oauth2.googleapis.com/token"), "type is not service_account");
	refused(kit_gcp_account("service_account", "a@b;reboot", "https://oauth2.googleapis.com/token"), "client_email");
	refused(kit_gcp_account("service_account", KIT_EMAIL, "https://evil.example/token"), "token_uri");
	refused(kit_gcp_account("service_account", KIT_EMAIL, "https://evilgoogleapis.com/token"), "token_uri");
	refused(kit_gcp_account("service_account", KIT_EMAIL, "http://oauth2.googleapis.com/token"), "token_uri");
	refused(kit_gcp_account("service_account", KIT_EMAIL, ""), "token_uri");
	snprintf(broken, sizeof(broken), "%s", kit_gcp_account("service_account", KIT_EMAIL, "https://oauth2.googleapis.com/token"));
	at = strstr(broken, "BEGIN PRIVATE");
	memcpy(at, "BEGIM", 5);
	refused(broken, "private_key");
}

/* ---- tokens ---- */

static KrGcpTokenState
ask(KrGcpWish *wish, const KrKmsHost *host)
{
	double end = kit_seconds() + 10;
	KrGcpTokenState state;

	memset(&report, 0, sizeof(report));
	while ((state = kr_kms_gcp_token(wish, host, &status, &report)) == KR_GCP_TOKEN_PENDING && kit_seconds() < end)
		kr_kms_http_pump(100);
	return state;
}

static const char *
file_for(const char *path)
{
	char url[128];

	snprintf(url, sizeof(url), "%s/%s", base, path);
	return kit_file("account.json", kit_gcp_account("service_account", KIT_EMAIL, url), 0600);
}

/* Some minutes before the end, so that no call has to wait for it. */
static void
test_renewal(KrGcpWish *wish, const KrKmsHost *host)
{
	double end;

	ahead += 3290;
	tap_ok(ask(wish, host) == KR_GCP_TOKEN_READY && kit_http_count(1) == 1, "a token is kept for most of its time");
	ahead += 20;
	tap_ok(kr_kms_gcp_token(wish, host, &status, &report) == KR_GCP_TOKEN_READY, "near its end it is still used");
	end = kit_seconds() + 10;
	while (kr_kms_gcp_token(wish, host, &status, &report) == KR_GCP_TOKEN_READY &&
		   strcmp(kr_kms_gcp_bearer(), "Bearer third") != 0 && kit_seconds() < end)
		kr_kms_http_pump(100);
	tap_ok(strcmp(kr_kms_gcp_bearer(), "Bearer third") == 0, "until there is another one");
	ahead += 300;
	tap_ok(ask(wish, host) == KR_GCP_TOKEN_READY && kit_http_count(2) == 1, "which outlasts it");
}

static void
test_file(void)
{
	KrKmsHost host = kit_gcp_host(base, file_for("token"));
	KrGcpWish wish = { 0 };
	KrGcpWish other = { 0 };

	tap_ok(kr_kms_gcp_token(&wish, &host, &status, &report) == KR_GCP_TOKEN_PENDING &&
			   kr_kms_gcp_token(&other, &host, &status, &report) == KR_GCP_TOKEN_PENDING,
		   "two wait for a token");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && strcmp(kr_kms_gcp_bearer(), "Bearer first") == 0, "one gets it");
	tap_ok(ask(&other, &host) == KR_GCP_TOKEN_READY && kit_http_count(0) == 1 && kit_http_count(1) == 0, "and so does the other, of the same attempt");
	tap_ok(strcmp(kr_kms_gcp_member(), "serviceAccount:" KIT_EMAIL) == 0, "whom to grant");
	kit_contains(kit_http_sent(), "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey", "what is sent");
	tap_ok(kit_gcp_signed(strstr(kit_http_sent(), "assertion=") + 10), "is signed");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && kit_http_count(1) == 0, "it is kept");

	wish.fresh = true;
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && kit_http_count(1) == 0, "a young one is not asked for again");
	ahead += 6;
	wish.fresh = true;
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && strcmp(kr_kms_gcp_bearer(), "Bearer second") == 0, "an older one is, if it was refused");
	test_renewal(&wish, &host);

	wish.fresh = true;
	(void) ask(&wish, &host);
	kr_kms_gcp_token_refused();
	tap_ok(kr_kms_gcp_bearer()[0] != '\0', "a young one that was refused is kept");
	ahead += 6;
	kr_kms_gcp_token_refused();
	tap_ok(kr_kms_gcp_bearer()[0] == '\0', "an older one is not");

	file_for("short");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && strcmp(kr_kms_gcp_bearer(), "Bearer short") == 0, "a changed file counts at once");
	ahead += 4;
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && kit_http_count(3) == 2, "a token that ends is renewed");
}

static void
fails(const char *path, KrStatus wanted, const char *words)
{
	KrKmsHost host = kit_gcp_host(base, file_for(path));
	KrGcpWish wish = { 0 };

	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == wanted, "%s: %s", path, kr_crypto_status_name(status));
	kit_contains(report.message, words, "message: %s", path);
	tap_ok(report.hint[0] != '\0' && kr_kms_gcp_bearer()[0] == '\0', "a hint and no token: %s", path);
}

static void
test_failures(void)
{
	KrKmsHost host = kit_gcp_host(base, "/nowhere/at/all");
	KrGcpWish wish = { 0 };

	fails("skew", KR_KMS_AUTH, "the time of this server");
	fails("gone", KR_KMS_AUTH, "does not accept the credentials file");
	tap_ok(strcmp(report.complaint, "invalid_grant") == 0, "with the endpoint's word for it");
	fails("busy", KR_KMS_UNAVAILABLE, "cannot answer");
	fails("html", KR_KMS_CONFIG, "no token endpoint");
	fails("evil", KR_KMS_INTEGRITY, "holds none");
	fails("none", KR_KMS_INTEGRITY, "holds none");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == KR_KMS_AUTH, "no file");
	kit_contains(report.message, "credentials file \"/nowhere/at/all\" does not exist", "message: no file");
	host = kit_gcp_host(base, kit_file("open.json", "{}", 0644));
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == KR_KMS_CONFIG, "a file that others may read");
	kit_contains(report.message, "is open to everybody", "message: a file that others may read");
}

static void
test_metadata(void)
{
	KrKmsHost host = kit_gcp_host(base, "");
	KrGcpWish wish = { 0 };

	setenv("GCE_METADATA_HOST", base + strlen("http://"), 1);
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_READY && strcmp(kr_kms_gcp_bearer(), "Bearer machine") == 0, "the machine's token");
	tap_ok(strcmp(kr_kms_gcp_member(), "serviceAccount:" KIT_EMAIL) == 0, "and its account");
	kit_contains(kit_http_sent(), "Metadata-Flavor: Google", "what is sent");

	kr_kms_gcp_auth_forget();
	tap_ok(kr_kms_gcp_bearer()[0] == '\0', "forgotten");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == KR_KMS_AUTH, "a machine without an account");
	kit_contains(report.message, "no service account", "message: no account");
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == KR_KMS_CONFIG, "somebody else in its place");
	kit_contains(report.message, "not one of Google Cloud", "message: somebody else");

	kr_kms_gcp_auth_forget();
	setenv("GCE_METADATA_HOST", "127.0.0.1:1", 1);
	tap_ok(ask(&wish, &host) == KR_GCP_TOKEN_FAILED && status == KR_KMS_UNAVAILABLE, "no metadata server");
	kit_contains(report.message, "keyring.gcp_credentials_file is not set", "message: no metadata server");
}

int
main(void)
{
	base = kit_http_serve(answers);
	test_account();
	test_file();
	test_failures();
	test_metadata();
	kr_kms_gcp_auth_forget();
	return tap_done();
}
