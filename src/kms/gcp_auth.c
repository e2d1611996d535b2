/*
 * src/kms/gcp_auth.c
 *
 * Getting the access token and keeping it. There is at most one attempt at a time, which all calls wait for;
 * attempts are numbered, so that each call knows whether one ended after it had asked. Clocks: tokens by
 * the monotonic one, since that of the day may be set; assertions need that of the day.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/crypto.h>

#include "kms/gcp_account.h"
#include "kms/gcp_auth.h"
#include "kms/gcp_token.h"
#include "kms/secret_file.h"

#define PATHMAX 1024

#define RENEW_AHEAD_MS 300000 /* before the end: metadata servers have a new one about then */
#define LAST_USE_MS 15000     /* a token this close to its end might not arrive in time */
#define RENEW_PAUSE_MS 30000  /* between attempts while the token is still good */
#define YOUNG_MS 5000         /* a token that is refused so soon would be refused again */
#define METADATA "metadata.google.internal"

typedef enum Step
{
	STEP_NONE,
	STEP_EMAIL, /* metadata server only */
	STEP_TOKEN
} Step;

/* Where a token comes from: another file, or a changed one, and it counts no more. */
typedef struct Source
{
	char path[PATHMAX]; /* "" = the metadata server */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
} Source;

static char bearer[KR_GCP_TOKENMAX + 8]; /* "" = there is none */
static int64_t got_at;
static int64_t use_until;
static int64_t renew_at;
static int64_t tried_at;
static char member[KR_GCP_EMAILMAX + 16];
static Source source;

/* the running attempt, or the last one */
static Step step = STEP_NONE;
static KrHttpRequest *request = NULL;
static uint64_t attempt = 0;
static KrStatus result;
static KrKmsReport result_report;

static const KrFileKind kind = {
	.words = "credentials file",
	.setting = "keyring.gcp_credentials_file",
	.max = KR_GCP_FILEMAX,
	.large = "The key file of a service account has about 2 kB."
};

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *
kr_kms_gcp_bearer(void)
{
	return bearer;
}

const char *
kr_kms_gcp_member(void)
{
	return member;
}

static void
stop(void)
{
	kr_kms_http_free(request);
	request = NULL;
	step = STEP_NONE;
}

void
kr_kms_gcp_auth_forget(void)
{
	stop();
	OPENSSL_cleanse(bearer, sizeof(bearer));
	member[0] = '\0';
	memset(&source, 0, sizeof(source));
	tried_at = 0;
	result = KR_OK; /* whoever waits for the attempt that was stopped begins another */
}

void
kr_kms_gcp_token_refused(void)
{
	if (now_ms() - got_at >= YOUNG_MS)
		OPENSSL_cleanse(bearer, sizeof(bearer));
}

static void
finish(KrStatus status)
{
	stop();
	result = status;
}

static void
fail(KrStatus status, const char *message, const char *hint)
{
	kr_kms_say(result_report.message, sizeof(result_report.message), "%s", message);
	kr_kms_say(result_report.hint, sizeof(result_report.hint), "%s", hint);
	finish(status);
}

static void
look_at(Source *out, const char *path)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	kr_kms_say(out->path, sizeof(out->path), "%s", path);
	if (path[0] == '\0' || stat(path, &st) != 0)
		return;
	out->device = st.st_dev;
	out->inode = st.st_ino;
	out->size = st.st_size;
	out->changed = st.st_ctim; /* also when permissions change, or a copy keeps the time of what it replaces */
}

static void
notice_changes(const KrKmsHost *host)
{
	Source now;

	look_at(&now, host->gcp_credentials_file);
	if (memcmp(&now, &source, sizeof(now)) == 0)
		return;
	kr_kms_gcp_auth_forget();
	source = now;
}

/* ---- sending ---- */

static void
ask_token_endpoint(const KrGcpAccount *account, const char *assertion, const KrKmsHost *host)
{
	static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded", NULL };
	char body[KR_GCP_ASSERTIONMAX + 128];
	KrHttpOrder order = {
		.url = account->token_url,
		.headers = headers,
		.body = body,
		.ca_file = host->kms_ca_file,
		.timeout_ms = host->timeout_ms,
		.connect_timeout_ms = host->connect_timeout_ms,
	};

	/* an assertion is base64 and dots: nothing in it needs escaping */
	kr_kms_say(body, sizeof(body), "grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Ajwt-bearer&assertion=%s", assertion);
	order.body_len = strlen(body);
	request = kr_kms_http_start(&order);
	OPENSSL_cleanse(body, sizeof(body));
}

static void
start_from_file(const KrKmsHost *host)
{
	char text[KR_GCP_FILEMAX + 1];
	char assertion[KR_GCP_ASSERTIONMAX];
	char words[PATHMAX + 32];
	KrGcpAccount account = { 0 };
	struct stat st;
	size_t len;
	KrStatus status = kr_kms_secret_file_read(text, &len, &st, &kind, host->gcp_credentials_file, &result_report);

	kr_kms_say(words, sizeof(words), "credentials file \"%s\"", host->gcp_credentials_file);
	if (status == KR_OK)
		status = kr_kms_gcp_account_read(&account, assertion, text, len, time(NULL), host->gcp_endpoint, words, &result_report);
	OPENSSL_cleanse(text, sizeof(text));
	if (status == KR_OK)
	{
		kr_kms_say(member, sizeof(member), "serviceAccount:%s", account.email);
		step = STEP_TOKEN;
		ask_token_endpoint(&account, assertion, host);
	}
	else
		/* our own file, not the key: it does not lock anybody out at once */
		finish(status == KR_KMS_NOT_FOUND ? KR_KMS_AUTH : status);
	OPENSSL_cleanse(assertion, sizeof(assertion));
}

