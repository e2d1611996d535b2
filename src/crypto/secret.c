/*
 * src/crypto/secret.c
 *
 * Holder of secret bytes. OPENSSL_cleanse is the one way of wiping in keyring.
 */
#include "crypto/secret.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/random.h"

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

void
kr_crypto_secret_wipe(KrSecret *secret)
{
	OPENSSL_cleanse(secret, sizeof(*secret));
}
