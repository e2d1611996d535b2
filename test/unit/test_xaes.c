/*
 * test/unit/test_xaes.c
 *
 * XAES-256-GCM against the vectors that C2SP publishes (c2sp.org/XAES-256-GCM),
 * the accumulated ones included, and the promises of crypto/xaes.h.
 *
 * The million iterations take some ten seconds and run in the plain build; KR_LONG=1
 * or an argument runs them in any, KR_LONG=0 (valgrind) in none.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/xaes.h"
#include "unit/shake.h"
#include "unit/tap.h"

static const uint8_t *
bytes_of(const char *text)
{
	return (const uint8_t *) text;
}

static void
test_published(void)
{
	static const struct
	{
		uint8_t key_byte;
		const char *aad;
		const char *subkey;
		const char *output;
	} vectors[] = {
		{ 1, "", "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
		  "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271" },
		{ 3, "c2sp.org/XAES-256-GCM", "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
		  "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d" },
	};
	const uint8_t *nonce = bytes_of("ABCDEFGHIJKLMNOPQRSTUVWX");
	const uint8_t *plain = bytes_of("XAES-256-GCM");

	for (int i = 0; i < 2; i++)
	{
		const uint8_t *aad = bytes_of(vectors[i].aad);
		size_t aad_len = strlen(vectors[i].aad);
		uint8_t key[KR_XAES_KEYBYTES];
		uint8_t subkey[KR_AEAD_KEYBYTES];
		uint8_t out[28];
		uint8_t back[12];
		EVP_CIPHER_CTX *evp = NULL;

		memset(key, vectors[i].key_byte, sizeof(key));
		tap_status(kr_crypto_xaes_seal_once(out, plain, 12, aad, aad_len, nonce, key), KR_OK, "seals a published vector");
		tap_hex(out, vectors[i].output, "to the published output");
		tap_status(kr_crypto_xaes_open_once(back, out, 28, aad, aad_len, nonce, key), KR_OK, "opens it");
		tap_bytes(back, plain, 12, "to the published plaintext");

		/* the sub-key that C2SP prints, used as a plain AES-256-GCM key, must give the same */
		tap_unhex(subkey, sizeof(subkey), vectors[i].subkey);
		tap_status(kr_crypto_aead_key(&evp, true, subkey), KR_OK, "keys AES-256-GCM with the published sub-key");
		tap_status(kr_crypto_aead_seal(out, plain, 12, aad, aad_len, nonce + 12, evp), KR_OK, "seals with it");
		tap_hex(out, vectors[i].output, "to the published output");
		EVP_CIPHER_CTX_free(evp);
	}
}

/* One round: key, nonce, plaintext and additional data from the stream, output into the sum. */
static bool
accumulate(Shake *stream, EVP_MD_CTX *sum, KrXaesContext *ctx)
{
	uint8_t key[KR_XAES_KEYBYTES];
	uint8_t nonce[KR_XAES_NONCEBYTES];
	uint8_t plain[255];
	uint8_t aad[255];
	uint8_t out[255 + KR_XAES_TAGBYTES];
	uint8_t back[255];
	uint8_t plain_len;
	uint8_t aad_len;

	shake_read(stream, key, sizeof(key));
	shake_read(stream, nonce, sizeof(nonce));
	shake_read(stream, &plain_len, 1);
	shake_read(stream, plain, plain_len);
	shake_read(stream, &aad_len, 1);
	shake_read(stream, aad, aad_len);

	/* one context for all rounds, so that re-keying is tested along */
	return kr_crypto_xaes_rekey(ctx, nonce, key) == KR_OK &&
		kr_crypto_xaes_seal(out, plain, plain_len, aad, aad_len, nonce + KR_XAES_PREFIXBYTES, ctx) == KR_OK &&
		EVP_DigestUpdate(sum, out, (size_t) plain_len + KR_XAES_TAGBYTES) == 1 &&
		kr_crypto_xaes_open(back, out, (size_t) plain_len + KR_XAES_TAGBYTES, aad, aad_len, nonce + KR_XAES_PREFIXBYTES, ctx) == KR_OK &&
		memcmp(back, plain, plain_len) == 0;
}

static void
test_accumulated(int iterations, const char *want)
{
	KrXaesContext *ctx = kr_crypto_xaes_new();
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	Shake stream;
	uint8_t digest[32];
	int good = 0;

	shake_start(&stream);
	EVP_DigestInit_ex2(sum, EVP_shake128(), NULL);
	while (good < iterations && accumulate(&stream, sum, ctx))
		good++;
	EVP_DigestFinalXOF(sum, digest, sizeof(digest));
	tap_ok(good == iterations, "%d rounds seal and open", iterations);
	tap_hex(digest, want, "and sum up to the published value");
	EVP_MD_CTX_free(sum);
	kr_crypto_xaes_free(ctx);
}

