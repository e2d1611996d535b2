/*
 * test/unit/test_vectors.c
 *
 * The vectors of doc/envelope.md section 11, in both directions.
 */
#include <stdio.h>
#include <string.h>

#include "crypto/bytes.h"
#include "crypto/envelope.h"
#include "crypto/material.h"
#include "unit/tap.h"
#include "unit/vectors.h"

static uint8_t dek[KR_XAES_KEYBYTES];
static uint8_t token_key[KR_TOKEN_KEYBYTES];
static uint8_t uuid[KR_ENVELOPE_UUIDBYTES];
static uint8_t key_tag[4];
static uint8_t prefix[KR_XAES_PREFIXBYTES];

static uint32_t
number(const uint8_t bytes[4])
{
	KrByteReader reader = kr_crypto_reader(bytes, 4);

	return kr_crypto_read_u32(&reader);
}

/* A part of a named vector, "searchable.nonce". */
static size_t
part(const char *name, const char *what, uint8_t *out, size_t size)
{
	char full[64];

	snprintf(full, sizeof(full), "%s.%s", name, what);
	return vector(full, out, size);
}

static void
test_envelope(const char *name, uint8_t flags, const uint8_t *token)
{
	uint8_t plain[100];
	uint8_t base_type[4];
	uint8_t nonce[100];
	uint8_t aad[100];
	uint8_t want[200];
	uint8_t got[200];
	uint8_t back[100];
	size_t plain_len = part(name, "plaintext", plain, sizeof(plain));
	size_t aad_len = part(name, "aad", aad, sizeof(aad));
	size_t len = part(name, "envelope", want, sizeof(want));
	KrXaesContext *ctx = kr_crypto_xaes_new();
	KrEnvelope header = { .flags = flags, .key_tag = number(key_tag), .prefix = prefix, .token = token };
	KrEnvelope parsed;

	part(name, "base_type", base_type, sizeof(base_type));
	tap_ok(part(name, "nonce", nonce, sizeof(nonce)) == KR_XAES_NONCEBYTES, "%s: has a nonce", name);
	header.counter = number(nonce + 20);
	header.token_generation = token == NULL ? 0 : KR_ENVELOPE_TOKEN_GENERATION;

	tap_ok(len == kr_crypto_envelope_size(plain_len, token != NULL), "%s: has the size that its plaintext asks for", name);
	tap_status(kr_crypto_xaes_rekey(ctx, prefix, dek), KR_OK, name);
	tap_status(kr_crypto_envelope_seal(got, plain, plain_len, &header, number(base_type), uuid, ctx), KR_OK, "seals");
	tap_bytes(got, want, len, "to the envelope");
	tap_status(kr_crypto_envelope_parse(&parsed, want, len), KR_OK, "parses");
	tap_ok(parsed.flags == (token == NULL ? flags : flags | KR_ENVELOPE_HAS_TOKEN) && parsed.counter == header.counter &&
			   parsed.key_tag == header.key_tag && parsed.plaintext_len == plain_len,
		   "to the fields");
	tap_status(kr_crypto_envelope_open(back, &parsed, want, number(base_type), uuid, ctx), KR_OK, "opens");
	tap_bytes(back, plain, plain_len, "to the plaintext");

	/* the nonce and additional data that the page prints are those that were used */
	tap_status(kr_crypto_xaes_open_once(back, want + parsed.header_len, len - parsed.header_len, aad, aad_len, nonce, dek), KR_OK,
			   "opens with the nonce and the additional data of the page");
	kr_crypto_xaes_free(ctx);
}

static void
test_token(uint8_t token[KR_TOKENBYTES])
{
	uint8_t input[100];
	uint8_t want[KR_HMACBYTES];
	uint8_t got[KR_HMACBYTES];
	size_t len = vector("token.input", input, sizeof(input));
	KrTokenContext *ctx = kr_crypto_token_new();

	vector("token.mac", want, sizeof(want));
	tap_status(kr_crypto_hmac(got, input, len, token_key, sizeof(token_key)), KR_OK, "the MAC of a token");
	tap_bytes(got, want, sizeof(got), "is the page's");
	vector("token", token, KR_TOKENBYTES);
	tap_status(kr_crypto_token_rekey(ctx, token_key), KR_OK, "keyed with the token key");
	tap_status(kr_crypto_token_compute(got, input + 8, len - 8, number(input), number(input + 4), ctx), KR_OK, "the token");
	tap_bytes(got, token, KR_TOKENBYTES, "is the page's");
	kr_crypto_token_free(ctx);
}

