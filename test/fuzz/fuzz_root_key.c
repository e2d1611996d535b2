/*
 * test/fuzz/fuzz_root_key.c
 *
 * Any bytes at all as the text of a root key file: when they are accepted, the keys
 * written down again are the same keys; when they are refused, nothing is kept and
 * the words hold nothing of the text. Then the same bytes as a wrap: only the one that
 * the test vectors know may open, as nobody else has the key.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/check.h"
#include "kms/managed.h"

#define AAD "keyring/v1/00112233-4455-6677-8899-aabbccddeeff"

static char path[] = "/tmp/keyring-fuzz-XXXXXX";

static void
remove_file(void)
{
	unlink(path);
}

/* A root key file with the key 00 01 .. 1f. */
static void
start(void)
{
	static bool started;
	int fd;

	if (started)
		return;
	started = true;
	fd = mkstemp(path);
	check(fd >= 0);
	for (int i = 0; i < KR_ROOT_KEYBYTES; i++)
		check(dprintf(fd, "%02x", (unsigned) i) == 2);
	close(fd);
	atexit(remove_file);
}

/* The keys as text are the same keys again. */
static void
check_accepted(const KrRootKeys *keys)
{
	static char text[KR_ROOT_KEYS_MAX * (2 * KR_ROOT_KEYBYTES + 1) + 1];
	static KrRootKeys again;
	KrKmsReport report;
	size_t len = 0;

	check(keys->count >= 1 && keys->count <= KR_ROOT_KEYS_MAX);
	for (int i = 0; i < keys->count; i++)
	{
		check(keys->keys[i].key.len == KR_ROOT_KEYBYTES);
		for (size_t j = 0; j < KR_ROOT_KEYBYTES; j++)
			len += (size_t) sprintf(text + len, "%02X", keys->keys[i].key.bytes[j]);
		text[len++] = '\n';
		check(kr_kms_root_keys_find(keys, keys->keys[i].fingerprint) != NULL);
	}
	check(kr_kms_root_keys_newest(keys) == &keys->keys[keys->count - 1]);
	check(kr_kms_root_keys_parse(&again, text, len, "source", &report) == KR_OK);
	check(again.count == keys->count && memcmp(again.keys, keys->keys, sizeof(again.keys)) == 0);
}

static void
check_refused(const KrRootKeys *keys, const KrKmsReport *report)
{
	static const KrRootKeys nothing;

	check(keys->count == 0 && memcmp(keys->keys, nothing.keys, sizeof(nothing.keys)) == 0);
	check(strncmp(report->message, "source ", 7) == 0 && report->hint[0] != '\0');
	/* nothing but our own words and the number of a line */
	for (const char *c = report->message; *c != '\0'; c++)
		check(islower((unsigned char) *c) || isdigit((unsigned char) *c) || *c == ' ' || *c == 'B');
}

static void
parse(const uint8_t *data, size_t len)
{
	static KrRootKeys keys;
	KrKmsReport report = { 0 };
	char *copy = malloc(len == 0 ? 1 : len);
	KrStatus status;

	check(copy != NULL);
	memcpy(copy, data, len);
	memset(&keys, 0xA5, sizeof(keys));
	status = kr_kms_root_keys_parse(&keys, copy, len, "source", &report);
	free(copy);
	if (status == KR_OK)
		check_accepted(&keys);
	else
	{
		check(status == KR_KMS_CONFIG);
		check_refused(&keys, &report);
	}
}

static void
unwrap(const uint8_t *data, size_t len)
{
	KrKmsHost host = { .timeout_ms = 1000, .root_key_file = path, .root_key_command = "" };
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	KrKmsReport report;
	KrSecret out;
	KrStatus status;

	check(copy != NULL);
	memcpy(copy, data, len);
	status = kr_kms_managed.unwrap(&out, copy, len, AAD, sizeof(AAD) - 1, "", &host, &report);
	free(copy);
	/* test/fuzz/corpus/root_key/wrap, which test/unit/test_managed.c has as well */
	if (status == KR_OK)
		check(len == 114 && out.len == 65 && out.bytes[0] == 1 && out.bytes[1] == 0x80 && out.bytes[64] == 0xBF);
	else
	{
		check(out.len == 0 && report.message[0] != '\0');
		check(status == KR_KMS_BAD_CIPHERTEXT || status == KR_KMS_NOT_FOUND || status == KR_KMS_CONFIG);
	}
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	start();
	parse(data, len);
	unwrap(data, len);
	return 0;
}
