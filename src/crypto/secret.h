/*
 * src/crypto/secret.h
 *
 * Holder of secret bytes. Secrets live in one of these, inline, so that no
 * copy is left behind by a reallocation, and are wiped by their owner on every
 * path out; so are the registers through which they were copied. A KrSecret may stand in shared memory.
 */
#ifndef KR_CRYPTO_SECRET_H
#define KR_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/status.h"

#define KR_SECRET_MAX 96

typedef struct KrSecret
{
	size_t len;
	uint8_t bytes[KR_SECRET_MAX];
} KrSecret;

/* Fills with len (at most KR_SECRET_MAX) random bytes (crypto/random.h); wiped on failure. */
extern KrStatus kr_crypto_secret_random(KrSecret *out, size_t len) KR_MUST_CHECK;

/* Copies len bytes in; KR_TOO_LARGE, and out empty, if they do not fit. */
extern KrStatus kr_crypto_secret_set(KrSecret *out, const uint8_t *bytes, size_t len) KR_MUST_CHECK;

/* Constant time for secrets of one length. */
extern bool kr_crypto_secret_equal(const KrSecret *a, const KrSecret *b);

/* Overwrites with zeros in a way the compiler may not remove; len becomes 0. */
extern void kr_crypto_secret_wipe(KrSecret *secret);

/* The same for what copying left in the processor's registers; for owners of secrets that are in no KrSecret. */
extern void kr_crypto_registers_wipe(void);

#endif
