/*
 * test/unit/test_token.c
 *
 * HMAC-SHA-256 against RFC 4231, SHA-256 against FIPS 180-4's examples, and
 * tokens against HMAC over the concatenation that crypto/token.h describes.
 */
#include <string.h>

#include "crypto/token.h"
#include "unit/tap.h"

static void
test_hmac(void)
{
	static const struct
	{
		const char *name;
		const char *key;
		const char *data;
		const char *mac;
	} vectors[] = {
		{ "RFC 4231 case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "RFC 4231 case 2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "RFC 4231 case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
		  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
		{ "an empty key and no data", "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
	};
	uint8_t long_key[131];
	uint8_t out[KR_HMACBYTES];

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		uint8_t key[64];
		uint8_t data[64];
		size_t key_len = tap_unhex(key, sizeof(key), vectors[i].key);
		size_t data_len = tap_unhex(data, sizeof(data), vectors[i].data);

		tap_status(kr_crypto_hmac(out, data, data_len, key, key_len), KR_OK, vectors[i].name);
		tap_hex(out, vectors[i].mac, "gives its MAC");
	}

	memset(long_key, 0xAA, sizeof(long_key));
	tap_status(kr_crypto_hmac(out, (const uint8_t *) "Test Using Larger Than Block-Size Key - Hash Key First", 54, long_key, sizeof(long_key)), KR_OK, "RFC 4231 case 6");
	tap_hex(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "gives its MAC");
	tap_status(kr_crypto_hmac(out, NULL, 0, NULL, 0), KR_OK, "absent key and data are empty ones");
	tap_hex(out, vectors[3].mac, "and give the same MAC");
}

static void
test_sha256(void)
{
	uint8_t out[KR_HMACBYTES];

	tap_status(kr_crypto_sha256(out, (const uint8_t *) "abc", 3), KR_OK, "SHA-256 of abc");
	tap_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "is as published");
	tap_status(kr_crypto_sha256(out, NULL, 0), KR_OK, "SHA-256 of nothing");
	tap_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "is as published");
	tap_status(kr_crypto_sha256(out, (const uint8_t *) "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56), KR_OK, "SHA-256 of two blocks");
	tap_hex(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "is as published");
}

static const uint8_t key[KR_TOKEN_KEYBYTES + 1] = "the token key of this database..";

/* The definition, by the plain HMAC. */
static void
expect_token(uint8_t out[KR_TOKENBYTES], const char *canonical, uint8_t domain, uint8_t base_type)
{
	uint8_t input[100] = { 0, 0, 0, domain, 0, 0, 0, base_type };
	uint8_t mac[KR_HMACBYTES];
	KrStatus status;

	memcpy(input + 8, canonical, strlen(canonical));
	status = kr_crypto_hmac(mac, input, 8 + strlen(canonical), key, KR_TOKEN_KEYBYTES);
	memset(out, 0, KR_TOKENBYTES);
	if (status == KR_OK)
		memcpy(out, mac, KR_TOKENBYTES);
}

static void
test_token(void)
{
	static const char *const texts[] = { "", "078-05-1120", "a", "078-05-1121", "" };
	KrTokenContext *ctx = kr_crypto_token_new();
	uint8_t got[KR_TOKENBYTES];
	uint8_t want[KR_TOKENBYTES];
	uint8_t other_key[KR_TOKEN_KEYBYTES];

	tap_status(kr_crypto_token_compute(got, key, 1, 0, 25, ctx), KR_CRYPTO_FAILED, "an empty context makes no token");
	tap_status(kr_crypto_token_rekey(ctx, key), KR_OK, "keyed");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		expect_token(want, texts[i], 0, 25);
		tap_status(kr_crypto_token_compute(got, (const uint8_t *) texts[i], strlen(texts[i]), 0, 25, ctx), KR_OK, "it makes one");
		tap_bytes(got, want, sizeof(got), "which is the MAC's beginning, whatever came before");
	}

	tap_status(kr_crypto_token_compute(got, NULL, 0, KR_TOKEN_DOMAIN_DATABASE, 25, ctx), KR_OK, "an absent canonical form is an empty one");
	tap_bytes(got, want, sizeof(got), "and gives the same token");

	expect_token(want, "a", 0, 17);
	tap_status(kr_crypto_token_compute(got, (const uint8_t *) "a", 1, 0, 17, ctx), KR_OK, "another base type");
	tap_bytes(got, want, sizeof(got), "is part of the input");
	expect_token(want, "a", 3, 25);
	tap_status(kr_crypto_token_compute(got, (const uint8_t *) "a", 1, 3, 25, ctx), KR_OK, "another domain");
	tap_bytes(got, want, sizeof(got), "is part of the input");

	memcpy(other_key, key, sizeof(other_key));
	other_key[31] ^= 1;
	tap_status(kr_crypto_token_rekey(ctx, other_key), KR_OK, "keyed with another key");
	tap_status(kr_crypto_token_compute(got, (const uint8_t *) "a", 1, 3, 25, ctx), KR_OK, "it makes a token");
	tap_ok(memcmp(got, want, sizeof(got)) != 0, "which is another");
	kr_crypto_token_free(ctx);
	kr_crypto_token_free(NULL);
}

static void
test_equal(void)
{
	const uint8_t one[KR_TOKENBYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	uint8_t other[KR_TOKENBYTES];
	int wrong = 0;

	memcpy(other, one, sizeof(other));
	wrong += !kr_crypto_token_equal(one, other);
	for (int bit = 0; bit < 8 * KR_TOKENBYTES; bit++)
	{
		other[bit / 8] ^= (uint8_t) (1 << bit % 8);
		wrong += kr_crypto_token_equal(one, other);
		other[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	tap_ok(wrong == 0, "tokens are equal when all of their bits are");
}

int
main(void)
{
	test_hmac();
	test_sha256();
	test_token();
	test_equal();
	return tap_done();
}