static void
test_shake(void)
{
	uint8_t got[400];
	uint8_t want[400];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	Shake stream;

	shake_start(&stream);
	shake_read(&stream, got, 1);
	shake_read(&stream, got + 1, 399);
	tap_hex(got, "7f9c2ba4e88f827d616045507605853e", "the test's stream begins as published");
	EVP_DigestInit_ex2(md, EVP_shake128(), NULL);
	EVP_DigestFinalXOF(md, want, sizeof(want));
	tap_bytes(got, want, sizeof(want), "and goes on as OpenSSL's");
	EVP_MD_CTX_free(md);
}

static const uint8_t key[KR_XAES_KEYBYTES] = { 1, 2, 3 };
static const uint8_t other_key[KR_XAES_KEYBYTES] = { 1, 2, 3, [31] = 1 };
static const uint8_t nonce[KR_XAES_NONCEBYTES] = { 9, 8, 7, [23] = 1 };

static void
test_lengths(void)
{
	static const uint8_t plain[4097] = { 'p', 'l', 'a', 'i', 'n' };
	KrXaesContext *ctx = kr_crypto_xaes_new();
	int wrong = 0;
	int lengths = 0;

	wrong += kr_crypto_xaes_rekey(ctx, nonce, key) != KR_OK;
	for (size_t len = 0; len <= sizeof(plain); len += len < 66 ? 1 : 37)
	{
		for (size_t aad_len = 0; aad_len < 66; aad_len += 13)
		{
			/* exact sizes, so that the sanitizer sees a byte too many */
			uint8_t *out = malloc(len + KR_XAES_TAGBYTES);
			uint8_t *back = malloc(len + 1);

			if (out == NULL || back == NULL)
				abort();
			wrong += kr_crypto_xaes_seal(out, plain, len, plain, aad_len, nonce + 12, ctx) != KR_OK ||
				kr_crypto_xaes_open(back, out, len + KR_XAES_TAGBYTES, plain, aad_len, nonce + 12, ctx) != KR_OK ||
				memcmp(back, plain, len) != 0;
			lengths++;
			free(out);
			free(back);
		}
	}
	tap_ok(wrong == 0, "%d pairs of lengths come back as they were, nothing at all included", lengths);
	kr_crypto_xaes_free(ctx);
}

static void
test_in_place(void)
{
	uint8_t apart[100 + KR_XAES_TAGBYTES];
	uint8_t buffer[100 + KR_XAES_TAGBYTES];
	uint8_t plain[100];

	memset(plain, 'x', sizeof(plain));
	memcpy(buffer, plain, sizeof(plain));
	tap_status(kr_crypto_xaes_seal_once(apart, plain, 100, NULL, 0, nonce, key), KR_OK, "seals to another place");
	tap_status(kr_crypto_xaes_seal_once(buffer, buffer, 100, NULL, 0, nonce, key), KR_OK, "seals in place");
	tap_bytes(buffer, apart, sizeof(buffer), "to the same bytes");
	tap_status(kr_crypto_xaes_open_once(buffer, buffer, sizeof(buffer), NULL, 0, nonce, key), KR_OK, "opens in place");
	tap_bytes(buffer, plain, sizeof(plain), "to the same plaintext");
	apart[115] ^= 1;
	tap_status(kr_crypto_xaes_open_once(apart, apart, sizeof(apart), NULL, 0, nonce, key), KR_ENVELOPE_DAMAGED, "sees damage in place");
	tap_ok(tap_all_zero(apart, 100), "and leaves zeros there");
}

