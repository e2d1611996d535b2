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

#if defined(__x86_64__)

#define MARK 0xC3

/* Whether eight bytes of a copy stand in a register from the sixteenth on, which no compiled code here uses. */
__attribute__((noinline, target("avx512f"))) static bool
found_in_registers(void)
{
	uint8_t all[16 * 64];
	int in_a_row = 0;

	__asm__ volatile("vmovdqu64 %%zmm16, 0(%0)\n\tvmovdqu64 %%zmm17, 64(%0)\n\t"
					 "vmovdqu64 %%zmm18, 128(%0)\n\tvmovdqu64 %%zmm19, 192(%0)\n\t"
					 "vmovdqu64 %%zmm20, 256(%0)\n\tvmovdqu64 %%zmm21, 320(%0)\n\t"
					 "vmovdqu64 %%zmm22, 384(%0)\n\tvmovdqu64 %%zmm23, 448(%0)\n\t"
					 "vmovdqu64 %%zmm24, 512(%0)\n\tvmovdqu64 %%zmm25, 576(%0)\n\t"
					 "vmovdqu64 %%zmm26, 640(%0)\n\tvmovdqu64 %%zmm27, 704(%0)\n\t"
					 "vmovdqu64 %%zmm28, 768(%0)\n\tvmovdqu64 %%zmm29, 832(%0)\n\t"
					 "vmovdqu64 %%zmm30, 896(%0)\n\tvmovdqu64 %%zmm31, 960(%0)"
					 :
					 : "r"(all)
					 : "memory");
	/* by hand: what the library searches for would be in registers too */
	for (size_t i = 0; i < sizeof(all) && in_a_row < 8; i++)
		in_a_row = all[i] == MARK ? in_a_row + 1 : 0;
	return in_a_row == 8;
}

/* Copies of every length, after which the registers are wiped or not; how many were found. */
static int
copies_found(bool wiped)
{
	static void *(*const volatile copy)(void *, const void *, size_t) = memcpy;
	static uint8_t from[70000];
	static uint8_t to[70000];
	int found = 0;

	memset(from, MARK, sizeof(from));
	for (size_t len = 8; len <= sizeof(from); len += len < 4096 ? 1 : 997)
	{
		copy(to, from, len);
		if (wiped)
			kr_crypto_registers_wipe();
		found += found_in_registers();
	}
	return found;
}

static void
test_registers(void)
{
	const char *name = "nothing that was copied is left in registers, whatever its length";

	if (!__builtin_cpu_supports("avx512f") || copies_found(false) == 0)
		tap_skip(name, "copying leaves nothing there");
	else
		tap_ok(copies_found(true) == 0, "%s", name);
}

#else

static void
test_registers(void)
{
	tap_skip("registers", "read on x86-64 only");
}

#endif

int
main(void)
{
	test_random();
	test_set_and_equal();
	test_wipe();
	test_registers();
	return tap_done();
}
