/*
 * test/unit/test_managed.c
 *
 * The provider "managed" through its table: wraps, and what it makes of damaged
 * ones and of keys that are not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/material.h"
#include "kms/managed.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"
#include "unit/vectors.h"

#define AAD "keyring/v1/00112233-4455-6677-8899-aabbccddeeff"
#define AAD_LEN (sizeof(AAD) - 1)

/*
 * A wrap under KIT_KEY_1 of 01 80 81 .. bf with nonce 40 .. 57, made with another
 * implementation (Python's cryptography). Stored keys depend on it: never change it.
 */
static const char stored[] =
	"01f8116bae79d5d37f404142434445464748494a4b4c4d4e4f50515253545556"
	"577f41c7516377e0ffbe2eaa0735b66560bf895d45a51f43d82269c7fdea91cd"
	"c9f5ca2c68a70dee6efac023d03cc37281b969ed824008d6be0575e44f657902"
	"a7c5f8e12eda71e3690e56e00aac9c4f8883";

#define VECTOR_LEN 114

static uint8_t root_key_1[KR_ROOT_KEYBYTES];
static const KrKmsProvider *managed;
static KrKmsReport report;
static KrSecret opened;
static uint8_t wrap[VECTOR_LEN];

/* Unwraps a copy of exactly that length, so that a sanitizer sees a read beyond it; looks that a failure leaves nothing. */
static KrStatus
unwrap(const uint8_t *bytes, size_t len, const char *aad, const KrKmsHost *host)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	static const KrSecret nothing;
	KrStatus status;

	memcpy(copy, bytes, len);
	memset(&opened, 0xA5, sizeof(opened));
	memset(&report, 0xA5, sizeof(report));
	status = managed->unwrap(&opened, copy, len, aad, strlen(aad), "", host, &report);
	free(copy);
	if (status != KR_OK && memcmp(&opened, &nothing, sizeof(opened)) != 0)
		tap_ok(false, "a failed unwrap leaves nothing behind");
	return status;
}

static void
test_registry(void)
{
	char out[KR_KMS_RESOURCEMAX];

	managed = kr_kms_provider("managed");
	tap_ok(managed != NULL && strcmp(managed->name, "managed") == 0, "managed is known");
	tap_ok(kr_kms_provider("Managed") == NULL && kr_kms_provider("") == NULL && kr_kms_provider(NULL) == NULL &&
			   kr_kms_provider("nothing") == NULL,
		   "others are not");
	tap_ok(strcmp(kr_kms_provider_names(), "managed, gcp-kms") == 0 && strcmp(kr_kms_provider_names(), "managed, gcp-kms") == 0, "names for hints");

	strcpy(out, "x");
	tap_ok(managed->check_resource(out, NULL, &report) == KR_OK && out[0] == '\0', "no resource");
	tap_ok(managed->check_resource(out, "", &report) == KR_OK && out[0] == '\0', "an empty one");
	tap_ok(managed->check_resource(out, "projects/p", &report) == KR_KMS_CONFIG && out[0] == '\0', "a resource is refused");
	kit_contains(report.hint, "Leave the resource out", "with a hint");
}

