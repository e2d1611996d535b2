/*
 * test/unit/test_root_key.c
 *
 * Root keys as text: what is accepted, what is refused and in which words, and
 * that no message repeats what a line holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/root_key_kit.h"
#include "unit/tap.h"

static KrRootKeys keys;
static KrKmsReport report;

/* Parses a copy that ends where the text does, so that a sanitizer sees a read beyond it. */
static KrStatus
parse(const char *text, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	KrStatus status;

	memset(&report, 0, sizeof(report));
	memset(&keys, 0xA5, sizeof(keys));
	memcpy(copy, text, len);
	status = kr_kms_root_keys_parse(&keys, copy, len, "source", &report);
	free(copy);
	return status;
}

static bool
is_wiped(const KrRootKeys *all)
{
	static const KrRootKeys zeros;

	if (all->count != 0 || all->from_command || all->device != 0)
		return false;
	return memcmp(all->keys, zeros.keys, sizeof(zeros.keys)) == 0;
}

static void
accepted(const char *text, int count, const char *newest, const char *name)
{
	char hex[KR_ROOT_KEY_HEXMAX] = "";
	KrStatus status = parse(text, strlen(text));

	if (status == KR_OK)
		kr_kms_root_key_hex(hex, kr_kms_root_keys_newest(&keys)->fingerprint);
	tap_ok(status == KR_OK && keys.count == count && strcmp(hex, newest) == 0, "accepted: %s", name);
}

static void
refused(const char *text, const char *message, const char *name)
{
	tap_ok(parse(text, strlen(text)) == KR_KMS_CONFIG && is_wiped(&keys), "refused, and nothing kept: %s", name);
	kit_contains(report.message, message, "message: %s", name);
	tap_ok(report.hint[0] != '\0', "a hint: %s", name);
	tap_ok(strstr(report.message, "1a1b") == NULL && strstr(report.hint, "1a1b") == NULL, "no content shown: %s", name);
}

static void
test_accepted(void)
{
	accepted(KIT_KEY_1 "\n", 1, KIT_FINGERPRINT_1, "one key");
	accepted(KIT_KEY_1, 1, KIT_FINGERPRINT_1, "no newline at the end");
	accepted(KIT_KEY_1 "\r\n" KIT_KEY_2 "\r\n", 2, KIT_FINGERPRINT_2, "CRLF");
	accepted(KIT_KEY_1 " \t \n", 1, KIT_FINGERPRINT_1, "white space after a key");
	accepted("# comment\n\n  \n" KIT_KEY_1 "\n\n# " KIT_KEY_2 "\n", 1, KIT_FINGERPRINT_1, "comments and blank lines");
	accepted("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n", 1, KIT_FINGERPRINT_1, "upper case");
	accepted(KIT_KEY_2 "\n" KIT_KEY_1 "\n", 2, KIT_FINGERPRINT_1, "the last is the newest");
	accepted(KIT_KEY_1 "\n" KIT_KEY_1 "\n", 2, KIT_FINGERPRINT_1, "one key twice");
}

static void
test_refused(void)
{
	char nul[] = KIT_KEY_1 "\n";

	refused("", "source holds no root key", "empty");
	refused("# only a comment\n\n", "source holds no root key", "a comment only");
	refused("1a1b\n", "line 1 is too short", "short line");
	refused(KIT_KEY_1 "\n\n# x\n" KIT_KEY_1 "0\n", "line 4 is too long", "long line");
	refused("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1\n", "line 1 is too short", "63 digits");
	refused("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1g\n", "line 1 holds something", "a letter too far");
	refused("z00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", "line 1 holds something", "not hexadecimal");
	refused(" " KIT_KEY_1 "\n", "line 1 holds something", "white space before a key");
	refused("0x" KIT_KEY_1 "\n", "line 1 holds something", "0x");
	refused(KIT_KEY_1 " # first\n", "line 1 holds something", "comment behind a key");
	refused(KIT_KEY_1 " " KIT_KEY_2 "\n", "line 1 holds something", "two keys on a line");
	refused(KIT_KEY_1 "\r" KIT_KEY_2 "\r", "line 1 holds something", "carriage returns alone");
	refused("\xEF\xBB\xBF" KIT_KEY_1 "\n", "line 1 holds something", "byte order mark");
	refused(KIT_KEY_1 "\n1a1b\n", "line 2 is too short", "a good line, then a bad one");

	nul[10] = '\0';
	tap_ok(parse(nul, sizeof(nul) - 1) == KR_KMS_CONFIG && is_wiped(&keys), "refused: a zero byte in a key");
}

static void
test_limits(void)
{
	char *text = malloc(KR_ROOT_KEY_TEXTMAX + 1);
	size_t used = 0;
	char hex[KR_ROOT_KEY_HEXMAX];

	for (int i = 0; i < KR_ROOT_KEYS_MAX; i++)
		used += (size_t) sprintf(text + used, "%s\n", i == 0 ? KIT_KEY_2 : KIT_KEY_1);
	tap_ok(parse(text, used) == KR_OK && keys.count == KR_ROOT_KEYS_MAX, "64 keys");
	used += (size_t) sprintf(text + used, "%s\n", KIT_KEY_1);
	tap_ok(parse(text, used) == KR_KMS_CONFIG && is_wiped(&keys), "65 keys are refused");
	kit_contains(report.message, "line 65 is one root key more", "and the line is named");

	memset(text, '\n', KR_ROOT_KEY_TEXTMAX + 1);
	memcpy(text, KIT_KEY_1, 64);
	tap_ok(parse(text, KR_ROOT_KEY_TEXTMAX) == KR_OK, "16384 bytes");
	kr_kms_root_key_hex(hex, keys.keys[0].fingerprint);
	tap_ok(strcmp(hex, KIT_FINGERPRINT_1) == 0, "and the key is found in them");
	tap_ok(parse(text, KR_ROOT_KEY_TEXTMAX + 1) == KR_KMS_CONFIG, "16385 bytes are refused");
	kit_contains(report.message, "larger than 16 kB", "and the size is named");
	free(text);
}

static void
test_find(void)
{
	uint8_t unknown[KR_ROOT_KEY_FINGERPRINTBYTES] = { 1, 2, 3 };
	const KrRootKey *first;
	const KrRootKey *second;

	tap_ok(parse(KIT_KEY_1 "\n" KIT_KEY_2 "\n", 130) == KR_OK, "two keys");
	first = kr_kms_root_keys_find(&keys, keys.keys[0].fingerprint);
	second = kr_kms_root_keys_find(&keys, keys.keys[1].fingerprint);
	tap_ok(first == &keys.keys[0] && first->key.len == 32 && first->key.bytes[31] == 0x1F, "the older one is found");
	tap_ok(second == kr_kms_root_keys_newest(&keys) && second->key.bytes[0] == 0xFF, "the newest one is found");
	tap_ok(kr_kms_root_keys_find(&keys, unknown) == NULL, "an unknown one is not");
	kr_kms_root_keys_wipe(&keys);
	tap_ok(is_wiped(&keys), "wiped");
	tap_ok(kr_kms_root_keys_find(&keys, unknown) == NULL, "nothing is found after that");
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_limits();
	test_find();
	return tap_done();
}
