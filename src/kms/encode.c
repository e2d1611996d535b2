/*
 * src/kms/encode.c
 *
 * Base64 by OpenSSL, made strict, and CRC32C. What is encoded may be secret.
 */
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "kms/encode.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

void
kr_kms_base64(char *out, const uint8_t *bytes, size_t len)
{
	EVP_EncodeBlock((unsigned char *) out, bytes, (int) len);
}

void
kr_kms_base64url(char *out, const uint8_t *bytes, size_t len)
{
	kr_kms_base64(out, bytes, len);
	for (char *c = out; *c != '\0'; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
		else if (*c == '=')
			*c = '\0';
	}
}

/* Number of "=" at the end, -1 when the text has not the form. */
static int
padding_of(const char *text, size_t text_len)
{
	size_t body = strspn(text, ALPHABET);

	if (text_len % 4 != 0 || text_len - body > 2)
		return -1;
	for (size_t i = body; i < text_len; i++)
	{
		if (text[i] != '=')
			return -1;
	}
	return (int) (text_len - body);
}

bool
kr_kms_unbase64(uint8_t *out, size_t size, size_t *len, const char *text)
{
	size_t text_len = strlen(text);
	int padding = padding_of(text, text_len);
	uint8_t last[3];

	*len = 0;
	if (padding < 0 || text_len / 4 * 3 > size + (size_t) padding)
		return false;
	if (text_len == 0)
		return true;

	/* the last group apart: OpenSSL writes zeros for its padding, for which there may be no room */
	if (text_len > 4 && EVP_DecodeBlock(out, (const unsigned char *) text, (int) text_len - 4) < 0)
		return false;
	if (EVP_DecodeBlock(last, (const unsigned char *) text + text_len - 4, 4) != 3)
		return false;
	*len = text_len / 4 * 3 - (size_t) padding;
	memcpy(out + text_len / 4 * 3 - 3, last, (size_t) (3 - padding));

	/* bits that no byte takes must be zero, or two texts would stand for the same bytes */
	for (int i = 3 - padding; i < 3; i++)
	{
		if (last[i] != 0)
			*len = 0;
	}
	OPENSSL_cleanse(last, sizeof(last));
	if (*len == 0)
		OPENSSL_cleanse(out, text_len / 4 * 3 - (size_t) padding);
	return *len != 0;
}

uint32_t
kr_kms_crc32c(const uint8_t *bytes, size_t len)
{
	uint32_t crc = 0xFFFFFFFF;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82F63B78 & (0 - (crc & 1)));
	}
	return ~crc;
}
