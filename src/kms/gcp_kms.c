/*
 * src/kms/gcp_kms.c
 *
 * Calls of Google Cloud KMS, REST version 1: a token, a request, what the answer means, and within the call's
 * time another request where gcp_retry.h says so.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "kms/encode.h"
#include "kms/gcp_answer.h"
#include "kms/gcp_auth.h"
#include "kms/gcp_kms.h"
#include "kms/gcp_permissions.h"
#include "kms/gcp_retry.h"
#include "kms/gcp_send.h"

#define ECHO 8 /* characters of a secret that are too many to be shown */

typedef struct GcpCall
{
	KrGcpResource resource;
	char name[KR_KMS_RESOURCEMAX];
	KrHttpRequest *request;
	KrGcpProblem problem; /* of the last answer */
	int64_t deadline;
	int64_t wake_at; /* 0 = now */
	KrGcpRetry retry;
	bool at_version; /* DESCRIBE: the key itself is known, how is the version that was asked about? */
	KrGcpProblem of_key;
} GcpCall;

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static KrStatus
gcp_check_resource(char *out, const char *resource, KrKmsReport *report)
{
	KrGcpResource parsed;
	KrStatus status;

	memset(report, 0, sizeof(*report));
	out[0] = '\0';
	status = kr_kms_gcp_resource_parse(&parsed, resource == NULL ? "" : resource, report);
	if (status == KR_OK)
		kr_kms_gcp_resource_print(out, &parsed);
	return status;
}

static KrGcpAsked
asked(const KrKmsCall *call)
{
	return call->op == KR_KMS_WRAP ? KR_GCP_ENCRYPT :
		call->op == KR_KMS_UNWRAP  ? KR_GCP_DECRYPT :
		call->op == KR_KMS_PROBE   ? KR_GCP_PROBE :
									 KR_GCP_GET;
}

/* ---- the end of a call ---- */

static bool
finish(KrKmsCall *call, GcpCall *state, KrStatus status)
{
	kr_kms_http_free(state->request);
	free(state);
	call->state = NULL;
	call->status = status;
	return true;
}

/* Whether text has part of a secret in it, as a service might that quotes the field it does not like. */
static bool
quotes(const char *text, const char *secret)
{
	size_t len = strlen(secret);

	for (size_t i = 0; i + ECHO <= len; i++)
	{
		if (memmem(text, strlen(text), secret + i, ECHO) != NULL)
			return true;
	}
	return false;
}

static void
hide_secrets(KrKmsCall *call)
{
	char text[KR_BASE64_SIZE(KR_SECRET_MAX)] = "";
	const char *bearer = kr_kms_gcp_bearer();

	if (call->op == KR_KMS_WRAP)
		kr_kms_base64(text, call->secret->bytes, call->secret->len);
	if (quotes(call->report->complaint, text) || (strlen(bearer) > 7 && quotes(call->report->complaint, bearer + 7)))
		kr_kms_say(call->report->complaint, sizeof(call->report->complaint), "(its words are withheld: they quote a secret)");
	OPENSSL_cleanse(text, sizeof(text));
}

static KrGcpContext
context_of(const KrKmsCall *call, const GcpCall *state)
{
	return (KrGcpContext){
		.asked = asked(call), .resource = &state->resource, .member = kr_kms_gcp_member(), .setting = call->host.gcp_endpoint
	};
}

static bool
explain_and_finish(KrKmsCall *call, GcpCall *state)
{
	KrGcpContext context = context_of(call, state);

	kr_kms_gcp_explain(call->report, &state->problem, &context);
	hide_secrets(call);
	return finish(call, state, state->problem.status);
}

/* A version that is not known, or not enabled, is no failure to describe the key. */
static bool
finish_version(KrKmsCall *call, GcpCall *state, KrStatus status)
{
	call->description->version_status = status;
	memset(call->report, 0, sizeof(*call->report));
	state->problem = state->of_key;
	return state->problem.status == KR_OK ? finish(call, state, KR_OK) : explain_and_finish(call, state);
}

static bool
finish_with_problem(KrKmsCall *call, GcpCall *state)
{
	return state->at_version ? finish_version(call, state, state->problem.status) : explain_and_finish(call, state);
}