static void
test_round_trip(void)
{
	KrKmsHost host = kit_host(kit_file("two", KIT_KEY_1 "\n" KIT_KEY_2 "\n", 0600));
	KrSecret secret;
	KrKmsWrap first;
	KrKmsWrap second;

	for (size_t len = 1; len <= KR_SECRET_MAX; len += 19)
	{
		tap_ok(kr_crypto_secret_random(&secret, len) == KR_OK &&
				   managed->wrap(&first, &secret, AAD, AAD_LEN, "", &host, &report) == KR_OK &&
				   first.len == len + KR_MANAGED_OVERHEADBYTES && unwrap(first.bytes, first.len, AAD, &host) == KR_OK &&
				   kr_crypto_secret_equal(&opened, &secret),
			   "a secret of %zu bytes comes back", len);
	}
	tap_ok(strcmp(first.kek_version, KIT_FINGERPRINT_2) == 0, "wrapped under the newest root key");
	tap_ok(managed->wrap(&second, &secret, AAD, AAD_LEN, "", &host, &report) == KR_OK &&
			   memcmp(first.bytes + 9, second.bytes + 9, KR_XAES_NONCEBYTES) != 0 && report.notice[0] == '\0',
		   "another nonce each time");
	tap_ok(unwrap(first.bytes, first.len, "keyring/v1/00112233-4455-6677-8899-aabbccddeefe", &host) == KR_KMS_BAD_CIPHERTEXT,
		   "another key's additional data: refused");
	tap_ok(unwrap(first.bytes, first.len, "", &host) == KR_KMS_BAD_CIPHERTEXT, "no additional data: refused");
	kit_contains(report.message, "wrapped key is damaged", "and it is said so");
}

static void
test_vector(void)
{
	KrKmsHost host = kit_host(kit_file("root.key", KIT_KEY_1 "\n", 0600));
	bool same = true;

	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_OK && opened.len == 65, "the vector opens");
	for (size_t i = 1; i < 65; i++)
		same = same && opened.bytes[i] == 0x80 + i - 1;
	tap_ok(same && opened.bytes[0] == 1, "to what was wrapped");
	host.root_key_file = kit_file("root.key", KIT_KEY_1 "\n" KIT_KEY_2 "\n", 0600);
	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_OK, "its root key is the older one");
}

/* The wrap that doc/envelope.md shows. */
static void
test_documented(void)
{
	uint8_t root_key[KR_ROOT_KEYBYTES];
	uint8_t documented[VECTOR_LEN];
	uint8_t material[65];
	char aad[KR_WRAP_AADBYTES + 1] = "";
	char text[2 * KR_ROOT_KEYBYTES + 1];
	KrKmsHost host;

	vector("root_key", root_key, sizeof(root_key));
	vector("wrap", documented, sizeof(documented));
	vector("wrap.aad", (uint8_t *) aad, KR_WRAP_AADBYTES);
	vector("material", material, sizeof(material));
	for (size_t i = 0; i < KR_ROOT_KEYBYTES; i++)
		snprintf(text + 2 * i, 3, "%02X", root_key[i]);
	host = kit_host(kit_file("documented.key", text, 0600));
	tap_status(unwrap(documented, VECTOR_LEN, aad, &host), KR_OK, "the documented wrap opens");
	tap_bytes(opened.bytes, material, sizeof(material), "to the documented material");
}

