/*
 * src/crypto/secret.c
 *
 * Holder of secret bytes. OPENSSL_cleanse is the one way of wiping in keyring.
 */
#include "crypto/secret.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/random.h"

#define MOVED_MAX 8192 /* longer ones take the same registers */

KrStatus
kr_crypto_secret_random(KrSecret *out, size_t len)
{
	KrStatus status;

	kr_crypto_secret_wipe(out);
	if (len > KR_SECRET_MAX)
		return KR_TOO_LARGE;
	status = kr_crypto_random(out->bytes, len);
	if (status == KR_OK)
		out->len = len;
	return status;
}

KrStatus
kr_crypto_secret_set(KrSecret *out, const uint8_t *bytes, size_t len)
{
	kr_crypto_secret_wipe(out);
	if (len > KR_SECRET_MAX)
		return KR_TOO_LARGE;
	if (len > 0)
		memcpy(out->bytes, bytes, len);
	out->len = len;
	return KR_OK;
}

bool
kr_crypto_secret_equal(const KrSecret *a, const KrSecret *b)
{
	/* lengths are no secret; the second test guards against a scribbled slot in shared memory */
	if (a->len != b->len || a->len > KR_SECRET_MAX)
		return false;
	return CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

/*
 * memcpy takes the widest registers that the processor has. Those which the compiler does not use (zmm16 to zmm31 of
 * x86-64) keep the last bytes that came through them until the next copy of a like size, perhaps for hours, and a core dump
 * shows them. Only the C library knows which it takes for which size: so it moves zeros, by each of its ways.
 */
void
kr_crypto_registers_wipe(void)
{
	/* one that the compiler does not see through, or there would be nothing to do */
	static void *(*const volatile move)(void *, const void *, size_t) = memcpy;
	static const uint8_t zeros[MOVED_MAX];
	static uint8_t unused[MOVED_MAX];

	for (size_t size = 1; size <= MOVED_MAX; size *= 2)
		move(unused, zeros, size);
}

void
kr_crypto_secret_wipe(KrSecret *secret)
{
	OPENSSL_cleanse(secret, sizeof(*secret));
	kr_crypto_registers_wipe();
}
