/*
 * src/crypto/aead.c
 *
 * AES-256-GCM over EVP. The hot path is a new IV, additional data, data and
 * tag on a context that is keyed already; nothing is fetched or allocated.
 *
 * Failures clear OpenSSL's error queue: a leftover there makes the next TLS
 * read of this process, libcurl's or the server's, look like a failed one.
 */
#include "crypto/aead.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/algorithms.h"

/* EVP counts in int. A multiple of the block size, so that no chunk ends inside a block. */
#ifndef KR_AEAD_CHUNK
#define KR_AEAD_CHUNK ((size_t) 1 << 30)
#endif

KrStatus
kr_crypto_aead_key(EVP_CIPHER_CTX **ctx, bool sealing, const uint8_t key[KR_AEAD_KEYBYTES])
{
	const KrAlgorithms *algorithms = kr_crypto_algorithms();
	const EVP_CIPHER *cipher = NULL;

	if (algorithms != NULL && *ctx == NULL)
	{
		*ctx = EVP_CIPHER_CTX_new();
		cipher = algorithms->gcm;
	}
	if (algorithms != NULL && *ctx != NULL &&
		EVP_CipherInit_ex2(*ctx, cipher, key, NULL, sealing ? 1 : 0, NULL) == 1)
		return KR_OK;

	ERR_clear_error();
	EVP_CIPHER_CTX_free(*ctx);
	*ctx = NULL;
	return KR_CRYPTO_FAILED;
}

/* Feeds len bytes; out is NULL for additional data. */
static bool
feed(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len)
{
	while (len > 0)
	{
		size_t chunk = len < KR_AEAD_CHUNK ? len : KR_AEAD_CHUNK;
		int done;

		if (EVP_CipherUpdate(ctx, out, &done, in, (int) chunk) != 1)
			return false;
		in += chunk;
		if (out != NULL)
			out += chunk;
		len -= chunk;
	}
	return true;
}

KrStatus
kr_crypto_aead_seal(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
					const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx)
{
	OSSL_PARAM tag[2] = { OSSL_PARAM_END, OSSL_PARAM_END };
	int done;

	if ((uint64_t) in_len > KR_AEAD_MAX)
		return KR_TOO_LARGE;

	tag[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, out + in_len, KR_AEAD_TAGBYTES);
	if (EVP_EncryptInit_ex2(ctx, NULL, NULL, iv, NULL) == 1 &&
		feed(ctx, NULL, aad, aad_len) &&
		feed(ctx, out, in, in_len) &&
		EVP_EncryptFinal_ex(ctx, out + in_len, &done) == 1 &&
		EVP_CIPHER_CTX_get_params(ctx, tag) == 1)
		return KR_OK;

	ERR_clear_error();
	OPENSSL_cleanse(out, in_len + KR_AEAD_TAGBYTES);
	return KR_CRYPTO_FAILED;
}

KrStatus
kr_crypto_aead_open(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
					const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx)
{
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };
	uint8_t tag[KR_AEAD_TAGBYTES];
	KrStatus status = KR_CRYPTO_FAILED;
	size_t out_len;
	uint8_t rest[KR_AEAD_TAGBYTES];
	int done;

	if (in_len < KR_AEAD_TAGBYTES)
		return KR_ENVELOPE_DAMAGED;
	out_len = in_len - KR_AEAD_TAGBYTES;
	if ((uint64_t) out_len > KR_AEAD_MAX)
		return KR_ENVELOPE_DAMAGED;

	memcpy(tag, in + out_len, sizeof(tag));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, sizeof(tag));
	if (EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, params) == 1 &&
		feed(ctx, NULL, aad, aad_len) &&
		feed(ctx, out, in, out_len))
	{
		/* only this last step looks at the bytes' authenticity: before it, a failure is OpenSSL's own */
		if (EVP_DecryptFinal_ex(ctx, rest, &done) == 1)
			return KR_OK;
		status = KR_ENVELOPE_DAMAGED;
	}

	ERR_clear_error();
	OPENSSL_cleanse(out, out_len);
	return status;
}