static void
test_damage(void)
{
	KrKmsHost host = kit_host(kit_file("root.key", KIT_KEY_1 "\n", 0600));
	uint8_t longer[KR_MANAGED_OVERHEADBYTES + KR_SECRET_MAX + 2] = { 0 };
	int wrong = 0;

	for (size_t i = 0; i < VECTOR_LEN; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			KrStatus expected = i == 0 ? KR_KMS_CONFIG : i < 9 ? KR_KMS_NOT_FOUND :
																 KR_KMS_BAD_CIPHERTEXT;

			/* no bit of the version, except that it is 0 without the last one */
			if (i == 0 && bit == 0)
				expected = KR_KMS_BAD_CIPHERTEXT;
			wrap[i] ^= (uint8_t) (1 << bit);
			wrong += unwrap(wrap, VECTOR_LEN, AAD, &host) != expected;
			wrap[i] ^= (uint8_t) (1 << bit);
		}
	}
	tap_ok(wrong == 0, "each bit of a wrap matters");

	wrong = 0;
	for (size_t len = 0; len < VECTOR_LEN; len++)
		wrong += unwrap(wrap, len, AAD, &host) != KR_KMS_BAD_CIPHERTEXT;
	tap_ok(wrong == 0, "each truncated length is refused");

	memcpy(longer, wrap, VECTOR_LEN);
	wrong = 0;
	for (size_t len = VECTOR_LEN + 1; len <= sizeof(longer); len++)
		wrong += unwrap(longer, len, AAD, &host) != KR_KMS_BAD_CIPHERTEXT;
	tap_ok(wrong == 0, "each extended length is refused");

	/* a sound one, but of more bytes than a secret has room for */
	memcpy(longer, wrap, 9);
	memset(longer + 9, 0, sizeof(longer) - 9);
	tap_status(kr_crypto_xaes_seal_once(longer + KR_MANAGED_HEADERBYTES, longer + KR_MANAGED_HEADERBYTES, KR_SECRET_MAX + 1,
										(const uint8_t *) AAD, AAD_LEN, longer + 9, root_key_1),
			   KR_OK, "a wrap of 97 bytes");
	tap_status(unwrap(longer, KR_MANAGED_OVERHEADBYTES + KR_SECRET_MAX + 1, AAD, &host), KR_KMS_BAD_CIPHERTEXT, "is refused");

	/* the older of two: another fingerprint leads to another key, under which nothing verifies */
	host.root_key_file = kit_file("root.key", KIT_KEY_1 "\n" KIT_KEY_2 "\n", 0600);
	memcpy(longer, wrap, VECTOR_LEN);
	memcpy(longer + 1, "\xa2\x16\x2d\x60\x00\x26\x2b\xda", 8);
	tap_ok(unwrap(longer, VECTOR_LEN, AAD, &host) == KR_KMS_BAD_CIPHERTEXT, "the fingerprint of another root key there");

	longer[0] = 2;
	tap_ok(unwrap(longer, VECTOR_LEN, AAD, &host) == KR_KMS_CONFIG, "a version of the future is not damage");
	kit_contains(report.message, "format version 2", "and is named");
}

static void
test_wanted(void)
{
	KrKmsHost host = kit_host(kit_file("root.key", KIT_KEY_2 "\n", 0600));

	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_KMS_NOT_FOUND, "the wanted root key is not in the file");
	kit_contains(report.message, KIT_FINGERPRINT_1, "its fingerprint is named");
	kit_contains(report.message, host.root_key_file, "the file too");
	tap_ok(report.hint[0] != '\0', "with a hint");

	host.root_key_command = "echo " KIT_KEY_2;
	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_KMS_NOT_FOUND, "nor in the output of the command");
	kit_contains(report.message, KIT_FINGERPRINT_1, "its fingerprint is named");
	kit_contains(report.message, "keyring.root_key_command", "the command too");

	host = kit_host(NULL);
	host.may_create_root_key = true;
	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_KMS_NOT_FOUND && access(host.root_key_file, F_OK) != 0,
		   "no file: an unwrap never makes one");
	kit_contains(report.message, KIT_FINGERPRINT_1, "the wanted fingerprint is named");
	kit_contains(report.hint, "Restore the file", "with a hint");

	host.root_key_file = kit_file("open", KIT_KEY_1 "\n", 0644);
	tap_ok(unwrap(wrap, VECTOR_LEN, AAD, &host) == KR_KMS_CONFIG, "an unusable file");
	kit_contains(report.hint, "chmod 600", "with its own hint");
}

