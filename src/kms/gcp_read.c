/*
 * src/kms/gcp_read.c
 *
 * Successful answers of Google Cloud KMS, each field of which is checked before anything
 * is believed: what is wrong was changed on its way, or comes from elsewhere.
 */
#include <string.h>

#include "kms/encode.h"
#include "kms/gcp_answer.h"
#include "kms/json.h"

KrStatus
kr_kms_gcp_damaged(KrKmsReport *report, const char *what)
{
	kr_kms_say(report->message, sizeof(report->message), "answer of Cloud KMS is damaged: %s", what);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Try again. If it stays so, look for what changes answers between this server and the service: a proxy, a gateway.");
	return KR_KMS_INTEGRITY;
}

/* The bytes of a field, whose CRC32C stands in another. NULL, or what is wrong. */
static const char *
read_bytes(uint8_t *out, size_t size, size_t *len, const json_t *body, const char *name, const char *crc_name)
{
	uint64_t crc;

	if (!kr_kms_unbase64(out, size, len, kr_kms_json_string(body, name)) || *len == 0)
		return "a field is missing, too long or not in base64";
	if (!kr_kms_json_number(&crc, body, crc_name))
		return "it has no checksum";
	if (crc != kr_kms_crc32c(out, *len))
		return "the checksum differs";
	return NULL;
}

static const char *
read_encrypt(KrKmsWrap *out, const json_t *body, const char *key)
{
	const char *version = kr_kms_gcp_resource_version(kr_kms_json_string(body, "name"), key);

	/* a missing one means false */
	if (!json_is_true(json_object_get(body, "verifiedPlaintextCrc32c")))
		return "the service did not verify the checksum of the data key";
	if (!json_is_true(json_object_get(body, "verifiedAdditionalAuthenticatedDataCrc32c")))
		return "the service did not verify the checksum of the additional data";
	if (version == NULL)
		return "it names another key";
	kr_kms_say(out->kek_version, sizeof(out->kek_version), "%s", version);
	return read_bytes(out->bytes, sizeof(out->bytes), &out->len, body, "ciphertext", "ciphertextCrc32c");
}

KrStatus
kr_kms_gcp_read_encrypt(KrKmsWrap *out, const KrHttpAnswer *answer, const char *key, KrKmsReport *report)
{
	json_t *body = kr_kms_json_object(answer->body, answer->len);
	const char *wrong;

	memset(out, 0, sizeof(*out));
	wrong = body == NULL ? "it is not JSON" : read_encrypt(out, body, key);
	json_decref(body);
	if (wrong == NULL)
		return KR_OK;
	memset(out, 0, sizeof(*out));
	return kr_kms_gcp_damaged(report, wrong);
}

KrStatus
kr_kms_gcp_read_decrypt(KrSecret *out, const KrHttpAnswer *answer, KrKmsReport *report)
{
	json_t *body = kr_kms_json_object(answer->body, answer->len);
	const char *wrong;

	kr_crypto_secret_wipe(out);
	wrong = body == NULL ? "it is not JSON" :
						   read_bytes(out->bytes, sizeof(out->bytes), &out->len, body, "plaintext", "plaintextCrc32c");
	json_decref(body);
	if (wrong == NULL)
		return KR_OK;
	kr_crypto_secret_wipe(out);
	return kr_kms_gcp_damaged(report, wrong);
}

/* Text of the service that goes into the catalog and views: nothing but what such words are made of. */
static void
keep_word(char *out, size_t size, const char *text)
{
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:.+") == strlen(text))
		kr_kms_say(out, size, "%s", text);
}

