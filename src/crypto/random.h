/*
 * src/crypto/random.h
 *
 * Random bytes for keys and nonces. OpenSSL's generators live in the process and
 * ask the kernel only now and then, so the copies of a machine that was cloned while it
 * ran would draw the same for a while. Here the kernel is asked each time, and the
 * clocks and the process id go in too. Costs some microseconds; not for each value.
 */
#ifndef KR_CRYPTO_RANDOM_H
#define KR_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/status.h"

/* Fills out; zeros, and KR_CRYPTO_FAILED, when the kernel or OpenSSL does not yield. */
extern KrStatus kr_crypto_random(uint8_t *out, size_t len) KR_MUST_CHECK;

#endif
