/*
 * test/fuzz/check.h
 *
 * What the fuzz targets say of the code under them.
 */
#ifndef KR_FUZZ_CHECK_H
#define KR_FUZZ_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Ends the program when it does not hold, and the fuzzer keeps the input. */
static inline void
check(bool holds)
{
	if (!holds)
		abort();
}

/* Whether nothing is left in an object that was refused. */
static inline bool
all_zero(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0 && at[len - 1] == 0)
		len--;
	return len == 0;
}

/* Words for a person are printable ASCII. */
static inline void
check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		check((unsigned char) *text >= 0x20 && (unsigned char) *text <= 0x7E);
}

#endif
