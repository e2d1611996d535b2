/*
 * test/unit/test_envelope.c
 *
 * Envelopes: the bytes as doc/envelope.md section 2 draws them, every rule of
 * section 3, and that nothing but the sealed envelope opens.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "crypto/aead.h"
#include "crypto/envelope.h"
#include "unit/tap.h"

#define TEXT 25
#define BYTEA 17

static const uint8_t key[KR_XAES_KEYBYTES + 1] = "a key of thirty-two bytes ......";
static const uint8_t uuid[KR_ENVELOPE_UUIDBYTES] = "uuid of the key";
static const uint8_t prefix[KR_XAES_PREFIXBYTES + 1] = "nonce prefix";
static const uint8_t token[KR_TOKENBYTES + 1] = "token 4 test";
static const uint8_t plain[] = "078-05-1120";
#define PLAINBYTES (sizeof(plain) - 1)

static KrXaesContext *ctx;

static KrEnvelope
header_of(bool with_token, uint8_t flags)
{
	return (KrEnvelope){
		.flags = flags,
		.token_generation = with_token ? KR_ENVELOPE_TOKEN_GENERATION : 0,
		.key_tag = UINT32_C(0x81C2A3F4),
		.counter = UINT32_C(0x90000001),
		.prefix = prefix,
		.token = with_token ? token : NULL,
	};
}

static size_t
sealed(uint8_t *out, bool with_token, uint8_t flags)
{
	KrEnvelope header = header_of(with_token, flags);

	if (kr_crypto_envelope_seal(out, plain, PLAINBYTES, &header, TEXT, uuid, ctx) != KR_OK)
		abort();
	return kr_crypto_envelope_size(PLAINBYTES, with_token);
}

/* The way a reader goes: parse, key a context by the prefix found, open. */
static KrStatus
read_back(uint8_t *out, const uint8_t *bytes, size_t len, uint32_t base_type, const uint8_t *key_uuid)
{
	KrEnvelope envelope;
	KrXaesContext *reader;
	KrStatus status = kr_crypto_envelope_parse(&envelope, bytes, len);

	if (status != KR_OK)
		return status;
	reader = kr_crypto_xaes_new();
	status = kr_crypto_xaes_rekey(reader, envelope.prefix, key);
	if (status == KR_OK)
		status = kr_crypto_envelope_open(out, &envelope, bytes, base_type, key_uuid, reader);
	kr_crypto_xaes_free(reader);
	return status;
}

static void
test_layout(void)
{
	uint8_t bytes[100];
	KrEnvelope got;

	tap_ok(sealed(bytes, true, 0) == 36 + 11 + 16, "a searchable envelope adds 52 bytes");
	tap_hex(bytes, "ff 01 01 01 81c2a3f4 6e6f6e636520707265666978 90000001 746f6b656e20342074657374", "its header is as drawn");
	tap_status(kr_crypto_envelope_parse(&got, bytes, 63), KR_OK, "it parses");
	tap_ok(got.algorithm == 1 && got.flags == 1 && got.token_generation == 1 && got.key_tag == UINT32_C(0x81C2A3F4) &&
			   got.counter == UINT32_C(0x90000001) && got.header_len == 36 && got.plaintext_len == 11,
		   "to the fields that were sealed");
	tap_ok(got.prefix == bytes + 8 && got.token == bytes + 24, "pointing into the bytes");

	tap_ok(sealed(bytes, false, KR_ENVELOPE_COMPRESSED) == 24 + 11 + 16, "a randomized one adds 40");
	tap_hex(bytes, "ff 01 02 00 81c2a3f4 6e6f6e636520707265666978 90000001", "its header is as drawn");
	tap_status(kr_crypto_envelope_parse(&got, bytes, 51), KR_OK, "it parses");
	tap_ok(got.flags == KR_ENVELOPE_COMPRESSED && got.token == NULL && got.header_len == 24 && got.plaintext_len == 11, "without a token");

	/* flags of the caller do not decide about the token */
	tap_ok(sealed(bytes, false, KR_ENVELOPE_HAS_TOKEN) == 51 && bytes[2] == 0, "the token flag follows from the token");
}