static void
test_first_wrap(void)
{
	KrKmsHost host = kit_host(kit_path("made.key"));
	KrKmsDescription description;
	KrSecret secret;
	KrKmsWrap made;

	tap_ok(kr_crypto_secret_random(&secret, 65) == KR_OK, "a secret");
	tap_ok(managed->wrap(&made, &secret, AAD, AAD_LEN, "", &host, &report) == KR_KMS_NOT_FOUND && made.len == 0, "no root key, none made");
	host.may_create_root_key = true;
	tap_ok(managed->describe(&description, "", &host, &report) == KR_KMS_NOT_FOUND && description.current_version[0] == '\0' &&
			   access(host.root_key_file, F_OK) != 0,
		   "describe makes none");
	tap_ok(managed->wrap(&made, &secret, AAD, AAD_LEN, "", &host, &report) == KR_OK && unwrap(made.bytes, made.len, AAD, &host) == KR_OK &&
			   kr_crypto_secret_equal(&opened, &secret),
		   "made at the first wrap");
	tap_ok(managed->describe(&description, "", &host, &report) == KR_OK && strcmp(description.current_version, made.kek_version) == 0 &&
			   strcmp(description.protection, "file") == 0,
		   "described");
	unlink(host.root_key_file);
	tap_ok(managed->wrap(&made, &secret, AAD, AAD_LEN, "", &host, &report) == KR_OK && report.notice[0] != '\0', "the user is told");
	tap_ok(managed->wrap(&made, &secret, AAD, AAD_LEN, "", &host, &report) == KR_OK && report.notice[0] == '\0', "once");
}

static void
test_status(void)
{
	KrKmsHost host = kit_host(kit_file("root.key", KIT_KEY_1 "\n" KIT_KEY_2 "\n", 0600));
	KrKmsDescription description;
	KrRootKeyStatus status;

	memset(&report, 0, sizeof(report));
	tap_ok(kr_kms_root_key_status(&status, &host, &report) == KR_OK && strcmp(status.fingerprint, KIT_FINGERPRINT_2) == 0 &&
			   status.count == 2 && !status.from_command && status.device != 0 && strcmp(status.path, host.root_key_file) == 0,
		   "status of a file");
	host.root_key_command = "echo " KIT_KEY_1;
	tap_ok(kr_kms_root_key_status(&status, &host, &report) == KR_OK && strcmp(status.fingerprint, KIT_FINGERPRINT_1) == 0 &&
			   status.count == 1 && status.from_command && status.device == 0 && status.path[0] == '\0',
		   "status of a command");
	tap_ok(managed->describe(&description, "", &host, &report) == KR_OK && strcmp(description.protection, "command") == 0 &&
			   strcmp(description.current_version, KIT_FINGERPRINT_1) == 0,
		   "a command described");
	host = kit_host(NULL);
	host.may_create_root_key = true;
	tap_ok(kr_kms_root_key_status(&status, &host, &report) == KR_KMS_NOT_FOUND && status.count == 0 && access(host.root_key_file, F_OK) != 0,
		   "status makes no file");
}

static void
test_say(void)
{
	char out[8];

	kr_kms_say(out, sizeof(out), "%s", "1234567");
	tap_ok(strcmp(out, "1234567") == 0, "said in full");
	kr_kms_say(out, sizeof(out), "%s", "12345678");
	tap_ok(strcmp(out, "1234567") == 0, "cut");
	kr_kms_say(out, sizeof(out), "%s", "123456\xc3\xa9");
	tap_ok(strcmp(out, "123456") == 0, "not inside a character of two bytes");
	kr_kms_say(out, sizeof(out), "%s", "12345\xe2\x82\xac");
	tap_ok(strcmp(out, "12345") == 0, "nor of three");
	kr_kms_say(out, sizeof(out), "%s", "1234\xf0\x9f\x94\x91");
	tap_ok(strcmp(out, "1234") == 0, "nor of four");
	kr_kms_say(out, sizeof(out), "%s", "12345\xc3\xa9x");
	tap_ok(strcmp(out, "12345\xc3\xa9") == 0, "a whole one stays");
	kr_kms_say(out, 1, "%s", "x");
	tap_ok(out[0] == '\0', "room for nothing");
	kr_kms_say(out, 0, "%s", "x");
	tap_ok(out[0] == '\0', "no room");
}

int
main(void)
{
	tap_unhex(wrap, sizeof(wrap), stored);
	tap_unhex(root_key_1, sizeof(root_key_1), KIT_KEY_1);
	test_registry();
	test_round_trip();
	test_vector();
	test_documented();
	test_damage();
	test_wanted();
	test_first_wrap();
	test_status();
	test_say();
	return tap_done();
}
