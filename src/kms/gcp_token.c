/*
 * src/kms/gcp_token.c
 *
 * Reading who hands out access tokens. Whatever else an answer holds may quote the assertion or the token: of a refusal only
 * the name of the error is shown.
 */
#include <string.h>
#include <strings.h>

#include "kms/gcp_token.h"
#include "kms/json.h"

static KrStatus
fail(KrKmsReport *report, KrStatus status, const char *message, const char *hint)
{
	kr_kms_say(report->message, sizeof(report->message), "%s", message);
	kr_kms_say(report->hint, sizeof(report->hint), "%s", hint);
	return status;
}

/* What libcurl says, or the name of an error. */
static void
complain(KrKmsReport *report, const char *text)
{
	kr_kms_say(report->complaint, sizeof(report->complaint), "%s", text);
	for (char *c = report->complaint; *c != '\0'; c++)
	{
		if ((unsigned char) *c < 0x20 || (unsigned char) *c > 0x7E)
			*c = '?';
	}
}

static KrStatus
refused_by_metadata(const KrHttpAnswer *answer, KrKmsReport *report)
{
	if (answer->transport != KR_OK)
	{
		complain(report, answer->words);
		return fail(report, answer->transport, "keyring.gcp_credentials_file is not set, and no metadata server of Google Cloud answers",
					"Outside of Google Cloud, set keyring.gcp_credentials_file to the key file of a service account.");
	}
	if (!answer->google)
		return fail(report, KR_KMS_CONFIG, "what answers in place of the metadata server is not one of Google Cloud",
					"Set keyring.gcp_credentials_file to the key file of a service account.");
	if (answer->code == 404)
		return fail(report, KR_KMS_AUTH, "this machine has no service account",
					"Attach one to it, or set keyring.gcp_credentials_file to the key file of one.");
	return fail(report, KR_KMS_UNAVAILABLE, "the metadata server gives no access token", "Try again later.");
}

/* As RFC 6749 has them; anything longer or other is none, and might be a quotation. */
static bool
is_error_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz_") == len;
}

static KrStatus
refused_by_body(const json_t *body, KrKmsReport *report)
{
	const char *error = kr_kms_json_string(body, "error");
	const char *description = kr_kms_json_string(body, "error_description");

	if (strstr(description, "short-lived") != NULL || strstr(description, "timeframe") != NULL)
		return fail(report, KR_KMS_AUTH, "the token endpoint does not accept the time of this server", "Set the server's clock.");
	if (!is_error_name(error))
		return fail(report, KR_KMS_CONFIG, "what answers at token_uri of the credentials file is no token endpoint",
					"Check token_uri, and what stands between this server and it.");
	complain(report, error);
	return fail(report, KR_KMS_AUTH, "the token endpoint does not accept the credentials file",
				"Its service account or its key may be disabled or deleted: gcloud iam service-accounts keys list --iam-account=EMAIL");
}

static KrStatus
refused_by_endpoint(const KrHttpAnswer *answer, KrKmsReport *report)
{
	json_t *body;
	KrStatus status;

	report->retry_after = answer->retry_after > 0 ? answer->retry_after : 0;
	if (answer->transport != KR_OK)
	{
		complain(report, answer->words);
		return fail(report, answer->transport, "the token endpoint of the credentials file does not answer",
					answer->tls_refused ? "A certificate of your own needs keyring.kms_ca_file, others the package ca-certificates." :
										  "Check the network.");
	}
	if (answer->code == 429)
		return fail(report, KR_KMS_THROTTLED, "the token endpoint refuses for load", "Try again later.");
	if (answer->code >= 500)
		return fail(report, KR_KMS_UNAVAILABLE, "the token endpoint cannot answer", "Try again later.");
	body = answer->json ? kr_kms_json_object(answer->body, answer->len) : NULL;
	status = refused_by_body(body, report);
	json_decref(body);
	return status;
}

/* A token stands in a header: nothing but what such a value is made of. */
static bool
is_token(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= KR_GCP_TOKENMAX)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] <= 0x20 || text[i] >= 0x7F)
			return false;
	}
	return true;
}

static bool
read_body(KrGcpToken *out, const json_t *body)
{
	const char *text = kr_kms_json_string(body, "access_token");
	uint64_t seconds;

	if (!is_token(text) || strcasecmp(kr_kms_json_string(body, "token_type"), "Bearer") != 0 ||
		!kr_kms_json_number(&seconds, body, "expires_in") || seconds == 0 || seconds > KR_GCP_TOKEN_SECONDSMAX)
		return false;
	kr_kms_say(out->bearer, sizeof(out->bearer), "Bearer %s", text);
	out->seconds = (int) seconds;
	return true;
}

KrStatus
kr_kms_gcp_token_read(KrGcpToken *out, const KrHttpAnswer *answer, KrGcpIssuer issuer, KrKmsReport *report)
{
	bool good = answer->transport == KR_OK && answer->code == 200;
	json_t *body;

	memset(out, 0, sizeof(*out));
	if (issuer == KR_GCP_METADATA && !(good && answer->google))
		return refused_by_metadata(answer, report);
	if (issuer == KR_GCP_ENDPOINT && !(good && answer->json))
		return refused_by_endpoint(answer, report);
	body = kr_kms_json_object(answer->body, answer->len);
	good = read_body(out, body);
	json_decref(body);
	return good ? KR_OK :
				  fail(report, KR_KMS_INTEGRITY, "the answer to the request for an access token holds none", "Try again.");
}

KrStatus
kr_kms_gcp_email_read(char out[KR_GCP_EMAILMAX], const KrHttpAnswer *answer, KrKmsReport *report)
{
	size_t len = answer->len;

	memset(out, 0, KR_GCP_EMAILMAX);
	if (answer->transport != KR_OK || answer->code != 200 || !answer->google)
		return refused_by_metadata(answer, report);
	while (len > 0 && strchr(" \r\n", answer->body[len - 1]) != NULL)
		len--;
	if (len < KR_GCP_EMAILMAX)
		memcpy(out, answer->body, len);
	if (!kr_kms_gcp_is_email(out))
		memset(out, 0, KR_GCP_EMAILMAX);
	return KR_OK;
}