static bool
out_of_time(KrKmsCall *call, GcpCall *state)
{
	if (call->op == KR_KMS_IDENTIFY)
	{
		kr_kms_say(call->report->message, sizeof(call->report->message),
				   "there was no access token within %d ms", call->host.timeout_ms);
		return finish(call, state, KR_KMS_UNAVAILABLE);
	}
	if (state->problem.status == KR_OK)
	{
		state->problem.status = KR_KMS_UNAVAILABLE;
		kr_kms_say(state->problem.words, sizeof(state->problem.words), "no answer within %d ms", call->host.timeout_ms);
	}
	return finish_with_problem(call, state);
}

/* ---- answers ---- */

static bool
again_or_finish(KrKmsCall *call, GcpCall *state, int64_t now)
{
	int64_t pause = kr_kms_gcp_pause(&state->retry, call->op, &state->problem);

	if (pause < 0 || now + pause >= state->deadline)
		return finish_with_problem(call, state);
	kr_kms_http_free(state->request);
	state->request = NULL;
	state->wake_at = now + pause;
	return false;
}

static KrStatus
read_answer(KrKmsCall *call, GcpCall *state, const KrHttpAnswer *answer)
{
	KrGcpContext context = context_of(call, state);

	switch (call->op)
	{
		case KR_KMS_WRAP:
			return kr_kms_gcp_read_encrypt(call->wrapped, answer, state->name, call->report);
		case KR_KMS_UNWRAP:
			return kr_kms_gcp_read_decrypt(call->unwrapped, answer, call->report);
		case KR_KMS_DESCRIBE:
			if (state->at_version)
				return kr_kms_gcp_read_version(call->description, &state->problem, answer, state->name, call->version,
											   call->report);
			return kr_kms_gcp_read_key(call->description, &state->problem, answer, state->name, call->report);
		case KR_KMS_PROBE:
			return kr_kms_gcp_read_permissions(call->permissions, answer, &context, call->report);
		case KR_KMS_IDENTIFY:
			break; /* asks the service nothing */
	}
	return KR_KMS_CONFIG;
}

/* Goes on to the version that was asked about; false when there is none, or it is the one that came with the key. */
static bool
go_to_version(const KrKmsCall *call, GcpCall *state, KrStatus status)
{
	KrKmsDescription *description = call->description;

	if (call->op != KR_KMS_DESCRIBE || state->at_version || call->version == NULL || call->version[0] == '\0')
		return false;
	if (strcmp(call->version, description->current_version) == 0)
	{
		description->version_status = status;
		kr_kms_say(description->version_destroy_time, sizeof(description->version_destroy_time), "%s", description->destroy_time);
		return false;
	}
	if (status == KR_KMS_CONFIG || strspn(call->version, "0123456789") != strlen(call->version))
		return false;
	state->at_version = true;
	state->of_key = state->problem;
	state->of_key.status = status;
	state->retry.tries = 0;
	kr_kms_http_free(state->request);
	state->request = NULL;
	return true;
}

static bool
handle(KrKmsCall *call, GcpCall *state, const KrHttpAnswer *answer, int64_t now)
{
	KrStatus status;

	kr_kms_gcp_classify(&state->problem, answer, asked(call));
	if (state->problem.status != KR_OK)
		return again_or_finish(call, state, now);
	memset(call->report, 0, sizeof(*call->report));
	status = read_answer(call, state, answer);
	if (status != KR_KMS_INTEGRITY && go_to_version(call, state, status))
		return false;
	if (status == KR_OK)
		return state->at_version ? finish_version(call, state, KR_OK) : finish(call, state, KR_OK);
	if (status != KR_KMS_INTEGRITY)
		return finish_with_problem(call, state);

	/* its words are in the report already, and stay there when it is the last try */
	state->problem.status = status;
	if (state->retry.tries >= KR_GCP_TRIES && !state->at_version)
		return finish(call, state, status);
	return again_or_finish(call, state, now);
}

static void
send_request(const KrKmsCall *call, GcpCall *state, int64_t now)
{
	char name[KR_GCP_PATHMAX];

	if (state->at_version)
		kr_kms_say(name, sizeof(name), "%s/cryptoKeyVersions/%s", state->name, call->version);
	else
		kr_kms_say(name, sizeof(name), "%s", state->name);
	state->request = kr_kms_gcp_send(call, name, (int) (state->deadline - now));
	state->retry.tries++;
}

