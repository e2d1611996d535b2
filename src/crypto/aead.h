/*
 * src/crypto/aead.h
 *
 * AES-256-GCM (NIST SP 800-38D) over a keyed EVP context; inside this room
 * only. Xaes decides which key and which IV.
 */
#ifndef KR_CRYPTO_AEAD_H
#define KR_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "crypto/status.h"

#define KR_AEAD_KEYBYTES 32
#define KR_AEAD_IVBYTES 12
#define KR_AEAD_TAGBYTES 16

/* SP 800-38D section 5.2.1.1: 2^39 - 256 bits of plaintext */
#define KR_AEAD_MAX ((UINT64_C(1) << 36) - 32)

/*
 * Keys *ctx, made here when NULL, for sealing or for opening; a context keeps
 * its direction for life. The schedule of a former key is overwritten. On failure
 * the context is cleansed and freed, and *ctx is NULL.
 */
extern KrStatus kr_crypto_aead_key(EVP_CIPHER_CTX **ctx, bool sealing, const uint8_t key[KR_AEAD_KEYBYTES]) KR_MUST_CHECK;

/* As kr_crypto_xaes_seal and kr_crypto_xaes_open. */
extern KrStatus kr_crypto_aead_seal(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
									const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx) KR_MUST_CHECK;
extern KrStatus kr_crypto_aead_open(uint8_t *out, const uint8_t *in, size_t in_len, const uint8_t *aad, size_t aad_len,
									const uint8_t iv[KR_AEAD_IVBYTES], EVP_CIPHER_CTX *ctx) KR_MUST_CHECK;

#endif
