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

/*
 * OpenSSL 3.0 to 3.1 look up the length of the IV by name whenever a context is given one, which takes a quarter of the time of
 * opening a short value. Not where the IV is a parameter, as TLS sets it: the last n bytes of one whose
 * beginning was fixed before. With all 12 of them nothing of the fixed part is left. For opening only: where an
 * implementation takes this otherwise, a value fails to authenticate, and is opened again in the usual way.
 */
static void
prepare_quick_start(EVP_CIPHER_CTX *ctx)
{
	uint8_t fixed[4] = { 0 };
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

	params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, fixed, sizeof(fixed));
	if (EVP_CIPHER_CTX_set_params(ctx, params) != 1)
		ERR_clear_error();
}

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
	{
		if (!sealing)
			prepare_quick_start(*ctx);
		return KR_OK;
	}

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

/* Begins a value: sets its IV and the tag to be expected. */
typedef bool (*Start)(EVP_CIPHER_CTX *ctx, const uint8_t iv[KR_AEAD_IVBYTES], uint8_t tag[KR_AEAD_TAGBYTES]);

static bool
start(EVP_CIPHER_CTX *ctx, const uint8_t iv[KR_AEAD_IVBYTES], uint8_t tag[KR_AEAD_TAGBYTES])
{
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

	params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, KR_AEAD_TAGBYTES);
	return EVP_DecryptInit_ex2(ctx, NULL, NULL, iv, params) == 1;
}

static bool
start_quickly(EVP_CIPHER_CTX *ctx, const uint8_t iv[KR_AEAD_IVBYTES], uint8_t tag[KR_AEAD_TAGBYTES])
{
	OSSL_PARAM params[3] = { OSSL_PARAM_END, OSSL_PARAM_END, OSSL_PARAM_END };
	uint8_t copy[KR_AEAD_IVBYTES];

	memcpy(copy, iv, sizeof(copy));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, KR_AEAD_TAGBYTES);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_SET_IV_INV, copy, sizeof(copy));
	return EVP_CIPHER_CTX_set_params(ctx, params) == 1;
}

static KrStatus
open_from(Start begin, uint8_t *out, const uint8_t *in, size_t out_len, const uint8_t *aad, size_t aad_len,
		  const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx)
{
	uint8_t tag[KR_AEAD_TAGBYTES];
	uint8_t rest[KR_AEAD_TAGBYTES];
	int done;

	memcpy(tag, in + out_len, sizeof(tag));
	if (!begin(ctx, iv, tag) || !feed(ctx, NULL, aad, aad_len) || !feed(ctx, out, in, out_len))
		return KR_CRYPTO_FAILED;
	/* only this last step looks at the bytes' authenticity: before it, a failure is OpenSSL's own */
	return EVP_DecryptFinal_ex(ctx, rest, &done) == 1 ? KR_OK : KR_ENVELOPE_DAMAGED;
}

KrStatus
kr_crypto_aead_open(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
					const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx)
{
	KrStatus status;
	size_t out_len;

	if (in_len < KR_AEAD_TAGBYTES)
		return KR_ENVELOPE_DAMAGED;
	out_len = in_len - KR_AEAD_TAGBYTES;
	if ((uint64_t) out_len > KR_AEAD_MAX)
		return KR_ENVELOPE_DAMAGED;

	/* in place there would be nothing left to open again */
	if (out != in && open_from(start_quickly, out, in, out_len, aad, aad_len, iv, ctx) == KR_OK)
		return KR_OK;
	ERR_clear_error();
	status = open_from(start, out, in, out_len, aad, aad_len, iv, ctx);
	if (status == KR_OK)
		return KR_OK;

	ERR_clear_error();
	OPENSSL_cleanse(out, out_len);
	return status;
}