static void
test_round_trip(void)
{
	static uint8_t big[70000];
	uint8_t *bytes = malloc(sizeof(big) + 52);
	uint8_t *back = malloc(sizeof(big));
	static const size_t lengths[] = { 0, 1, 15, 16, 17, 100, 4096, sizeof(big) };
	int wrong = 0;

	if (bytes == NULL || back == NULL)
		abort();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t) (i * 7);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		for (int with_token = 0; with_token < 2; with_token++)
		{
			KrEnvelope header = header_of(with_token, 0);
			size_t len = kr_crypto_envelope_size(lengths[i], with_token);

			wrong += kr_crypto_envelope_seal(bytes, big, lengths[i], &header, TEXT, uuid, ctx) != KR_OK ||
				read_back(back, bytes, len, TEXT, uuid) != KR_OK || memcmp(back, big, lengths[i]) != 0;
		}
	}
	tap_ok(wrong == 0, "plaintexts of no byte to 70000 come back, with and without a token");

	memcpy(bytes + 24, big, 1000);
	{
		KrEnvelope header = header_of(false, 0);

		tap_status(kr_crypto_envelope_seal(bytes, bytes + 24, 1000, &header, TEXT, uuid, ctx), KR_OK, "seals a plaintext that stands in its place");
	}
	tap_ok(read_back(back, bytes, 1040, TEXT, uuid) == KR_OK && memcmp(back, big, 1000) == 0, "and it comes back");
	free(bytes);
	free(back);
}

static void
test_changes(bool with_token)
{
	const char *kind = with_token ? "searchable" : "randomized";
	uint8_t bytes[100];
	uint8_t back[100];
	size_t len = sealed(bytes, with_token, 0);
	int wrong = 0;

	for (size_t bit = 0; bit < 8 * len; bit++)
	{
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		wrong += read_back(back, bytes, len, TEXT, uuid) != KR_ENVELOPE_DAMAGED;
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	tap_ok(wrong == 0, "%s: every flipped bit is rejected", kind);

	for (size_t i = 0; i < len; i++)
	{
		uint8_t was = bytes[i];

		for (int value = 0; value < 256; value++)
		{
			bytes[i] = (uint8_t) value;
			wrong += (read_back(back, bytes, len, TEXT, uuid) == KR_OK) != (value == was);
		}
		bytes[i] = was;
	}
	tap_ok(wrong == 0, "%s: every other value of every byte is rejected", kind);

	for (size_t cut = 0; cut < len; cut++)
	{
		/* an exact copy, so that the sanitizer sees a read past the end */
		uint8_t *exact = malloc(cut + 1);

		if (exact == NULL)
			abort();
		memcpy(exact, bytes, cut);
		exact = realloc(exact, cut == 0 ? 1 : cut);
		wrong += read_back(back, exact, cut, TEXT, uuid) != KR_ENVELOPE_DAMAGED;
		free(exact);
	}
	tap_ok(wrong == 0, "%s: truncation to every length is rejected", kind);

	memset(bytes + len, 0, 16);
	for (size_t more = 1; more <= 16; more++)
		wrong += read_back(back, bytes, len + more, TEXT, uuid) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "%s: bytes at the end are rejected", kind);

	tap_ok(read_back(back, bytes, len, BYTEA, uuid) == KR_ENVELOPE_DAMAGED, "%s: another base type is rejected", kind);
	tap_ok(read_back(back, bytes, len, TEXT, (const uint8_t *) "another key uuid") == KR_ENVELOPE_DAMAGED, "%s: the uuid of another key is rejected", kind);
	tap_ok(read_back(back, bytes, len, TEXT, uuid) == KR_OK, "%s: the envelope itself still opens", kind);
}

static void
test_moved_parts(void)
{
	uint8_t one[100];
	uint8_t other[100];
	uint8_t back[100];
	size_t len = sealed(one, true, 0);
	KrEnvelope header = header_of(true, 0);
	uint8_t flagged[100];

	header.counter++;
	if (kr_crypto_envelope_seal(other, plain, PLAINBYTES, &header, TEXT, uuid, ctx) != KR_OK)
		abort();
	memcpy(back, one, 36);
	memcpy(back + 36, other + 36, len - 36);
	tap_status(read_back(other, back, len, TEXT, uuid), KR_ENVELOPE_DAMAGED, "the header of another envelope is rejected");

	/* a token cut out, and the flags set as if there had been none */
	memcpy(flagged, one, 24);
	flagged[2] = 0;
	flagged[3] = 0;
	memcpy(flagged + 24, one + 36, len - 36);
	tap_status(read_back(back, flagged, len - 12, TEXT, uuid), KR_ENVELOPE_DAMAGED, "a token that was cut out is missed");

	/* the compression flag is authenticated as well: without that, ciphertext could choose how it is read */
	one[2] |= KR_ENVELOPE_COMPRESSED;
	tap_status(read_back(back, one, len, TEXT, uuid), KR_ENVELOPE_DAMAGED, "an added compression flag is rejected");
}

