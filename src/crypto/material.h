/*
 * src/crypto/material.h
 *
 * What a KEK wraps: version (1) || DEK (32) || token key (32). One KrSecret of
 * 65 bytes. The token key is the database's and is copied into each new key's
 * material; the check value ties both to the key's uuid.
 */
#ifndef KR_CRYPTO_MATERIAL_H
#define KR_CRYPTO_MATERIAL_H

#include "crypto/envelope.h"

#define KR_MATERIAL_VERSION 1
#define KR_MATERIALBYTES (1 + KR_XAES_KEYBYTES + KR_TOKEN_KEYBYTES)
#define KR_TOKEN_KEY_IDBYTES 8

/* Fresh DEK; token key copied from other, or fresh when other is NULL. Wiped on failure. */
extern KrStatus kr_crypto_material_new(KrSecret *out, const KrSecret *other) KR_MUST_CHECK;

/* Length and version; KR_KMS_BAD_CIPHERTEXT otherwise. */
extern KrStatus kr_crypto_material_check(const KrSecret *material) KR_MUST_CHECK;

/* Parts of a checked material. The pointers lead into it. */
extern const uint8_t *kr_crypto_material_dek(const KrSecret *material);
extern const uint8_t *kr_crypto_material_token_key(const KrSecret *material);

/* HMAC-SHA-256 under the DEK over uuid || token key. */
extern KrStatus kr_crypto_material_check_value(uint8_t out[KR_HMACBYTES], const KrSecret *material,
											   const uint8_t uuid[KR_ENVELOPE_UUIDBYTES]) KR_MUST_CHECK;

/* Names the token key without revealing it: leading bytes of HMAC-SHA-256 under it over a fixed text. */
extern KrStatus kr_crypto_material_token_key_id(uint8_t out[KR_TOKEN_KEY_IDBYTES], const KrSecret *material) KR_MUST_CHECK;

/* Additional data of every wrap: "keyring/v1/" and the uuid in its usual text form (36 characters). */
#define KR_WRAP_AADBYTES (11 + 36)
extern void kr_crypto_material_wrap_aad(char out[KR_WRAP_AADBYTES], const uint8_t uuid[KR_ENVELOPE_UUIDBYTES]);

#endif
