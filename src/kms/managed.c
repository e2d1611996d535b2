/*
 * src/kms/managed.c
 *
 * The provider for keys of our own: kms/managed.h has the form of a wrap.
 */
#include <string.h>

#include "kms/managed.h"

static KrStatus
managed_check_resource(char *out, const char *resource, KrKmsReport *report)
{
	memset(report, 0, sizeof(*report));
	out[0] = '\0';
	if (resource == NULL || resource[0] == '\0')
		return KR_OK;
	kr_kms_say(report->message, sizeof(report->message), "managed keys have no resource name");
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Leave the resource out: managed keys are wrapped under the root key that "
			   "keyring.root_key_file or keyring.root_key_command yields.");
	return KR_KMS_CONFIG;
}

static KrStatus
cipher_failed(KrStatus status, const char *what, KrKmsReport *report)
{
	kr_kms_say(report->message, sizeof(report->message), "could not %s a key under the root key: the cipher failed", what);
	kr_kms_say(report->hint, sizeof(report->hint), "Is the server short of memory, or its OpenSSL configured without AES?");
	return status;
}

static KrStatus
managed_wrap(KrKmsWrap *out, const KrSecret *secret, const char *aad, size_t aad_len,
			 const char *resource, const KrKmsHost *host, KrKmsReport *report)
{
	uint8_t *nonce = out->bytes + 1 + KR_ROOT_KEY_FINGERPRINTBYTES;
	const KrRootKey *newest;
	KrRootKeys keys;
	KrSecret random;
	KrStatus status;

	(void) resource;
	memset(report, 0, sizeof(*report));
	memset(out, 0, sizeof(*out));
	status = kr_kms_root_keys_load(&keys, KR_ROOT_KEY_MAY_CREATE, host, report);
	if (status != KR_OK)
		return status;
	newest = kr_kms_root_keys_newest(&keys);

	status = kr_crypto_secret_random(&random, KR_XAES_NONCEBYTES);
	if (status == KR_OK)
	{
		out->bytes[0] = KR_MANAGED_VERSION;
		memcpy(out->bytes + 1, newest->fingerprint, KR_ROOT_KEY_FINGERPRINTBYTES);
		memcpy(nonce, random.bytes, KR_XAES_NONCEBYTES);
		status = kr_crypto_xaes_seal_once(out->bytes + KR_MANAGED_HEADERBYTES, secret->bytes, secret->len,
										  (const uint8_t *) aad, aad_len, nonce, newest->key.bytes);
	}
	if (status == KR_OK)
	{
		out->len = secret->len + KR_MANAGED_OVERHEADBYTES;
		kr_kms_root_key_hex(out->kek_version, newest->fingerprint);
	}
	else
	{
		memset(out, 0, sizeof(*out));
		status = cipher_failed(status, "wrap", report);
	}
	kr_kms_root_keys_wipe(&keys);
	return status;
}

static KrStatus
damaged(const char *what, KrKmsReport *report)
{
	kr_kms_say(report->message, sizeof(report->message), "wrapped key is damaged: %s", what);
	kr_kms_say(report->hint, sizeof(report->hint), "Restore the key's row from a backup of the database.");
	return KR_KMS_BAD_CIPHERTEXT;
}

/* Whether the bytes can be a wrap at all. */
static KrStatus
check_form(const uint8_t *wrap, size_t wrap_len, KrKmsReport *report)
{
	if (wrap_len <= KR_MANAGED_OVERHEADBYTES || wrap_len > KR_MANAGED_OVERHEADBYTES + KR_SECRET_MAX || wrap[0] == 0)
		return damaged("it has not the form of one", report);
	if (wrap[0] != KR_MANAGED_VERSION)
	{
		/* not damage, which is permanent: a newer release may have written it */
		kr_kms_say(report->message, sizeof(report->message),
				   "wrapped key has format version %d, which this release of keyring does not know", wrap[0]);
		kr_kms_say(report->hint, sizeof(report->hint), "Install the release of keyring that wrote it, or a newer one.");
		return KR_KMS_CONFIG;
	}
	return KR_OK;
}