static KrStatus
read_state(KrGcpProblem *problem, const json_t *primary)
{
	keep_word(problem->state, sizeof(problem->state), kr_kms_json_string(primary, "state"));
	if (strcmp(problem->state, "ENABLED") == 0)
		return KR_OK;
	if (strcmp(problem->state, "DESTROY_SCHEDULED") == 0)
		return KR_KMS_DESTROY_SCHEDULED;
	if (strcmp(problem->state, "DESTROYED") == 0)
		return KR_KMS_DESTROYED;
	if (strncmp(problem->state, "PENDING_", 8) == 0)
	{
		problem->reason = KR_GCP_PENDING;
		return KR_KMS_UNAVAILABLE;
	}
	return KR_KMS_DISABLED;
}

static KrStatus
read_key(KrKmsDescription *out, KrGcpProblem *problem, const json_t *body, const char *key)
{
	const json_t *primary = json_object_get(body, "primary");
	const char *version = kr_kms_gcp_resource_version(kr_kms_json_string(primary, "name"), key);
	KrStatus status;

	keep_word(out->purpose, sizeof(out->purpose), kr_kms_json_string(body, "purpose"));
	if (strcmp(out->purpose, "ENCRYPT_DECRYPT") != 0)
	{
		problem->reason = KR_GCP_PURPOSE;
		kr_kms_say(problem->state, sizeof(problem->state), "%s", out->purpose);
		return KR_KMS_CONFIG;
	}
	if (version == NULL)
		return KR_KMS_DISABLED; /* there is no primary version: nothing to encrypt with */
	kr_kms_say(out->current_version, sizeof(out->current_version), "%s", version);
	kr_kms_say(problem->version, sizeof(problem->version), "%s", version);
	keep_word(out->protection, sizeof(out->protection), kr_kms_json_string(primary, "protectionLevel"));
	keep_word(out->next_rotation, sizeof(out->next_rotation), kr_kms_json_string(body, "nextRotationTime"));
	keep_word(out->destroy_time, sizeof(out->destroy_time), kr_kms_json_string(primary, "destroyTime"));
	status = read_state(problem, primary);
	if (status == KR_KMS_DESTROY_SCHEDULED && out->destroy_time[0] != '\0')
		kr_kms_say(problem->state, sizeof(problem->state), "DESTROY_SCHEDULED for %s", out->destroy_time);
	kr_kms_say(out->state, sizeof(out->state), "%s", problem->state);
	return status;
}

KrStatus
kr_kms_gcp_read_version(KrKmsDescription *out, KrGcpProblem *problem, const KrHttpAnswer *answer,
						const char *key, const char *number, KrKmsReport *report)
{
	json_t *body = kr_kms_json_object(answer->body, answer->len);
	const char *version = kr_kms_gcp_resource_version(kr_kms_json_string(body, "name"), key);

	memset(problem, 0, sizeof(*problem));
	memset(out->version_destroy_time, 0, sizeof(out->version_destroy_time));
	problem->code = answer->code;
	problem->retry_after = -1;
	if (version == NULL || strcmp(version, number) != 0)
		problem->status = kr_kms_gcp_damaged(report, body == NULL ? "it is not JSON" : "it names another version");
	else
	{
		keep_word(out->version_destroy_time, sizeof(out->version_destroy_time), kr_kms_json_string(body, "destroyTime"));
		problem->status = read_state(problem, body);
	}
	json_decref(body);
	return problem->status;
}

KrStatus
kr_kms_gcp_read_key(KrKmsDescription *out, KrGcpProblem *problem, const KrHttpAnswer *answer,
					const char *key, KrKmsReport *report)
{
	json_t *body = kr_kms_json_object(answer->body, answer->len);

	memset(out, 0, sizeof(*out));
	memset(problem, 0, sizeof(*problem));
	problem->code = answer->code;
	problem->retry_after = -1;
	if (body == NULL || strcmp(kr_kms_json_string(body, "name"), key) != 0)
		problem->status = kr_kms_gcp_damaged(report, body == NULL ? "it is not JSON" : "it names another key");
	else
		problem->status = read_key(out, problem, body, key);
	json_decref(body);
	return problem->status;
}
