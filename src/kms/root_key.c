/*
 * src/kms/root_key.c
 *
 * Root keys as text and as a list: parsing, choosing where to read them, finding
 * one by its fingerprint.
 *
 * A line is blank, a comment (# first), or 64 hexadecimal digits; white space at
 * its end, a carriage return too, is ignored. Anything else is refused rather
 * than skipped: a line lost in an editor would otherwise change which key is the
 * newest, or hide one that old wraps need.
 */
#include <string.h>

#include "crypto/token.h"
#include "kms/root_key.h"

static const char fingerprint_text[] = "keyring/root-key/v1";

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Value of a hexadecimal digit, -1 for anything else. */
static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static KrStatus
refuse(KrKmsReport *report, const char *source, const char *what)
{
	kr_kms_say(report->message, sizeof(report->message), "%s %s", source, what);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Each line must be one root key of 64 hexadecimal digits, newest last; "
			   "blank lines and lines that begin with # are ignored.");
	return KR_KMS_CONFIG;
}

static KrStatus
refuse_line(KrKmsReport *report, const char *source, int line, const char *what)
{
	char text[96];

	kr_kms_say(text, sizeof(text), "line %d %s", line, what);
	return refuse(report, source, text);
}

/* Adds the key that a line spells. */
static KrStatus
parse_key(KrRootKeys *out, const char *line, size_t len, int number, const char *source, KrKmsReport *report)
{
	KrRootKey *slot;
	uint8_t mac[KR_HMACBYTES];
	KrStatus status;

	for (size_t i = 0; i < len; i++)
	{
		if (digit_value(line[i]) < 0)
			return refuse_line(report, source, number, "holds something other than hexadecimal digits");
	}
	if (len < 2 * KR_ROOT_KEYBYTES)
		return refuse_line(report, source, number, "is too short for a root key");
	if (len > 2 * KR_ROOT_KEYBYTES)
		return refuse_line(report, source, number, "is too long for a root key");
	if (out->count == KR_ROOT_KEYS_MAX)
		return refuse_line(report, source, number, "is one root key more than the 64 allowed");

	slot = &out->keys[out->count];
	for (size_t i = 0; i < KR_ROOT_KEYBYTES; i++)
		slot->key.bytes[i] = (uint8_t) (digit_value(line[2 * i]) << 4 | digit_value(line[2 * i + 1]));
	slot->key.len = KR_ROOT_KEYBYTES;

	status = kr_crypto_hmac(mac, (const uint8_t *) fingerprint_text, sizeof(fingerprint_text) - 1,
							slot->key.bytes, KR_ROOT_KEYBYTES);
	if (status != KR_OK)
	{
		kr_kms_say(report->message, sizeof(report->message), "could not compute the fingerprint of a root key");
		return status;
	}
	memcpy(slot->fingerprint, mac, KR_ROOT_KEY_FINGERPRINTBYTES);
	out->count++;
	return KR_OK;
}

KrStatus
kr_kms_root_keys_parse(KrRootKeys *out, const char *text, size_t len, const char *source, KrKmsReport *report)
{
	KrStatus status = KR_OK;
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	if (len > KR_ROOT_KEY_TEXTMAX)
		return refuse(report, source, "is larger than 16 kB");

	for (int number = 1; at < len && status == KR_OK; number++)
	{
		const char *line = text + at;
		const char *newline = memchr(line, '\n', len - at);
		size_t line_len = newline == NULL ? len - at : (size_t) (newline - line);

		at += line_len + 1;
		while (line_len > 0 && is_space(line[line_len - 1]))
			line_len--;
		if (line_len > 0 && line[0] != '#')
			status = parse_key(out, line, line_len, number, source, report);
	}
	if (status == KR_OK && out->count == 0)
		status = refuse(report, source, "holds no root key");
	if (status != KR_OK)
		kr_kms_root_keys_wipe(out);
	return status;
}

KrStatus
kr_kms_root_keys_load(KrRootKeys *out, KrRootKeyCreate create, const KrKmsHost *host, KrKmsReport *report)
{
	KrStatus status;
	bool created = false;

	if (host->root_key_command != NULL && host->root_key_command[0] != '\0')
		return kr_kms_root_keys_from_command(out, host, report);

	status = kr_kms_root_keys_from_file(out, host->root_key_file, report);
	if (status != KR_KMS_NOT_FOUND || create != KR_ROOT_KEY_MAY_CREATE || !host->may_create_root_key)
		return status;

	status = kr_kms_root_key_create(&created, host->root_key_file, report);
	if (status != KR_OK)
		return status;

	/* read what is there now: another process may have been quicker */
	memset(report, 0, sizeof(*report));
	status = kr_kms_root_keys_from_file(out, host->root_key_file, report);
	if (status == KR_OK && created)
	{
		char hex[KR_ROOT_KEY_HEXMAX];

		kr_kms_root_key_hex(hex, kr_kms_root_keys_newest(out)->fingerprint);
		kr_kms_say(report->notice, sizeof(report->notice),
				   "made root key %s in file \"%s\": every backup needs a copy of it, kept apart from the data; "
				   "a root key beside the data protects backups, not the disk",
				   hex, host->root_key_file);
	}
	return status;
}

const KrRootKey *
kr_kms_root_keys_newest(const KrRootKeys *keys)
{
	return &keys->keys[keys->count - 1];
}

const KrRootKey *
kr_kms_root_keys_find(const KrRootKeys *keys, const uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES])
{
	for (int i = keys->count - 1; i >= 0; i--)
	{
		if (memcmp(keys->keys[i].fingerprint, fingerprint, KR_ROOT_KEY_FINGERPRINTBYTES) == 0)
			return &keys->keys[i];
	}
	return NULL;
}

void
kr_kms_root_keys_wipe(KrRootKeys *keys)
{
	/* every slot: a line that was refused may have filled one beyond count */
	for (int i = 0; i < KR_ROOT_KEYS_MAX; i++)
	{
		kr_crypto_secret_wipe(&keys->keys[i].key);
		memset(keys->keys[i].fingerprint, 0, KR_ROOT_KEY_FINGERPRINTBYTES);
	}
	keys->count = 0;
	keys->from_command = false;
	keys->device = 0;
}

void
kr_kms_root_key_hex(char out[KR_ROOT_KEY_HEXMAX], const uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < KR_ROOT_KEY_FINGERPRINTBYTES; i++)
	{
		out[2 * i] = digits[fingerprint[i] >> 4];
		out[2 * i + 1] = digits[fingerprint[i] & 0x0F];
	}
	out[KR_ROOT_KEY_HEXMAX - 1] = '\0';
}

KrStatus
kr_kms_root_key_status(KrRootKeyStatus *out, const KrKmsHost *host, KrKmsReport *report)
{
	KrRootKeys keys;
	KrStatus status;

	memset(out, 0, sizeof(*out));
	status = kr_kms_root_keys_load(&keys, KR_ROOT_KEY_NEVER_CREATE, host, report);
	if (status != KR_OK)
		return status;

	kr_kms_root_key_hex(out->fingerprint, kr_kms_root_keys_newest(&keys)->fingerprint);
	out->count = keys.count;
	out->from_command = keys.from_command;
	out->device = keys.device;
	if (!keys.from_command)
		kr_kms_say(out->path, sizeof(out->path), "%s", host->root_key_file);
	kr_kms_root_keys_wipe(&keys);
	return KR_OK;
}
