/*
 * test/fuzz/fuzz_envelope.c
 *
 * Any bytes at all as an envelope: they are parsed exactly when the rules of
 * doc/envelope.md section 3 say so, and opened only when they are what sealing
 * would have written. Then the same bytes as a plaintext: sealed, read back,
 * changed in one place, rejected. Keys are those of the page's test vectors.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "crypto/envelope.h"

#define TEXT 25

static uint8_t dek[KR_XAES_KEYBYTES];
static uint8_t uuid[KR_ENVELOPE_UUIDBYTES];
static KrXaesContext *ctx;

static void
start(void)
{
	if (ctx != NULL)
		return;
	for (size_t i = 0; i < sizeof(dek); i++)
		dek[i] = (uint8_t) i;
	for (size_t i = 0; i < sizeof(uuid); i++)
		uuid[i] = (uint8_t) (0x11 * i);
	ctx = kr_crypto_xaes_new();
	check(ctx != NULL);
}

/* Memory of exactly this size, so that the sanitizer sees one byte too many. */
static uint8_t *
exactly(size_t len)
{
	uint8_t *bytes = malloc(len == 0 ? 1 : len);

	check(bytes != NULL);
	return bytes;
}

/* R1 to R6, written down a second time; R7 needs more bytes than there are. */
static bool
is_allowed(const uint8_t *data, size_t len, size_t rest)
{
	bool has_token = len > 2 && (data[2] & 1) != 0;
	size_t header_len = has_token ? 36 : 24;

	return len >= header_len + rest && data[0] == 0xFF && data[1] == 1 && data[2] < 4 &&
		data[3] == (has_token ? 1 : 0) && (data[20] | data[21] | data[22] | data[23]) != 0;
}

static void
check_open(const KrEnvelope *envelope, const uint8_t *data, size_t len)
{
	uint8_t *plain = exactly(envelope->plaintext_len);
	uint8_t *again = exactly(len);
	KrStatus status;

	check(kr_crypto_xaes_rekey(ctx, envelope->prefix, dek) == KR_OK);
	memset(plain, 0xEE, envelope->plaintext_len);
	status = kr_crypto_envelope_open(plain, envelope, data, TEXT, uuid, ctx);
	if (status == KR_OK)
	{
		check(kr_crypto_envelope_seal(again, plain, envelope->plaintext_len, envelope, TEXT, uuid, ctx) == KR_OK);
		check(memcmp(again, data, len) == 0);
	}
	else
	{
		check(status == KR_ENVELOPE_DAMAGED);
		for (size_t i = 0; i < envelope->plaintext_len; i++)
			check(plain[i] == 0);
	}
	free(plain);
	free(again);
}

static void
check_parse(const uint8_t *data, size_t len)
{
	KrEnvelope envelope;
	KrEnvelope header;
	bool parsed = kr_crypto_envelope_parse(&envelope, data, len) == KR_OK;
	bool parsed_header = kr_crypto_envelope_parse_header(&header, data, len) == KR_OK;

	check(parsed == is_allowed(data, len, 16));
	check(parsed_header == is_allowed(data, len, 0));
	if (parsed_header)
	{
		check(header.prefix == data + 8);
		check(header.token == ((header.flags & KR_ENVELOPE_HAS_TOKEN) != 0 ? data + 24 : NULL));
		check(header.plaintext_len == 0);
	}
	if (!parsed)
		return;
	check(envelope.header_len == header.header_len && envelope.counter == header.counter &&
		  envelope.key_tag == header.key_tag && envelope.flags == header.flags);
	check(envelope.header_len + envelope.plaintext_len + KR_XAES_TAGBYTES == len);
	check_open(&envelope, data, len);
}

/* The first 31 bytes are a header and the place of a change, the rest a plaintext. */
static void
check_round_trip(const uint8_t *data, size_t len)
{
	const uint8_t *plain = data + 31;
	size_t plain_len = len < 31 ? 0 : len - 31;
	bool with_token;
	KrEnvelope header;
	KrEnvelope parsed;
	uint8_t *bytes;
	uint8_t *back;
	size_t size;
	size_t place;

	if (len < 31)
		return;
	with_token = (data[0] & 1) != 0;
	header = (KrEnvelope){
		.flags = data[0] & KR_ENVELOPE_COMPRESSED,
		.token_generation = with_token ? KR_ENVELOPE_TOKEN_GENERATION : 0,
		.key_tag = data[1],
		.counter = (uint32_t) data[2] + 1,
		.prefix = data + 3,
		.token = with_token ? data + 15 : NULL,
	};
	size = kr_crypto_envelope_size(plain_len, with_token);
	bytes = exactly(size);
	back = exactly(plain_len);
	check(kr_crypto_xaes_rekey(ctx, header.prefix, dek) == KR_OK);
	check(kr_crypto_envelope_seal(bytes, plain, plain_len, &header, TEXT, uuid, ctx) == KR_OK);
	check(kr_crypto_envelope_parse(&parsed, bytes, size) == KR_OK);
	check(kr_crypto_envelope_open(back, &parsed, bytes, TEXT, uuid, ctx) == KR_OK);
	check(memcmp(back, plain, plain_len) == 0);

	place = ((size_t) data[27] << 16 | (size_t) data[28] << 8 | data[29]) % size;
	bytes[place] ^= (uint8_t) (1 << data[30] % 8);
	if (kr_crypto_envelope_parse(&parsed, bytes, size) == KR_OK)
	{
		check(kr_crypto_xaes_rekey(ctx, parsed.prefix, dek) == KR_OK);
		check(kr_crypto_envelope_open(back, &parsed, bytes, TEXT, uuid, ctx) == KR_ENVELOPE_DAMAGED);
	}
	free(bytes);
	free(back);
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	start();
	check_parse(data, len);
	check_round_trip(data, len);
	return 0;
}
