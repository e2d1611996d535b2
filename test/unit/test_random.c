/*
 * test/unit/test_random.c
 *
 * Random bytes when a source repeats itself, as it does in the copies of a cloned
 * machine, and when one fails. The functions below stand before those of the
 * libraries, because a program's symbols come first.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/random.h"
#include "crypto/secret.h"
#include "unit/tap.h"

typedef enum Source
{
	WORKS,
	REPEATS,
	FAILS
} Source;

static Source kernel = WORKS;
static Source openssl = WORKS;

int
RAND_priv_bytes(unsigned char *out, int len)
{
	memset(out, 0x55, (size_t) len);
	if (openssl == WORKS)
		return RAND_bytes(out, len);
	if (openssl == FAILS)
		ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
	return openssl == REPEATS;
}

int
getentropy(void *out, size_t len)
{
	memset(out, 0x66, len);
	if (kernel == FAILS)
	{
		errno = ENOSYS;
		return -1;
	}
	return kernel == REPEATS || getrandom(out, len, 0) == (ssize_t) len ? 0 : -1;
}

static void
expect_different(const char *name)
{
	uint8_t a[96];
	uint8_t b[96];
	int repeated = 0;

	tap_status(kr_crypto_random(a, sizeof(a)), KR_OK, name);
	tap_status(kr_crypto_random(b, sizeof(b)), KR_OK, "and again");
	for (size_t i = 0; i < sizeof(a); i += 12)
		repeated += memcmp(a + i, b + i, 12) == 0 || (i >= 12 && memcmp(a, a + i, 12) == 0);
	tap_ok(repeated == 0, "%s: all parts are different", name);
}

static void
expect_failure(const char *name)
{
	KrSecret secret = { .len = 1, .bytes = { 1 } };
	uint8_t out[40];

	memset(out, 0xEE, sizeof(out));
	tap_status(kr_crypto_random(out, sizeof(out)), KR_CRYPTO_FAILED, name);
	tap_ok(tap_all_zero(out, sizeof(out)), "%s: nothing is given out", name);
	tap_status(kr_crypto_secret_random(&secret, 32), KR_CRYPTO_FAILED, "nor as a secret");
	tap_ok(tap_all_zero(&secret, sizeof(secret)), "%s: the secret is empty", name);
	tap_ok(ERR_peek_error() == 0, "%s: the error queue is clean", name);
}

static void
test_lengths(void)
{
	uint8_t out[66];
	int bad = 0;

	for (size_t len = 0; len < sizeof(out); len++)
	{
		memset(out, 0, sizeof(out));
		bad += kr_crypto_random(out, len) != KR_OK;
		bad += !tap_all_zero(out + len, sizeof(out) - len);
		bad += len >= 8 && tap_all_zero(out + len - 8, 8);
	}
	tap_ok(bad == 0, "as many bytes as asked for, and no more");
}

int
main(void)
{
	expect_different("both sources work");
	openssl = REPEATS;
	expect_different("OpenSSL's generator repeats itself");
	kernel = REPEATS;
	expect_different("the kernel's does too: time goes on");
	openssl = WORKS;
	expect_different("only the kernel's repeats itself");
	kernel = FAILS;
	expect_failure("the kernel fails");
	kernel = WORKS;
	openssl = FAILS;
	expect_failure("OpenSSL fails");
	openssl = WORKS;
	test_lengths();
	return tap_done();
}
