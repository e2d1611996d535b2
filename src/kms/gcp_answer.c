/*
 * src/kms/gcp_answer.c
 *
 * The class of an answer, by HTTP status, canonical status, details, and message last. Two classes are
 * for ever (KR_KMS_DESTROYED, KR_KMS_BAD_CIPHERTEXT), so both need the service's own words for it:
 * whatever is only odd is never taken for them.
 */
#include <string.h>

#include "kms/gcp_answer.h"
#include "kms/json.h"

#define STATE_WORDS "current state is: "

static bool
is(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

/* What may be shown: text of the other side has neither control characters nor half of a character. */
static void
keep_words(KrGcpProblem *out, const char *text)
{
	kr_kms_say(out->words, sizeof(out->words), "%s", text);
	for (char *c = out->words; *c != '\0'; c++)
	{
		if ((unsigned char) *c < 0x20 || (unsigned char) *c > 0x7E)
			*c = '?';
	}
}

static void
keep_state(KrGcpProblem *out, const char *message)
{
	const char *state = strstr(message, STATE_WORDS);
	const char *version = strstr(message, "/cryptoKeyVersions/");
	size_t len;

	if (state != NULL)
	{
		state += sizeof(STATE_WORDS) - 1;
		len = strspn(state, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
		if (len < sizeof(out->state))
			memcpy(out->state, state, len);
	}
	if (version != NULL)
	{
		version += sizeof("/cryptoKeyVersions/") - 1;
		len = strspn(version, "0123456789");
		if (len < sizeof(out->version))
			memcpy(out->version, version, len);
	}
}

/* The class of a key version that is not enabled. */
static KrStatus
class_of_state(KrGcpProblem *out)
{
	const char *state = out->state;

	if (is(state, "DISABLED"))
		return KR_KMS_DISABLED;
	if (is(state, "DESTROY_SCHEDULED"))
		return KR_KMS_DESTROY_SCHEDULED;
	if (is(state, "DESTROYED"))
		return KR_KMS_DESTROYED;
	if (strncmp(state, "PENDING_", 8) == 0)
	{
		out->reason = KR_GCP_PENDING;
		return KR_KMS_UNAVAILABLE;
	}
	return KR_KMS_CONFIG;
}

/* Whether one of the details has this reason, or a violation of this type. */
static bool
has_detail(const json_t *error, const char *word)
{
	const json_t *details = json_object_get(error, "details");
	const json_t *detail;
	const json_t *violation;
	size_t i;
	size_t j;

	json_array_foreach(details, i, detail)
	{
		const json_t *violations = json_object_get(detail, "violations");

		if (is(kr_kms_json_string(detail, "reason"), word))
			return true;
		json_array_foreach(violations, j, violation)
		{
			if (is(kr_kms_json_string(violation, "type"), word))
				return true;
		}
	}
	return false;
}

static bool
api_is_off(const json_t *error, const char *message)
{
	return has_detail(error, "SERVICE_DISABLED") || strstr(message, "has not been used in project") != NULL;
}

static KrStatus
because(KrGcpProblem *out, KrGcpReason reason, KrStatus status)
{
	out->reason = reason;
	return status;
}

static KrStatus
class_of_denial(KrGcpProblem *out, const json_t *error, const char *message)
{
	if (api_is_off(error, message))
		return because(out, KR_GCP_API_DISABLED, KR_KMS_CONFIG);
	if (has_detail(error, "USER_PROJECT_DENIED"))
		return because(out, KR_GCP_QUOTA_PROJECT, KR_KMS_CONFIG);
	if (has_detail(error, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
		return because(out, KR_GCP_SCOPE, KR_KMS_AUTH);
	if (has_detail(error, "BILLING_DISABLED"))
		return because(out, KR_GCP_BILLING, KR_KMS_DENIED);
	if (has_detail(error, "SECURITY_POLICY_VIOLATED"))
		return because(out, KR_GCP_PERIMETER, KR_KMS_DENIED);
	return KR_KMS_DENIED;
}

static KrStatus
class_of_precondition(KrGcpProblem *out, const json_t *error, const char *message)
{
	keep_state(out, message);
	if (out->state[0] != '\0')
		return class_of_state(out);
	if (has_detail(error, "KEY_DISABLED"))
		return KR_KMS_DISABLED;
	if (api_is_off(error, message))
		return because(out, KR_GCP_API_DISABLED, KR_KMS_CONFIG);
	if (strstr(message, "EKM") != NULL || strstr(message, "xternal") != NULL)
		return because(out, KR_GCP_EXTERNAL, KR_KMS_UNAVAILABLE);
	return KR_KMS_CONFIG;
}

static KrStatus
class_of_argument(KrGcpProblem *out, const char *message, KrGcpAsked asked)
{
	if (asked == KR_GCP_DECRYPT && strncmp(message, "Decryption failed", 17) == 0)
		return KR_KMS_BAD_CIPHERTEXT;
	if (strcasestr(message, "crc32c") != NULL || strcasestr(message, "checksum") != NULL)
		return KR_KMS_INTEGRITY;
	if (strcasestr(message, "purpose") != NULL)
		return because(out, KR_GCP_PURPOSE, KR_KMS_CONFIG);
	return KR_KMS_CONFIG;
}

/* Without an envelope that the service would write: a proxy, a front end, another server. */
static KrStatus
class_of_stranger(KrGcpProblem *out, long code)
{
	if (code == 429)
		return KR_KMS_THROTTLED;
	if (code >= 500)
		return KR_KMS_UNAVAILABLE;
	if (code == 401)
		return KR_KMS_AUTH;
	return because(out, KR_GCP_NOT_KMS, KR_KMS_CONFIG);
}

static KrStatus
class_of_error(KrGcpProblem *out, const json_t *error, KrGcpAsked asked)
{
	const char *status = kr_kms_json_string(error, "status");
	const char *message = kr_kms_json_string(error, "message");

	keep_words(out, message);
	if (is(status, "UNAUTHENTICATED"))
		return KR_KMS_AUTH;
	if (is(status, "PERMISSION_DENIED"))
		return class_of_denial(out, error, message);
	if (is(status, "NOT_FOUND"))
		return KR_KMS_NOT_FOUND;
	if (is(status, "FAILED_PRECONDITION"))
		return class_of_precondition(out, error, message);
	if (is(status, "INVALID_ARGUMENT"))
		return class_of_argument(out, message, asked);
	if (is(status, "RESOURCE_EXHAUSTED"))
		return KR_KMS_THROTTLED;
	if (is(status, "UNAVAILABLE") || is(status, "DEADLINE_EXCEEDED") || is(status, "INTERNAL") ||
		is(status, "ABORTED") || is(status, "CANCELLED") || is(status, "UNKNOWN"))
		return KR_KMS_UNAVAILABLE;
	return class_of_stranger(out, out->code);
}

void
kr_kms_gcp_classify(KrGcpProblem *out, const KrHttpAnswer *answer, KrGcpAsked asked)
{
	json_t *body;
	json_t *error;

	memset(out, 0, sizeof(*out));
	out->retry_after = answer->retry_after;
	if (answer->transport != KR_OK)
	{
		out->status = answer->transport;
		out->reason = answer->tls_refused ? KR_GCP_TLS : KR_GCP_PLAIN;
		keep_words(out, answer->words);
		return;
	}
	out->code = answer->code;
	if (answer->code == 200 && answer->json)
		return;

	body = answer->json ? kr_kms_json_object(answer->body, answer->len) : NULL;
	error = json_object_get(body, "error");
	if (json_is_object(error) && answer->code >= 400)
		out->status = class_of_error(out, error, asked);
	else
		out->status = class_of_stranger(out, answer->code);
	json_decref(body);
}