static void
test_rejections(void)
{
	uint8_t sealed[40 + KR_XAES_TAGBYTES];
	uint8_t aad[20] = "additional data";
	uint8_t back[40];
	uint8_t moved[KR_XAES_NONCEBYTES];
	KrXaesContext *ctx = kr_crypto_xaes_new();
	int wrong = 0;

	memset(back, 'b', sizeof(back));
	tap_status(kr_crypto_xaes_seal_once(sealed, back, 40, aad, 20, nonce, key), KR_OK, "seals forty bytes");
	tap_status(kr_crypto_xaes_rekey(ctx, nonce, key), KR_OK, "keys a context for them");

	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++)
	{
		memset(back, 0xEE, sizeof(back));
		sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
		wrong += kr_crypto_xaes_open(back, sealed, sizeof(sealed), aad, 20, nonce + 12, ctx) != KR_ENVELOPE_DAMAGED ||
			!tap_all_zero(back, sizeof(back));
		sealed[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	tap_ok(wrong == 0, "every flipped bit of ciphertext and tag is seen, and only zeros come out");

	for (size_t bit = 0; bit < 8 * sizeof(aad); bit++)
	{
		aad[bit / 8] ^= (uint8_t) (1 << bit % 8);
		wrong += kr_crypto_xaes_open(back, sealed, sizeof(sealed), aad, 20, nonce + 12, ctx) != KR_ENVELOPE_DAMAGED;
		aad[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	tap_ok(wrong == 0, "every flipped bit of additional data is seen");

	for (size_t bit = 0; bit < 8 * sizeof(moved); bit++)
	{
		memcpy(moved, nonce, sizeof(moved));
		moved[bit / 8] ^= (uint8_t) (1 << bit % 8);
		wrong += kr_crypto_xaes_open_once(back, sealed, sizeof(sealed), aad, 20, moved, key) != KR_ENVELOPE_DAMAGED;
	}
	tap_ok(wrong == 0, "every flipped bit of the nonce is seen");

	for (size_t len = 0; len < sizeof(sealed); len++)
		wrong += kr_crypto_xaes_open(back, sealed, len, aad, 20, nonce + 12, ctx) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "truncation to every length is seen");

	tap_status(kr_crypto_xaes_open_once(back, sealed, sizeof(sealed), aad, 20, nonce, other_key), KR_ENVELOPE_DAMAGED, "another key is seen");
	tap_status(kr_crypto_xaes_open(back, sealed, sizeof(sealed), aad, 19, nonce + 12, ctx), KR_ENVELOPE_DAMAGED, "shorter additional data is seen");
	tap_status(kr_crypto_xaes_open(back, sealed, sizeof(sealed), aad, 20, nonce + 12, ctx), KR_OK, "after all that the context opens what is sound");
	tap_ok(back[0] == 'b' && back[39] == 'b', "to the plaintext");
	tap_ok(ERR_peek_error() == 0, "nothing is left in OpenSSL's error queue");
	kr_crypto_xaes_free(ctx);
}

static void
test_contexts(void)
{
	uint8_t first[24];
	uint8_t again[24];
	uint8_t back[8];
	uint8_t other_prefix[KR_XAES_PREFIXBYTES] = { 1 };
	KrXaesContext *ctx = kr_crypto_xaes_new();

	memset(back, 0xEE, sizeof(back));
	memset(first, 0xEE, sizeof(first));
	tap_status(kr_crypto_xaes_seal(first, back, 8, NULL, 0, nonce + 12, ctx), KR_CRYPTO_FAILED, "an empty context seals nothing");
	tap_status(kr_crypto_xaes_open(back, first, 24, NULL, 0, nonce + 12, ctx), KR_CRYPTO_FAILED, "and opens nothing, which is not damage");
	tap_ok(tap_all_zero(back, 8), "and leaves zeros");

	tap_status(kr_crypto_xaes_rekey(ctx, nonce, key), KR_OK, "keyed");
	tap_status(kr_crypto_xaes_seal(first, back, 8, NULL, 0, nonce + 12, ctx), KR_OK, "it seals");
	tap_status(kr_crypto_xaes_open(back, first, 24, NULL, 0, nonce + 12, ctx), KR_OK, "and opens");
	tap_status(kr_crypto_xaes_seal(again, back, 8, NULL, 0, nonce + 12, ctx), KR_OK, "and seals again");
	tap_bytes(again, first, 24, "to the same bytes under the same nonce");

	tap_status(kr_crypto_xaes_rekey(ctx, other_prefix, key), KR_OK, "keyed for another prefix");
	tap_status(kr_crypto_xaes_open(back, first, 24, NULL, 0, nonce + 12, ctx), KR_ENVELOPE_DAMAGED, "both halves");
	tap_status(kr_crypto_xaes_seal(again, back, 8, NULL, 0, nonce + 12, ctx), KR_OK, "have");
	tap_ok(memcmp(again, first, 24) != 0, "the new sub-key");
	tap_status(kr_crypto_xaes_rekey(ctx, nonce, other_key), KR_OK, "keyed with another key");
	tap_status(kr_crypto_xaes_open(back, first, 24, NULL, 0, nonce + 12, ctx), KR_ENVELOPE_DAMAGED, "it opens nothing of the first");
	kr_crypto_xaes_free(ctx);
	kr_crypto_xaes_free(NULL);
}

static void
test_limits(void)
{
	uint8_t byte = 7;
	uint8_t *nowhere = &byte;

	/* SP 800-38D's limit; refused before a byte is touched, so no buffer of 64 GB is needed */
	if (sizeof(size_t) <= 4)
		return;
	tap_status(kr_crypto_xaes_seal_once(nowhere, nowhere, (size_t) (KR_AEAD_MAX + 1), NULL, 0, nonce, key), KR_TOO_LARGE, "one byte more than GCM allows is not sealed");
	tap_status(kr_crypto_xaes_open_once(nowhere, nowhere, (size_t) (KR_AEAD_MAX + 1 + KR_XAES_TAGBYTES), NULL, 0, nonce, key), KR_ENVELOPE_DAMAGED, "nor opened");
	tap_ok(byte == 7, "and nothing is touched");
}

static bool
is_long_run(int argc)
{
#if defined(__SANITIZE_ADDRESS__)
	const bool plain_build = false;
#elif defined(__has_feature)
	const bool plain_build = !__has_feature(address_sanitizer);
#else
	const bool plain_build = true;
#endif
	const char *wish = getenv("KR_LONG");

	if (wish != NULL)
		return strcmp(wish, "0") != 0;
	return plain_build || argc > 1;
}

int
main(int argc, char **argv)
{
	test_published();
	test_shake();
	test_accumulated(10000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	test_lengths();
	test_in_place();
	test_rejections();
	test_contexts();
	test_limits();
	if (is_long_run(argc))
		test_accumulated(1000000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
	return tap_done();
}
