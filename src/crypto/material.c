/*
 * src/crypto/material.c
 *
 * Key material: version || DEK || token key, and what is derived from it. The
 * layout is doc/envelope.md section 7.
 */
#include "crypto/material.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/bytes.h"

#define DEK_AT 1
#define TOKEN_KEY_AT (1 + KR_XAES_KEYBYTES)

_Static_assert(KR_MATERIALBYTES <= KR_SECRET_MAX, "key material must fit a KrSecret");

KrStatus
kr_crypto_material_new(KrSecret *out, const KrSecret *other)
{
	KrSecret fresh;
	KrStatus status = other == NULL ? KR_OK : kr_crypto_material_check(other);

	if (status == KR_OK)
		status = kr_crypto_secret_random(&fresh, KR_MATERIALBYTES);
	if (status != KR_OK)
	{
		kr_crypto_secret_wipe(out);
		return status;
	}
	fresh.bytes[0] = KR_MATERIAL_VERSION;
	if (other != NULL)
		memcpy(fresh.bytes + TOKEN_KEY_AT, kr_crypto_material_token_key(other), KR_TOKEN_KEYBYTES);

	/* by way of a copy, since out and other may be one */
	*out = fresh;
	kr_crypto_secret_wipe(&fresh);
	return KR_OK;
}

KrStatus
kr_crypto_material_check(const KrSecret *material)
{
	if (material->len != KR_MATERIALBYTES || material->bytes[0] != KR_MATERIAL_VERSION)
		return KR_KMS_BAD_CIPHERTEXT;
	return KR_OK;
}

const uint8_t *
kr_crypto_material_dek(const KrSecret *material)
{
	return material->bytes + DEK_AT;
}

const uint8_t *
kr_crypto_material_token_key(const KrSecret *material)
{
	return material->bytes + TOKEN_KEY_AT;
}

KrStatus
kr_crypto_material_check_value(uint8_t out[KR_HMACBYTES], const KrSecret *material,
							   const uint8_t uuid[KR_ENVELOPE_UUIDBYTES])
{
	uint8_t input[KR_ENVELOPE_UUIDBYTES + KR_TOKEN_KEYBYTES];
	KrByteWriter writer = kr_crypto_writer(input, sizeof(input));
	KrStatus status;

	kr_crypto_write_bytes(&writer, uuid, KR_ENVELOPE_UUIDBYTES);
	kr_crypto_write_bytes(&writer, kr_crypto_material_token_key(material), KR_TOKEN_KEYBYTES);
	status = kr_crypto_hmac(out, input, sizeof(input), kr_crypto_material_dek(material), KR_XAES_KEYBYTES);
	OPENSSL_cleanse(input, sizeof(input));
	return status;
}

KrStatus
kr_crypto_material_token_key_id(uint8_t out[KR_TOKEN_KEY_IDBYTES], const KrSecret *material)
{
	/* its first four bytes, read as a token's domain, are a number that no domain may have */
	static const uint8_t text[] = "keyring/token-key/v1";
	uint8_t mac[KR_HMACBYTES];
	KrStatus status = kr_crypto_hmac(mac, text, sizeof(text) - 1, kr_crypto_material_token_key(material), KR_TOKEN_KEYBYTES);

	if (status == KR_OK)
		memcpy(out, mac, KR_TOKEN_KEY_IDBYTES);
	OPENSSL_cleanse(mac, sizeof(mac));
	return status;
}

void
kr_crypto_material_wrap_aad(char out[KR_WRAP_AADBYTES], const uint8_t uuid[KR_ENVELOPE_UUIDBYTES])
{
	static const char start[] = "keyring/v1/";
	static const char digits[] = "0123456789abcdef";
	char *at = out + sizeof(start) - 1;

	memcpy(out, start, sizeof(start) - 1);
	for (int i = 0; i < KR_ENVELOPE_UUIDBYTES; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[uuid[i] >> 4];
		*at++ = digits[uuid[i] & 15];
	}
}
