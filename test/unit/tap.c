/*
 * test/unit/tap.c
 *
 * The harness of the unit tests.
 */
#include "unit/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count;
static int failures;

static void
result(bool ok, const char *name)
{
	count++;
	if (!ok)
		failures++;
	printf("%sok %d - %s\n", ok ? "" : "not ", count, name);
	fflush(stdout);
}

void
tap_ok(bool ok, const char *format, ...)
{
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	result(ok, name);
}

void
tap_status(KrStatus got, KrStatus want, const char *name)
{
	result(got == want, name);
	if (got != want)
		printf("# got %s, want %s\n", kr_crypto_status_name(got), kr_crypto_status_name(want));
}

static void
show(const char *word, const uint8_t *bytes, size_t len)
{
	printf("# %s ", word);
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

void
tap_bytes(const uint8_t *got, const uint8_t *want, size_t len, const char *name)
{
	bool ok = memcmp(got, want, len) == 0;

	result(ok, name);
	if (!ok)
	{
		show("got ", got, len);
		show("want", want, len);
	}
}

void
tap_hex(const uint8_t *got, const char *want, const char *name)
{
	uint8_t bytes[512];
	size_t len = tap_unhex(bytes, sizeof(bytes), want);

	tap_bytes(got, bytes, len, name);
}

void
tap_skip(const char *name, const char *why)
{
	count++;
	printf("ok %d - %s # SKIP %s\n", count, name, why);
}

int
tap_done(void)
{
	printf("1..%d\n", count);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

size_t
tap_unhex(uint8_t *out, size_t size, const char *hex)
{
	size_t len = 0;
	unsigned byte;

	for (hex += strspn(hex, " \t\n"); *hex != '\0'; hex += strspn(hex, " \t\n"))
	{
		if (len == size || sscanf(hex, "%2x", &byte) != 1 || hex[1] == '\0')
		{
			printf("Bail out! not hex, or too long: %s\n", hex);
			exit(EXIT_FAILURE);
		}
		out[len++] = (uint8_t) byte;
		hex += 2;
	}
	return len;
}

bool
tap_all_zero(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
	{
		if (at[i] != 0)
			return false;
	}
	return true;
}

bool
tap_contains(const void *bytes, size_t len, const void *needle, size_t needle_len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i + needle_len <= len; i++)
	{
		if (memcmp(at + i, needle, needle_len) == 0)
			return true;
	}
	return false;
}