static void
test_material(void)
{
	uint8_t bytes[100];
	uint8_t want[KR_HMACBYTES];
	uint8_t got[KR_HMACBYTES];
	KrSecret material;
	size_t len = vector("material", bytes, sizeof(bytes));

	tap_status(kr_crypto_secret_set(&material, bytes, len), KR_OK, "takes the material");
	tap_status(kr_crypto_material_check(&material), KR_OK, "which checks");
	tap_bytes(kr_crypto_material_dek(&material), dek, sizeof(dek), "it holds the DEK");
	tap_bytes(kr_crypto_material_token_key(&material), token_key, sizeof(token_key), "and the token key");
	vector("check_value", want, sizeof(want));
	tap_status(kr_crypto_material_check_value(got, &material, uuid), KR_OK, "the check value");
	tap_bytes(got, want, sizeof(got), "is the page's");
	vector("token_key_id", want, KR_TOKEN_KEY_IDBYTES);
	tap_status(kr_crypto_material_token_key_id(got, &material), KR_OK, "the token key's id");
	tap_bytes(got, want, KR_TOKEN_KEY_IDBYTES, "is the page's");
	kr_crypto_secret_wipe(&material);
}

static void
test_wrap(void)
{
	uint8_t root_key[KR_XAES_KEYBYTES];
	uint8_t fingerprint[8];
	uint8_t mac[KR_HMACBYTES];
	uint8_t want[KR_WRAP_AADBYTES];
	uint8_t nonce[KR_XAES_NONCEBYTES];
	uint8_t material[KR_MATERIALBYTES];
	uint8_t back[KR_MATERIALBYTES];
	uint8_t wrap[200];
	char aad[KR_WRAP_AADBYTES];

	vector("root_key", root_key, sizeof(root_key));
	vector("root_key_fingerprint", fingerprint, sizeof(fingerprint));
	vector("wrap.nonce", nonce, sizeof(nonce));
	vector("material", material, sizeof(material));
	tap_ok(vector("wrap.aad", want, sizeof(want)) == KR_WRAP_AADBYTES, "the additional data of a wrap has 47 bytes");
	kr_crypto_material_wrap_aad(aad, uuid);
	tap_bytes((const uint8_t *) aad, want, sizeof(want), "and is the page's");
	tap_status(kr_crypto_hmac(mac, (const uint8_t *) "keyring/root-key/v1", 19, root_key, sizeof(root_key)), KR_OK, "the root key's fingerprint");
	tap_bytes(mac, fingerprint, sizeof(fingerprint), "is the page's");

	tap_ok(vector("wrap", wrap, sizeof(wrap)) == 114 && wrap[0] == 1, "a wrap has 114 bytes");
	tap_bytes(wrap + 1, fingerprint, sizeof(fingerprint), "with the fingerprint");
	tap_bytes(wrap + 9, nonce, sizeof(nonce), "and the nonce");
	tap_status(kr_crypto_xaes_open_once(back, wrap + 33, 81, want, sizeof(want), nonce, root_key), KR_OK, "it opens");
	tap_bytes(back, material, sizeof(material), "to the material");
}

int
main(void)
{
	uint8_t token[KR_TOKENBYTES];

	vector("dek", dek, sizeof(dek));
	vector("token_key", token_key, sizeof(token_key));
	vector("uuid", uuid, sizeof(uuid));
	vector("key_tag", key_tag, sizeof(key_tag));
	vector("prefix", prefix, sizeof(prefix));
	test_token(token);
	test_envelope("randomized", 0, NULL);
	test_envelope("searchable", 0, token);
	test_envelope("empty", 0, NULL);
	test_envelope("compressed", KR_ENVELOPE_COMPRESSED, NULL);
	test_envelope("last", 0, NULL);
	test_material();
	test_wrap();
	return tap_done();
}
