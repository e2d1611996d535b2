/*
 * src/crypto/token.h
 *
 * Equality tokens: the first 12 bytes of HMAC-SHA-256 (RFC 2104) over domain
 * (4 bytes, 0 = database) || base type Oid (4 bytes) || canonical form, under
 * the database's token key. Both numbers big-endian.
 */
#ifndef KR_CRYPTO_TOKEN_H
#define KR_CRYPTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "crypto/secret.h"

#define KR_TOKENBYTES 12
#define KR_TOKEN_KEYBYTES 32
#define KR_TOKEN_DOMAIN_DATABASE 0
#define KR_HMACBYTES 32

typedef struct KrTokenContext KrTokenContext;

/* An empty context, to be keyed; NULL when out of memory. */
extern KrTokenContext *kr_crypto_token_new(void);

/* Wipes and frees; NULL is allowed. */
extern void kr_crypto_token_free(KrTokenContext *ctx);

/* key: KR_TOKEN_KEYBYTES bytes (a part of a KrSecret). On failure the context is empty. */
extern KrStatus kr_crypto_token_rekey(KrTokenContext *ctx, const uint8_t *key) KR_MUST_CHECK;

extern KrStatus kr_crypto_token_compute(uint8_t out[KR_TOKENBYTES], const uint8_t *canonical, size_t len,
										uint32_t domain, uint32_t base_type, KrTokenContext *ctx) KR_MUST_CHECK;

/* Whether two tokens are the same. They are no secret: as a join compares little else, two words and no call. */
static inline bool
kr_crypto_token_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t a_first, b_first;
	uint32_t a_rest, b_rest;

	memcpy(&a_first, a, 8);
	memcpy(&b_first, b, 8);
	memcpy(&a_rest, a + 8, KR_TOKENBYTES - 8);
	memcpy(&b_rest, b + 8, KR_TOKENBYTES - 8);
	return a_first == b_first && a_rest == b_rest;
}

/* Plain HMAC-SHA-256 for check values and fingerprints. */
extern KrStatus kr_crypto_hmac(uint8_t out[KR_HMACBYTES], const uint8_t *in, size_t in_len,
							   const uint8_t *key, size_t key_len) KR_MUST_CHECK;

/* Plain SHA-256, for cache keys. */
extern KrStatus kr_crypto_sha256(uint8_t out[KR_HMACBYTES], const uint8_t *in, size_t in_len) KR_MUST_CHECK;

#endif