/* Says which key is wanted when there is no file or it is not in there. */
static KrStatus
wanted_is_missing(const uint8_t *fingerprint, const KrRootKeys *keys, const KrKmsHost *host, KrKmsReport *report)
{
	char wanted[KR_ROOT_KEY_HEXMAX];

	kr_kms_root_key_hex(wanted, fingerprint);
	if (keys->count == 0)
		kr_kms_say(report->message, sizeof(report->message),
				   "could not find root key %s: file \"%s\" does not exist", wanted, host->root_key_file);
	else if (keys->from_command)
		kr_kms_say(report->message, sizeof(report->message),
				   "could not find root key %s in the output of keyring.root_key_command (other keys there: %d)",
				   wanted, keys->count);
	else
		kr_kms_say(report->message, sizeof(report->message),
				   "could not find root key %s in file \"%s\" (other keys there: %d)",
				   wanted, host->root_key_file, keys->count);

	if (keys->count == 0)
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Restore the file from its backup, or set keyring.root_key_file to where it is.");
	else
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Put the line of that root key back from its backup, above the newest line.");
	return KR_KMS_NOT_FOUND;
}

static KrStatus
managed_unwrap(KrSecret *out, const uint8_t *wrap, size_t wrap_len, const char *aad, size_t aad_len,
			   const char *resource, const KrKmsHost *host, KrKmsReport *report)
{
	const KrRootKey *key;
	KrRootKeys keys;
	KrStatus status;

	(void) resource;
	memset(report, 0, sizeof(*report));
	kr_crypto_secret_wipe(out);
	status = check_form(wrap, wrap_len, report);
	if (status != KR_OK)
		return status;
	status = kr_kms_root_keys_load(&keys, KR_ROOT_KEY_NEVER_CREATE, host, report);
	if (status == KR_KMS_NOT_FOUND)
		return wanted_is_missing(wrap + 1, &keys, host, report);
	if (status != KR_OK)
		return status;

	key = kr_kms_root_keys_find(&keys, wrap + 1);
	if (key == NULL)
		status = wanted_is_missing(wrap + 1, &keys, host, report);
	else
	{
		status = kr_crypto_xaes_open_once(out->bytes, wrap + KR_MANAGED_HEADERBYTES, wrap_len - KR_MANAGED_HEADERBYTES,
										  (const uint8_t *) aad, aad_len, wrap + 1 + KR_ROOT_KEY_FINGERPRINTBYTES,
										  key->key.bytes);
		if (status == KR_OK)
			out->len = wrap_len - KR_MANAGED_OVERHEADBYTES;
		else if (status == KR_ENVELOPE_DAMAGED)
			status = damaged("it does not verify under its root key, or belongs to another key", report);
		else
			status = cipher_failed(status, "unwrap", report);
	}
	if (status != KR_OK)
		kr_crypto_secret_wipe(out);
	kr_kms_root_keys_wipe(&keys);
	return status;
}

static KrStatus
managed_describe(KrKmsDescription *out, const char *resource, const KrKmsHost *host, KrKmsReport *report)
{
	KrRootKeyStatus root;
	KrStatus status;

	(void) resource;
	memset(report, 0, sizeof(*report));
	memset(out, 0, sizeof(*out));
	status = kr_kms_root_key_status(&root, host, report);
	if (status != KR_OK)
		return status;
	kr_kms_say(out->current_version, sizeof(out->current_version), "%s", root.fingerprint);
	kr_kms_say(out->protection, sizeof(out->protection), "%s", root.from_command ? "command" : "file");
	out->device = root.device;
	return KR_OK;
}

const KrKmsProvider kr_kms_managed = {
	.name = "managed",
	.check_resource = managed_check_resource,
	.wrap = managed_wrap,
	.unwrap = managed_unwrap,
	.describe = managed_describe,
};
