/*
 * test/unit/tool_unwrap.c
 *
 * Unwraps the material of a managed key, so that a test of the server knows what
 * must not be found: tool_unwrap ROOT-KEY-FILE UUID WRAP, the last two in
 * hexadecimal, prints data key and token key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/material.h"
#include "kms/managed.h"

static bool
never(void *arg)
{
	(void) arg;
	return false;
}

static size_t
from_hex(uint8_t *out, size_t size, const char *digits)
{
	size_t len = strlen(digits) / 2;

	for (size_t i = 0; i < len && i < size; i++)
	{
		char pair[3] = { digits[2 * i], digits[2 * i + 1], '\0' };

		out[i] = (uint8_t) strtoul(pair, NULL, 16);
	}
	return len;
}

static void
print_hex(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

int
main(int argc, char **argv)
{
	KrKmsHost host = { .should_abort = never, .timeout_ms = 10000, .root_key_command = "" };
	KrKmsReport report;
	KrSecret material = { 0 };
	uint8_t uuid[KR_ENVELOPE_UUIDBYTES];
	uint8_t wrap[KR_KMS_WRAPMAX];
	char aad[KR_WRAP_AADBYTES];
	size_t len;

	if (argc != 4 || from_hex(uuid, sizeof(uuid), argv[2]) != sizeof(uuid))
	{
		fprintf(stderr, "usage: tool_unwrap ROOT-KEY-FILE UUID WRAP\n");
		return 2;
	}
	host.root_key_file = argv[1];
	len = from_hex(wrap, sizeof(wrap), argv[3]);
	kr_crypto_material_wrap_aad(aad, uuid);
	if (kr_kms_managed.unwrap(&material, wrap, len, aad, sizeof(aad), "", &host, &report) != KR_OK ||
		kr_crypto_material_check(&material) != KR_OK)
	{
		fprintf(stderr, "%s\n%s\n", report.message, report.hint);
		return 1;
	}
	print_hex(kr_crypto_material_dek(&material), KR_XAES_KEYBYTES);
	print_hex(kr_crypto_material_token_key(&material), KR_TOKEN_KEYBYTES);
	kr_crypto_secret_wipe(&material);
	return 0;
}