static const char *
metadata_host(void)
{
	const char *set = getenv("GCE_METADATA_HOST");

	if (set != NULL && set[0] != '\0' && strlen(set) < 200 &&
		strspn(set, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") == strlen(set))
		return set;
	return METADATA;
}

static void
ask_metadata(Step what, const KrKmsHost *host)
{
	static const char *const headers[] = { "Metadata-Flavor: Google", NULL };
	char url[KR_HTTP_URLMAX];
	KrHttpOrder order = {
		.url = url,
		.headers = headers,
		.ca_file = "",
		.timeout_ms = host->timeout_ms,
		.connect_timeout_ms = host->connect_timeout_ms,
		.plain = true,
	};

	kr_kms_say(url, sizeof(url), "http://%s/computeMetadata/v1/instance/service-accounts/default/%s", metadata_host(),
			   what == STEP_EMAIL ? "email" : "token");
	step = what;
	request = kr_kms_http_start(&order);
}

static void
start(const KrKmsHost *host)
{
	memset(&result_report, 0, sizeof(result_report));
	attempt++;
	tried_at = now_ms();
	if (host->gcp_credentials_file[0] != '\0')
		start_from_file(host);
	else
		ask_metadata(member[0] == '\0' ? STEP_EMAIL : STEP_TOKEN, host);
	if (step != STEP_NONE && request == NULL)
		fail(KR_KMS_UNAVAILABLE, "could not ask for an access token: libcurl failed", "Is the server short of memory?");
}

/* ---- reading ---- */

static int64_t
shorter(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
read_token(const KrHttpAnswer *answer)
{
	KrGcpToken token;
	KrGcpIssuer issuer = source.path[0] != '\0' ? KR_GCP_ENDPOINT : KR_GCP_METADATA;
	KrStatus status = kr_kms_gcp_token_read(&token, answer, issuer, &result_report);
	int64_t ms;

	if (status == KR_OK)
	{
		ms = (int64_t) token.seconds * 1000;
		memcpy(bearer, token.bearer, sizeof(bearer));
		got_at = now_ms();
		use_until = got_at + ms - shorter(LAST_USE_MS, ms / 4);
		renew_at = got_at + ms - shorter(RENEW_AHEAD_MS, ms / 2);
	}
	OPENSSL_cleanse(&token, sizeof(token));
	finish(status);
}

static void
read_email(const KrHttpAnswer *answer, const KrKmsHost *host)
{
	char email[KR_GCP_EMAILMAX];
	KrStatus status = kr_kms_gcp_email_read(email, answer, &result_report);

	if (status != KR_OK)
	{
		finish(status);
		return;
	}
	if (email[0] != '\0')
		kr_kms_say(member, sizeof(member), "serviceAccount:%s", email);
	kr_kms_http_free(request);
	request = NULL;
	ask_metadata(STEP_TOKEN, host);
	if (request == NULL)
		fail(KR_KMS_UNAVAILABLE, "could not ask for an access token: libcurl failed", "Is the server short of memory?");
}

static void
collect(const KrKmsHost *host)
{
	const KrHttpAnswer *answer = request == NULL ? NULL : kr_kms_http_answer(request);

	if (answer == NULL)
		return;
	if (step == STEP_EMAIL)
		read_email(answer, host);
	else
		read_token(answer);
}

static KrGcpTokenState
hand_failure(KrGcpWish *wish, KrStatus *status, KrKmsReport *report)
{
	*wish = (KrGcpWish){ 0 };
	*status = result;
	*report = result_report;
	return KR_GCP_TOKEN_FAILED;
}

KrGcpTokenState
kr_kms_gcp_token(KrGcpWish *wish, const KrKmsHost *host, KrStatus *status, KrKmsReport *report)
{
	int64_t now = now_ms();
	bool usable;
	bool wanted;

	notice_changes(host);
	collect(host);
	usable = bearer[0] != '\0' && now < use_until;
	if (wish->fresh && usable && now - got_at < YOUNG_MS)
		wish->fresh = false;

	/* an attempt that ended after this caller had asked is its answer, good or bad */
	if (wish->attempt != 0 && step == STEP_NONE && attempt >= wish->attempt)
	{
		*wish = (KrGcpWish){ 0 };
		if (usable)
			return KR_GCP_TOKEN_READY;
		if (result != KR_OK)
			return hand_failure(wish, status, report);
	}
	wanted = !usable || wish->fresh || (now > renew_at && now - tried_at > RENEW_PAUSE_MS);
	if (wanted && step == STEP_NONE)
		start(host);
	if (usable && !wish->fresh)
		return KR_GCP_TOKEN_READY;
	if (wish->attempt == 0)
		wish->attempt = attempt;
	if (step != STEP_NONE)
		return KR_GCP_TOKEN_PENDING;

	/* it failed at once */
	return hand_failure(wish, status, report);
}
