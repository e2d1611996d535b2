/*
 * test/unit/test_secret.c
 *
 * Holders of secrets: filled, compared, wiped.
 */
#include <string.h>

#include "crypto/secret.h"
#include "unit/tap.h"

static void
test_random(void)
{
	KrSecret a;
	KrSecret b;

	tap_status(kr_crypto_secret_random(&a, KR_SECRET_MAX), KR_OK, "fills to the brim");
	tap_ok(a.len == KR_SECRET_MAX, "and says so");
	tap_status(kr_crypto_secret_random(&b, KR_SECRET_MAX), KR_OK, "fills another");
	tap_ok(memcmp(a.bytes, b.bytes, 32) != 0 && memcmp(a.bytes + 64, b.bytes + 64, 32) != 0, "two are different");
	tap_status(kr_crypto_secret_random(&a, KR_SECRET_MAX + 1), KR_TOO_LARGE, "no more than fits");
	tap_ok(tap_all_zero(&a, sizeof(a)), "and what was there is wiped");
	tap_status(kr_crypto_secret_random(&b, 8), KR_OK, "fills a shorter one");
	tap_ok(b.len == 8 && tap_all_zero(b.bytes + 8, KR_SECRET_MAX - 8), "over a longer one, of which nothing stays");
	tap_status(kr_crypto_secret_random(&b, 0), KR_OK, "an empty one is allowed");
}

static void
test_set_and_equal(void)
{
	static const uint8_t bytes[KR_SECRET_MAX + 1] = "a secret that is meant to be told";
	KrSecret a;
	KrSecret b;

	tap_status(kr_crypto_secret_set(&a, bytes, 33), KR_OK, "copies bytes in");
	tap_ok(a.len == 33 && memcmp(a.bytes, bytes, 33) == 0, "all of them");
	tap_status(kr_crypto_secret_set(&b, bytes, 33), KR_OK, "and again");
	tap_ok(kr_crypto_secret_equal(&a, &b), "equal bytes are equal");
	b.bytes[32] ^= 0x80;
	tap_ok(!kr_crypto_secret_equal(&a, &b), "a flipped last bit is seen");
	b.bytes[32] ^= 0x80;
	b.bytes[0] ^= 1;
	tap_ok(!kr_crypto_secret_equal(&a, &b), "a flipped first bit is seen");
	b.bytes[0] ^= 1;
	b.len = 32;
	tap_ok(!kr_crypto_secret_equal(&a, &b), "a prefix is not equal");
	a.len = b.len = KR_SECRET_MAX + 1;
	tap_ok(!kr_crypto_secret_equal(&a, &b), "a scribbled length is not followed");

	tap_status(kr_crypto_secret_set(&a, bytes, KR_SECRET_MAX), KR_OK, "copies as much as fits");
	tap_status(kr_crypto_secret_set(&a, bytes, KR_SECRET_MAX + 1), KR_TOO_LARGE, "and no more");
	tap_ok(tap_all_zero(&a, sizeof(a)), "and is empty then");
	tap_status(kr_crypto_secret_set(&b, NULL, 0), KR_OK, "nothing can be copied in");
	tap_ok(kr_crypto_secret_equal(&a, &b), "two empty ones are equal");
}

static void
test_wipe(void)
{
	KrSecret a;

	memset(&a, 0xA5, sizeof(a));
	kr_crypto_secret_wipe(&a);
	tap_ok(tap_all_zero(&a, sizeof(a)), "wiping leaves zeros and no length");
}

int
main(void)
{
	test_random();
	test_set_and_equal();
	test_wipe();
	return tap_done();
}
