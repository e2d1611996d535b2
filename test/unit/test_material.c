/*
 * test/unit/test_material.c
 *
 * Key material and what is derived from it: doc/envelope.md section 7.
 */
#include <string.h>

#include "crypto/material.h"
#include "unit/tap.h"

static const uint8_t uuid[KR_ENVELOPE_UUIDBYTES] = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
};

static void
test_new(void)
{
	KrSecret first;
	KrSecret second;
	KrSecret damaged;

	tap_status(kr_crypto_material_new(&first, NULL), KR_OK, "makes the first material of a database");
	tap_ok(first.len == 65 && first.bytes[0] == 1, "version 1, 65 bytes");
	tap_status(kr_crypto_material_check(&first), KR_OK, "which checks");
	tap_ok(kr_crypto_material_dek(&first) == first.bytes + 1, "the DEK follows the version");
	tap_ok(kr_crypto_material_token_key(&first) == first.bytes + 33, "the token key follows the DEK");
	tap_ok(memcmp(kr_crypto_material_dek(&first), kr_crypto_material_token_key(&first), 32) != 0, "they are different");

	tap_status(kr_crypto_material_new(&second, &first), KR_OK, "makes the next one");
	tap_ok(memcmp(kr_crypto_material_token_key(&second), kr_crypto_material_token_key(&first), 32) == 0, "with the database's token key");
	tap_ok(memcmp(kr_crypto_material_dek(&second), kr_crypto_material_dek(&first), 32) != 0, "and a DEK of its own");

	damaged = second;
	tap_status(kr_crypto_material_new(&damaged, &damaged), KR_OK, "makes one in the place of the other");
	tap_ok(memcmp(kr_crypto_material_token_key(&damaged), kr_crypto_material_token_key(&first), 32) == 0 &&
			   memcmp(kr_crypto_material_dek(&damaged), kr_crypto_material_dek(&second), 32) != 0,
		   "with the token key kept");

	damaged.bytes[0] = 2;
	tap_status(kr_crypto_material_check(&damaged), KR_KMS_BAD_CIPHERTEXT, "an unknown version does not check");
	tap_status(kr_crypto_material_new(&second, &damaged), KR_KMS_BAD_CIPHERTEXT, "and gives no token key away");
	tap_ok(tap_all_zero(&second, sizeof(second)), "the result is wiped then");
	damaged.bytes[0] = 1;
	damaged.len = 64;
	tap_status(kr_crypto_material_check(&damaged), KR_KMS_BAD_CIPHERTEXT, "a shorter one does not check");
	damaged.len = 66;
	tap_status(kr_crypto_material_check(&damaged), KR_KMS_BAD_CIPHERTEXT, "a longer one does not check");
	damaged.len = 0;
	tap_status(kr_crypto_material_check(&damaged), KR_KMS_BAD_CIPHERTEXT, "an empty one does not check");
}

static void
test_check_value(void)
{
	KrSecret material;
	KrSecret changed;
	uint8_t input[48];
	uint8_t want[KR_HMACBYTES];
	uint8_t got[KR_HMACBYTES];
	uint8_t other_uuid[KR_ENVELOPE_UUIDBYTES];
	int same = 0;

	tap_status(kr_crypto_material_new(&material, NULL), KR_OK, "makes a material");
	memcpy(input, uuid, 16);
	memcpy(input + 16, material.bytes + 33, 32);
	tap_status(kr_crypto_hmac(want, input, 48, material.bytes + 1, 32), KR_OK, "the check value by its definition");
	tap_status(kr_crypto_material_check_value(got, &material, uuid), KR_OK, "and by its function");
	tap_bytes(got, want, sizeof(got), "are the same");

	for (size_t bit = 8; bit < 8 * KR_MATERIALBYTES; bit++)
	{
		changed = material;
		changed.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		same += kr_crypto_material_check_value(got, &changed, uuid) != KR_OK || memcmp(got, want, sizeof(got)) == 0;
	}
	tap_ok(same == 0, "every bit of DEK and token key changes it");

	memcpy(other_uuid, uuid, sizeof(uuid));
	other_uuid[15] ^= 1;
	tap_status(kr_crypto_material_check_value(got, &material, other_uuid), KR_OK, "for another key's uuid");
	tap_ok(memcmp(got, want, sizeof(got)) != 0, "it is another");
}

static void
test_token_key_id(void)
{
	KrSecret first;
	KrSecret second;
	uint8_t mac[KR_HMACBYTES];
	uint8_t id[KR_TOKEN_KEY_IDBYTES];
	uint8_t other[KR_TOKEN_KEY_IDBYTES];

	tap_status(kr_crypto_material_new(&first, NULL), KR_OK, "makes a material");
	tap_status(kr_crypto_material_new(&second, &first), KR_OK, "and another of the same database");
	tap_status(kr_crypto_material_token_key_id(id, &first), KR_OK, "the id of its token key");
	tap_status(kr_crypto_hmac(mac, (const uint8_t *) "keyring/token-key/v1", 20, first.bytes + 33, 32), KR_OK, "by definition");
	tap_bytes(id, mac, sizeof(id), "is a MAC's beginning");
	tap_status(kr_crypto_material_token_key_id(other, &second), KR_OK, "the other's");
	tap_bytes(other, id, sizeof(id), "is the same");
	tap_status(kr_crypto_material_new(&second, NULL), KR_OK, "a material of another database");
	tap_status(kr_crypto_material_token_key_id(other, &second), KR_OK, "has an id");
	tap_ok(memcmp(other, id, sizeof(id)) != 0, "of its own");
}

static void
test_wrap_aad(void)
{
	static const char want[] = "keyring/v1/00112233-4455-6677-8899-aabbccddeeff";
	char got[KR_WRAP_AADBYTES + 1];

	memset(got, '#', sizeof(got));
	kr_crypto_material_wrap_aad(got, uuid);
	tap_bytes((const uint8_t *) got, (const uint8_t *) want, KR_WRAP_AADBYTES, "additional data of a wrap names version and uuid");
	tap_ok(sizeof(want) - 1 == KR_WRAP_AADBYTES && got[KR_WRAP_AADBYTES] == '#', "in 47 bytes, without a terminator");
}

int
main(void)
{
	test_new();
	test_check_value();
	test_token_key_id();
	test_wrap_aad();
	return tap_done();
}