/* What the header alone can break: both parsers say so, and sealing does not write it. */
static void
test_rules(void)
{
	static const struct
	{
		const char *what;
		size_t at;
		uint8_t value;
		bool with_token;
	} wrongs[] = {
		{ "R2: another magic", 0, 0xFE, false },
		{ "R2: magic 0", 0, 0, false },
		{ "R3: algorithm 0", 1, 0, false },
		{ "R3: algorithm 2", 1, 2, false },
		{ "R3: algorithm 255", 1, 255, true },
		{ "R4: an unknown flag", 2, 0x04, false },
		{ "R4: an unknown flag beside known ones", 2, 0x83, true },
		{ "R5: generation 0 with a token", 3, 0, true },
		{ "R5: generation 2 with a token", 3, 2, true },
		{ "R5: generation 1 without a token", 3, 1, false },
	};
	uint8_t bytes[100];
	KrEnvelope got;
	size_t len;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
	{
		len = sealed(bytes, wrongs[i].with_token, 0);
		bytes[wrongs[i].at] = wrongs[i].value;
		memset(&got, 0xEE, sizeof(got));
		tap_ok(kr_crypto_envelope_parse(&got, bytes, len) == KR_ENVELOPE_DAMAGED && got.prefix == NULL &&
				   kr_crypto_envelope_parse_header(&got, bytes, len) == KR_ENVELOPE_DAMAGED && got.prefix == NULL,
			   "%s is rejected", wrongs[i].what);
	}

	len = sealed(bytes, false, 0);
	memset(bytes + 20, 0, 4);
	tap_status(kr_crypto_envelope_parse(&got, bytes, len), KR_ENVELOPE_DAMAGED, "R6: counter 0 is rejected");
	memset(bytes + 20, 0xFF, 4);
	tap_status(kr_crypto_envelope_parse(&got, bytes, len), KR_OK, "R6: the last counter is not");

	len = sealed(bytes, false, 0);
	if (sizeof(size_t) > 4)
	{
		size_t most = (size_t) (24 + KR_AEAD_MAX + KR_XAES_TAGBYTES);

		/* lengths are believed without a look at the bytes, so none are needed */
		tap_status(kr_crypto_envelope_parse(&got, bytes, most), KR_OK, "R7: the longest ciphertext is parsed");
		tap_status(kr_crypto_envelope_parse(&got, bytes, most + 1), KR_ENVELOPE_DAMAGED, "R7: a longer one is rejected");
	}
}

static void
test_lengths(void)
{
	uint8_t bytes[52];
	KrEnvelope got;
	KrEnvelope header = header_of(false, 0);
	int wrong = 0;

	if (kr_crypto_envelope_seal(bytes, NULL, 0, &header, TEXT, uuid, ctx) != KR_OK)
		abort();
	for (size_t len = 0; len < 40; len++)
		wrong += kr_crypto_envelope_parse(&got, bytes, len) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "R1: without a token nothing below 40 bytes is an envelope");
	tap_ok(kr_crypto_envelope_parse(&got, bytes, 40) == KR_OK && got.plaintext_len == 0, "R1: 40 bytes are one of an empty plaintext");
	for (size_t len = 0; len < 24; len++)
		wrong += kr_crypto_envelope_parse_header(&got, bytes, len) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "R1: nothing below 24 bytes is a header");
	tap_ok(kr_crypto_envelope_parse_header(&got, bytes, 24) == KR_OK && got.plaintext_len == 0, "R1: 24 bytes are one");

	header = header_of(true, 0);
	if (kr_crypto_envelope_seal(bytes, NULL, 0, &header, TEXT, uuid, ctx) != KR_OK)
		abort();
	for (size_t len = 0; len < 52; len++)
		wrong += kr_crypto_envelope_parse(&got, bytes, len) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "R1: with a token nothing below 52 bytes is an envelope");
	tap_ok(kr_crypto_envelope_parse(&got, bytes, 52) == KR_OK && got.plaintext_len == 0, "R1: 52 bytes are one");
	for (size_t len = 0; len < 36; len++)
		wrong += kr_crypto_envelope_parse_header(&got, bytes, len) != KR_ENVELOPE_DAMAGED;
	tap_ok(wrong == 0, "R1: with a token nothing below 36 bytes is a header");
	tap_ok(kr_crypto_envelope_parse_header(&got, bytes, 36) == KR_OK && got.token == bytes + 24, "R1: 36 bytes are one");
}

