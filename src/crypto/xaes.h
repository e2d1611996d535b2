/*
 * src/crypto/xaes.h
 *
 * XAES-256-GCM as published by C2SP (c2sp.org/XAES-256-GCM): a sub-key from
 * the key and the first 12 bytes of a 24-byte nonce (NIST SP 800-108r1 in
 * counter mode over AES-CMAC), then AES-256-GCM (NIST SP 800-38D) with the
 * last 12. The cipher itself is OpenSSL's.
 *
 * A context is the sub-key of one nonce prefix, expanded. It never holds a
 * schedule of the key it was derived from. Contexts belong to the process that
 * made them: they do not survive fork(). An empty or an inherited context seals and
 * opens nothing (KR_CRYPTO_FAILED) until it is keyed again.
 */
#ifndef KR_CRYPTO_XAES_H
#define KR_CRYPTO_XAES_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/secret.h"

#define KR_XAES_KEYBYTES 32
#define KR_XAES_PREFIXBYTES 12
#define KR_XAES_IVBYTES 12
#define KR_XAES_NONCEBYTES (KR_XAES_PREFIXBYTES + KR_XAES_IVBYTES)
#define KR_XAES_TAGBYTES 16

typedef struct KrXaesContext KrXaesContext;

/* An empty context, to be keyed; NULL when out of memory. Free it with kr_crypto_xaes_free. */
extern KrXaesContext *kr_crypto_xaes_new(void);

/* Wipes and frees; NULL is allowed. */
extern void kr_crypto_xaes_free(KrXaesContext *ctx);

/*
 * Derives the sub-key for a prefix and keys the context with it, replacing
 * what it held. key points to KR_XAES_KEYBYTES bytes (a part of a KrSecret) and
 * is not kept. On failure the context is empty.
 */
extern KrStatus kr_crypto_xaes_rekey(KrXaesContext *ctx, const uint8_t prefix[KR_XAES_PREFIXBYTES],
									 const uint8_t *key) KR_MUST_CHECK;

/*
 * Encrypts in_len bytes to out and appends the tag: out has room for in_len +
 * KR_XAES_TAGBYTES and may equal in. iv is the second half of the nonce; the
 * caller never repeats one under a prefix. On failure out is zeros, or as it was
 * when nothing was begun (KR_TOO_LARGE, an unusable context).
 */
extern KrStatus kr_crypto_xaes_seal(uint8_t *out, const uint8_t *in, size_t in_len,
									const uint8_t *aad, size_t aad_len,
									const uint8_t iv[KR_XAES_IVBYTES], KrXaesContext *ctx) KR_MUST_CHECK;

/*
 * Verifies and decrypts in_len bytes (ciphertext and tag) to out, which has room for
 * in_len - KR_XAES_TAGBYTES and may equal in. On failure out is overwritten with
 * zeros; the status is KR_ENVELOPE_DAMAGED, whatever is wrong with the bytes, and
 * KR_CRYPTO_FAILED when they could not be looked at (OpenSSL refused, or the
 * context is empty): such a value is not lost.
 */
extern KrStatus kr_crypto_xaes_open(uint8_t *out, const uint8_t *in, size_t in_len,
									const uint8_t *aad, size_t aad_len,
									const uint8_t iv[KR_XAES_IVBYTES], KrXaesContext *ctx) KR_MUST_CHECK;

/* The same with a whole key and nonce, for wraps and tests: derives, uses and forgets. */
extern KrStatus kr_crypto_xaes_seal_once(uint8_t *out, const uint8_t *in, size_t in_len,
										 const uint8_t *aad, size_t aad_len,
										 const uint8_t nonce[KR_XAES_NONCEBYTES], const uint8_t *key) KR_MUST_CHECK;
extern KrStatus kr_crypto_xaes_open_once(uint8_t *out, const uint8_t *in, size_t in_len,
										 const uint8_t *aad, size_t aad_len,
										 const uint8_t nonce[KR_XAES_NONCEBYTES], const uint8_t *key) KR_MUST_CHECK;

#endif