/* True when the call has ended for want of a token. */
static bool
go_on(KrKmsCall *call, GcpCall *state, int64_t now)
{
	KrStatus status = KR_OK;

	switch (kr_kms_gcp_token(&state->retry.wish, &call->host, &status, call->report))
	{
		case KR_GCP_TOKEN_PENDING:
			return false;
		case KR_GCP_TOKEN_FAILED:
			return finish(call, state, status);
		case KR_GCP_TOKEN_READY:
			if (call->op == KR_KMS_IDENTIFY)
			{
				kr_kms_say(call->identity, KR_KMS_IDENTITYMAX, "%s", kr_kms_gcp_member());
				return finish(call, state, KR_OK);
			}
			send_request(call, state, now);
			break;
	}
	if (state->request != NULL)
		return false;
	kr_kms_say(call->report->message, sizeof(call->report->message), "could not send a request to Cloud KMS: libcurl failed");
	kr_kms_say(call->report->hint, sizeof(call->report->hint), "Is the server short of memory?");
	return finish(call, state, KR_KMS_UNAVAILABLE);
}

/* ---- the provider ---- */

static bool
gcp_step(KrKmsCall *call)
{
	GcpCall *state = call->state;
	const KrHttpAnswer *answer;
	int64_t now = now_ms();

	if (state == NULL)
		return true; /* it could not begin; status and report say why */
	if (now >= state->deadline)
		return out_of_time(call, state);
	if (state->request != NULL)
	{
		answer = kr_kms_http_answer(state->request);
		if (answer != NULL && handle(call, state, answer, now))
			return true;
	}
	if (state->request == NULL && now >= state->wake_at && go_on(call, state, now))
		return true;
	call->wake_ms = (int) ((state->wake_at > now ? state->wake_at : state->deadline) - now);
	return false;
}

static void
empty_outputs(KrKmsCall *call)
{
	switch (call->op)
	{
		case KR_KMS_WRAP:
			memset(call->wrapped, 0, sizeof(*call->wrapped));
			break;
		case KR_KMS_UNWRAP:
			kr_crypto_secret_wipe(call->unwrapped);
			break;
		case KR_KMS_DESCRIBE:
			memset(call->description, 0, sizeof(*call->description));
			call->description->version_status = KR_KMS_UNAVAILABLE;
			break;
		case KR_KMS_PROBE:
			memset(call->permissions, 0, sizeof(*call->permissions));
			break;
		case KR_KMS_IDENTIFY:
			call->identity[0] = '\0';
			break;
	}
}

static void
gcp_start(KrKmsCall *call)
{
	GcpCall *state = calloc(1, sizeof(GcpCall));

	empty_outputs(call);
	call->status = KR_KMS_UNAVAILABLE;
	if (state == NULL)
	{
		kr_kms_say(call->report->message, sizeof(call->report->message), "out of memory");
		return;
	}
	call->status = KR_OK;
	if (call->op != KR_KMS_IDENTIFY)
		call->status = kr_kms_gcp_resource_parse(&state->resource, call->resource, call->report);
	if (call->status == KR_OK && !kr_kms_gcp_fits(call))
		call->status = KR_KMS_CONFIG;
	if (call->status == KR_OK && !kr_kms_http_may_ask(call->host.gcp_endpoint, NULL))
	{
		kr_kms_say(call->report->message, sizeof(call->report->message), "keyring.gcp_endpoint \"%s\" may not be asked",
				   call->host.gcp_endpoint);
		kr_kms_say(call->report->hint, sizeof(call->report->hint),
				   "Set it to an https address without a path, or to a plain http one on this machine.");
		call->status = KR_KMS_CONFIG;
	}
	if (call->status != KR_OK)
	{
		free(state);
		return;
	}
	kr_kms_gcp_resource_print(state->name, &state->resource);
	state->deadline = now_ms() + call->host.timeout_ms;
	call->state = state;
	call->wake_ms = 0;
}

static void
gcp_cancel(KrKmsCall *call)
{
	if (call->state != NULL)
		finish(call, call->state, KR_KMS_ABORTED);
}

const KrKmsProvider kr_kms_gcp = {
	.name = "gcp-kms",
	.has_versions = true,
	.check_resource = gcp_check_resource,
	.start = gcp_start,
	.step = gcp_step,
	.cancel = gcp_cancel,
};