/* The short cut to the token finds it in what is parsed, and nowhere else. */
static void
test_token_short_cut(void)
{
	uint8_t bytes[100];
	size_t len;
	int wrong = 0;
	int found = 0;
	int lacking = 0;

	for (int i = 0; i < 2 * 36 * 256; i++)
	{
		KrEnvelope got;
		const uint8_t *at;
		bool whole;
		bool lacks;

		len = sealed(bytes, i % 2 == 1, 0);
		memset(bytes + 20, 0, 3); /* one byte more makes the counter 0 */
		bytes[i / 512] = (uint8_t) (i / 2 % 256);
		at = kr_crypto_envelope_token(bytes, len);
		found += at != NULL;
		whole = kr_crypto_envelope_parse(&got, bytes, len) == KR_OK;
		wrong += at != (whole ? got.token : NULL);
		lacks = kr_crypto_envelope_lacks_token(bytes, len);
		lacking += lacks;
		wrong += lacks != (whole && got.token == NULL);
	}
	len = sealed(bytes, true, 0);
	for (size_t cut = 0; cut <= len; cut++)
		wrong += (kr_crypto_envelope_token(bytes, cut) != NULL) != (cut >= 52);
	len = sealed(bytes, false, 0);
	for (size_t cut = 0; cut <= len; cut++)
		wrong += kr_crypto_envelope_lacks_token(bytes, cut) != (cut >= 40);
	tap_ok(wrong == 0 && found > 7000 && lacking > 7000, "the short cuts to the token agree with the parser");
}

/* What only compares is found to have the token, and opens under no key. */
static void
test_token_only(void)
{
	uint8_t bytes[KR_ENVELOPE_TOKEN_ONLY];
	uint8_t opened[KR_ENVELOPE_TOKEN_ONLY];
	KrEnvelope got;

	kr_crypto_envelope_token_only(bytes, token);
	tap_status(kr_crypto_envelope_parse(&got, bytes, sizeof(bytes)), KR_OK, "a token alone is parsed as an envelope");
	tap_ok(got.token != NULL && memcmp(got.token, token, KR_TOKENBYTES) == 0 &&
			   kr_crypto_envelope_token(bytes, sizeof(bytes)) == got.token,
		   "and has its token");
	tap_status(kr_crypto_envelope_open(opened, &got, bytes, TEXT, uuid, ctx), KR_ENVELOPE_DAMAGED, "but does not open");
}

static void
test_refusals(void)
{
	uint8_t bytes[100];
	KrEnvelope header = header_of(false, 0);

	header.counter = 0;
	tap_status(kr_crypto_envelope_seal(bytes, plain, PLAINBYTES, &header, TEXT, uuid, ctx), KR_CRYPTO_FAILED, "a counter that wrapped to 0 seals nothing");
	header = header_of(false, 0x40);
	tap_status(kr_crypto_envelope_seal(bytes, plain, PLAINBYTES, &header, TEXT, uuid, ctx), KR_CRYPTO_FAILED, "an unknown flag is not written");
	header = header_of(true, 0);
	header.token_generation = 0;
	tap_status(kr_crypto_envelope_seal(bytes, plain, PLAINBYTES, &header, TEXT, uuid, ctx), KR_CRYPTO_FAILED, "a token without a generation is not written");
	header = header_of(false, 0);
	header.token_generation = 1;
	tap_status(kr_crypto_envelope_seal(bytes, plain, PLAINBYTES, &header, TEXT, uuid, ctx), KR_CRYPTO_FAILED, "a generation without a token is not written");
}

int
main(void)
{
	ctx = kr_crypto_xaes_new();
	if (kr_crypto_xaes_rekey(ctx, prefix, key) != KR_OK)
		abort();
	test_layout();
	test_round_trip();
	test_changes(false);
	test_changes(true);
	test_moved_parts();
	test_rules();
	test_lengths();
	test_token_short_cut();
	test_token_only();
	test_refusals();
	tap_ok(ERR_peek_error() == 0, "nothing is left in OpenSSL's error queue");
	kr_crypto_xaes_free(ctx);
	return tap_done();
}
