/*
 * src/crypto/xaes.c
 *
 * XAES-256-GCM (c2sp.org/XAES-256-GCM): derivation of the sub-key, and contexts
 * that keep it expanded.
 *
 * The sub-key stays in the context because sealing and opening need an EVP context
 * each, and most processes only ever do one of the two with a prefix: the second is
 * made at its first use. An EVP context that exists always holds the current
 * sub-key.
 */
#include "crypto/xaes.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto/aead.h"
#include "crypto/algorithms.h"

#define BLOCKBYTES 16

struct KrXaesContext
{
	unsigned process; /* of kr_crypto_process(); 0 = empty */
	uint8_t subkey[KR_AEAD_KEYBYTES];
	EVP_CIPHER_CTX *seal; /* NULL until used */
	EVP_CIPHER_CTX *open; /* NULL until used */
};

/* Doubling in GF(2^128) as SP 800-38B defines it for sub-keys of CMAC; no branch on secret bits. */
static void
cmac_double(uint8_t block[BLOCKBYTES])
{
	uint8_t carry = 0;

	for (int i = BLOCKBYTES - 1; i >= 0; i--)
	{
		uint8_t top = (uint8_t) (block[i] >> 7);

		block[i] = (uint8_t) ((block[i] << 1) | carry);
		carry = top;
	}
	block[BLOCKBYTES - 1] ^= (uint8_t) (0x87 & -carry);
}

/*
 * SP 800-108r1 counter mode over AES-CMAC, for the one case that C2SP needs:
 * inputs of exactly one block, so a MAC is AES(K, M xor K1), and both blocks of
 * the sub-key take one call. ctx is fresh; without a final call its padding never
 * comes into play.
 */
static bool
derive(uint8_t subkey[KR_AEAD_KEYBYTES], const uint8_t prefix[KR_XAES_PREFIXBYTES],
	   const uint8_t *key, const EVP_CIPHER *ecb, EVP_CIPHER_CTX *ctx)
{
	uint8_t k1[BLOCKBYTES] = { 0 };
	uint8_t input[2 * BLOCKBYTES] = { 0, 1, 'X', 0, [BLOCKBYTES] = 0, 2, 'X', 0 };
	bool ok = false;
	int done;

	memcpy(input + 4, prefix, KR_XAES_PREFIXBYTES);
	memcpy(input + BLOCKBYTES + 4, prefix, KR_XAES_PREFIXBYTES);

	if (EVP_EncryptInit_ex2(ctx, ecb, key, NULL, NULL) == 1 &&
		EVP_EncryptUpdate(ctx, k1, &done, k1, BLOCKBYTES) == 1 && done == BLOCKBYTES)
	{
		cmac_double(k1);
		for (int i = 0; i < 2 * BLOCKBYTES; i++)
			input[i] ^= k1[i % BLOCKBYTES];
		ok = EVP_EncryptUpdate(ctx, subkey, &done, input, sizeof(input)) == 1 && done == sizeof(input);
	}

	OPENSSL_cleanse(k1, sizeof(k1));
	OPENSSL_cleanse(input, sizeof(input));
	return ok;
}

static void
make_empty(KrXaesContext *ctx)
{
	EVP_CIPHER_CTX_free(ctx->seal);
	EVP_CIPHER_CTX_free(ctx->open);
	OPENSSL_cleanse(ctx, sizeof(*ctx));
}

KrXaesContext *
kr_crypto_xaes_new(void)
{
	KrXaesContext *ctx = OPENSSL_zalloc(sizeof(*ctx));

	if (ctx == NULL)
		ERR_clear_error();
	return ctx;
}

void
kr_crypto_xaes_free(KrXaesContext *ctx)
{
	if (ctx == NULL)
		return;
	make_empty(ctx);
	OPENSSL_free(ctx);
}

KrStatus
kr_crypto_xaes_rekey(KrXaesContext *ctx, const uint8_t prefix[KR_XAES_PREFIXBYTES], const uint8_t *key)
{
	const KrAlgorithms *algorithms = kr_crypto_algorithms();
	EVP_CIPHER_CTX *ecb = algorithms == NULL ? NULL : EVP_CIPHER_CTX_new();
	bool ok = false;

	if (ecb != NULL)
		ok = derive(ctx->subkey, prefix, key, algorithms->ecb, ecb);
	/* frees the schedule of the key itself, which OpenSSL cleanses first */
	EVP_CIPHER_CTX_free(ecb);

	if (ok && ctx->seal != NULL)
		ok = kr_crypto_aead_key(&ctx->seal, true, ctx->subkey) == KR_OK;
	if (ok && ctx->open != NULL)
		ok = kr_crypto_aead_key(&ctx->open, false, ctx->subkey) == KR_OK;
	if (!ok)
	{
		ERR_clear_error();
		make_empty(ctx);
		return KR_CRYPTO_FAILED;
	}
	ctx->process = kr_crypto_process();
	return KR_OK;
}

/* True when the context is keyed, by this process. */
static bool
is_usable(const KrXaesContext *ctx)
{
	return ctx->process == kr_crypto_process();
}

KrStatus
kr_crypto_xaes_seal(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
					const uint8_t iv[KR_XAES_IVBYTES], KrXaesContext *ctx)
{
	if (!is_usable(ctx))
		return KR_CRYPTO_FAILED;
	if (ctx->seal == NULL && kr_crypto_aead_key(&ctx->seal, true, ctx->subkey) != KR_OK)
		return KR_CRYPTO_FAILED;
	return kr_crypto_aead_seal(out, in, in_len, aad, aad_len, iv, ctx->seal);
}

KrStatus
kr_crypto_xaes_open(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
					const uint8_t iv[KR_XAES_IVBYTES], KrXaesContext *ctx)
{
	if (in_len < KR_XAES_TAGBYTES)
		return KR_ENVELOPE_DAMAGED;
	if (is_usable(ctx) &&
		(ctx->open != NULL || kr_crypto_aead_key(&ctx->open, false, ctx->subkey) == KR_OK))
		return kr_crypto_aead_open(out, in, in_len, aad, aad_len, iv, ctx->open);

	OPENSSL_cleanse(out, in_len - KR_XAES_TAGBYTES);
	return KR_CRYPTO_FAILED;
}

KrStatus
kr_crypto_xaes_seal_once(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
						 const uint8_t nonce[KR_XAES_NONCEBYTES], const uint8_t *key)
{
	KrXaesContext ctx = { 0 };
	KrStatus status = kr_crypto_xaes_rekey(&ctx, nonce, key);

	if (status == KR_OK)
		status = kr_crypto_xaes_seal(out, in, in_len, aad, aad_len, nonce + KR_XAES_PREFIXBYTES, &ctx);
	make_empty(&ctx);
	return status;
}

KrStatus
kr_crypto_xaes_open_once(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
						 const uint8_t nonce[KR_XAES_NONCEBYTES], const uint8_t *key)
{
	KrXaesContext ctx = { 0 };
	KrStatus status = kr_crypto_xaes_rekey(&ctx, nonce, key);

	if (status == KR_OK)
		status = kr_crypto_xaes_open(out, in, in_len, aad, aad_len, nonce + KR_XAES_PREFIXBYTES, &ctx);
	else if (in_len >= KR_XAES_TAGBYTES)
		OPENSSL_cleanse(out, in_len - KR_XAES_TAGBYTES);
	make_empty(&ctx);
	return status;
}
