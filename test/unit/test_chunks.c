/*
 * test/unit/test_chunks.c
 *
 * EVP counts in int, so long data go in chunks: here of 64 bytes, with lengths at
 * and around the seams. The included file takes the place of the object.
 */
#define KR_AEAD_CHUNK ((size_t) 64)
#include "crypto/aead.c"

#include <stdlib.h>

#include "crypto/xaes.h"
#include "unit/tap.h"

static const uint8_t key[KR_XAES_KEYBYTES] = { 7 };
static const uint8_t iv[KR_AEAD_IVBYTES] = { 8 };

/* In one piece, by EVP alone. */
static void
seal_whole(uint8_t *out, const uint8_t *in, int in_len, const uint8_t *aad, int aad_len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int done;

	if (EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), key, iv, NULL) != 1 ||
		EVP_EncryptUpdate(ctx, NULL, &done, aad, aad_len) != 1 ||
		EVP_EncryptUpdate(ctx, out, &done, in, in_len) != 1 ||
		EVP_EncryptFinal_ex(ctx, out + in_len, &done) != 1 ||
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, KR_AEAD_TAGBYTES, out + in_len) != 1)
		abort();
	EVP_CIPHER_CTX_free(ctx);
}

int
main(void)
{
	static const size_t lengths[] = { 0, 1, 63, 64, 65, 127, 128, 129, 1000 };
	uint8_t plain[1000];
	uint8_t whole[1000 + KR_AEAD_TAGBYTES];
	uint8_t pieces[1000 + KR_AEAD_TAGBYTES];
	uint8_t back[1000];
	EVP_CIPHER_CTX *seal = NULL;
	EVP_CIPHER_CTX *open = NULL;
	int differ = 0;
	int lost = 0;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t) (i * 13);
	tap_ok(kr_crypto_aead_key(&seal, true, key) == KR_OK && kr_crypto_aead_key(&open, false, key) == KR_OK, "keys contexts");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++)
		{
			size_t len = lengths[i];
			size_t aad_len = lengths[j];

			seal_whole(whole, plain, (int) len, plain, (int) aad_len);
			differ += kr_crypto_aead_seal(pieces, plain, len, plain, aad_len, iv, seal) != KR_OK ||
				memcmp(pieces, whole, len + KR_AEAD_TAGBYTES) != 0;
			lost += kr_crypto_aead_open(back, whole, len + KR_AEAD_TAGBYTES, plain, aad_len, iv, open) != KR_OK ||
				memcmp(back, plain, len) != 0;
		}
	}
	tap_ok(differ == 0, "chunks are sealed to what the whole is");
	tap_ok(lost == 0, "the whole is opened in chunks");

	seal_whole(whole, plain, 1000, plain, 1000);
	whole[999] ^= 1;
	tap_ok(kr_crypto_aead_open(back, whole, sizeof(whole), plain, 1000, iv, open) == KR_ENVELOPE_DAMAGED &&
			   tap_all_zero(back, sizeof(back)),
		   "damage in the last chunk leaves nothing of the first");
	EVP_CIPHER_CTX_free(seal);
	EVP_CIPHER_CTX_free(open);
	return tap_done();
}
