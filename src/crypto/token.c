/*
 * src/crypto/token.c
 *
 * Equality tokens, and the plain HMAC-SHA-256 and SHA-256 that other rooms use.
 */
#include "crypto/token.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/algorithms.h"
#include "crypto/bytes.h"

struct KrTokenContext
{
	unsigned process; /* of kr_crypto_process(); 0 = empty */
	EVP_MAC_CTX *mac; /* keyed; NULL when empty */
};

/* A context for HMAC-SHA-256 under a key, or NULL. */
static EVP_MAC_CTX *
keyed_mac(const uint8_t *key, size_t key_len)
{
	static const uint8_t nothing[1];
	const KrAlgorithms *algorithms = kr_crypto_algorithms();
	EVP_MAC_CTX *mac = algorithms == NULL ? NULL : EVP_MAC_CTX_new(algorithms->hmac);
	char digest[] = "SHA2-256";
	OSSL_PARAM params[2] = { OSSL_PARAM_END, OSSL_PARAM_END };

	/* to OpenSSL a NULL key means the one it had before, so an empty key needs an address */
	if (key_len == 0)
		key = nothing;
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	if (mac != NULL && EVP_MAC_init(mac, key, key_len, params) == 1)
		return mac;
	EVP_MAC_CTX_free(mac);
	return NULL;
}

static void
make_empty(KrTokenContext *ctx)
{
	EVP_MAC_CTX_free(ctx->mac);
	ctx->mac = NULL;
	ctx->process = 0;
}

KrTokenContext *
kr_crypto_token_new(void)
{
	KrTokenContext *ctx = OPENSSL_zalloc(sizeof(*ctx));

	if (ctx == NULL)
		ERR_clear_error();
	return ctx;
}

void
kr_crypto_token_free(KrTokenContext *ctx)
{
	if (ctx == NULL)
		return;
	make_empty(ctx);
	OPENSSL_free(ctx);
}

KrStatus
kr_crypto_token_rekey(KrTokenContext *ctx, const uint8_t *key)
{
	make_empty(ctx);
	ctx->mac = keyed_mac(key, KR_TOKEN_KEYBYTES);
	if (ctx->mac == NULL)
	{
		ERR_clear_error();
		return KR_CRYPTO_FAILED;
	}
	ctx->process = kr_crypto_process();
	return KR_OK;
}

KrStatus
kr_crypto_token_compute(uint8_t out[KR_TOKENBYTES], const uint8_t *canonical, size_t len,
						uint32_t domain, uint32_t base_type, KrTokenContext *ctx)
{
	uint8_t head[8];
	uint8_t mac[KR_HMACBYTES];
	size_t mac_len;
	KrByteWriter writer = kr_crypto_writer(head, sizeof(head));

	if (ctx->process != kr_crypto_process())
		return KR_CRYPTO_FAILED;

	kr_crypto_write_u32(&writer, domain);
	kr_crypto_write_u32(&writer, base_type);
	if (EVP_MAC_init(ctx->mac, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(ctx->mac, head, sizeof(head)) != 1 ||
		(len > 0 && EVP_MAC_update(ctx->mac, canonical, len) != 1) ||
		EVP_MAC_final(ctx->mac, mac, &mac_len, sizeof(mac)) != 1)
	{
		ERR_clear_error();
		return KR_CRYPTO_FAILED;
	}
	memcpy(out, mac, KR_TOKENBYTES);
	OPENSSL_cleanse(mac, sizeof(mac));
	return KR_OK;
}

KrStatus
kr_crypto_hmac(uint8_t out[KR_HMACBYTES], const uint8_t *in, size_t in_len, const uint8_t *key, size_t key_len)
{
	EVP_MAC_CTX *mac = keyed_mac(key, key_len);
	size_t out_len;
	bool ok = mac != NULL &&
		(in_len == 0 || EVP_MAC_update(mac, in, in_len) == 1) &&
		EVP_MAC_final(mac, out, &out_len, KR_HMACBYTES) == 1;

	EVP_MAC_CTX_free(mac);
	if (ok)
		return KR_OK;
	ERR_clear_error();
	return KR_CRYPTO_FAILED;
}

KrStatus
kr_crypto_sha256(uint8_t out[KR_HMACBYTES], const uint8_t *in, size_t in_len)
{
	const KrAlgorithms *algorithms = kr_crypto_algorithms();

	if (algorithms != NULL && EVP_Digest(in, in_len, out, NULL, algorithms->sha256, NULL) == 1)
		return KR_OK;
	ERR_clear_error();
	return KR_CRYPTO_FAILED;
}
