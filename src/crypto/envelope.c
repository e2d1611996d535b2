/*
 * src/crypto/envelope.c
 *
 * Builds and parses envelopes. Numbers such as R3 are the rules of
 * doc/envelope.md section 3; what is said there and what is done here must be
 * the same.
 */
#include "crypto/envelope.h"

#include <string.h>

#include <openssl/crypto.h>

#include "crypto/aead.h"
#include "crypto/bytes.h"

#define KNOWN_FLAGS (KR_ENVELOPE_HAS_TOKEN | KR_ENVELOPE_COMPRESSED)
#define TYPEBYTES 4

size_t
kr_crypto_envelope_size(size_t plaintext_len, bool with_token)
{
	return (with_token ? KR_ENVELOPE_HEADERMAX : KR_ENVELOPE_HEADERBYTES) + plaintext_len + KR_XAES_TAGBYTES;
}

/* R2 to R6: everything that the header alone can break. */
static bool
header_is_allowed(uint8_t magic, const KrEnvelope *header)
{
	bool has_token = (header->flags & KR_ENVELOPE_HAS_TOKEN) != 0;

	return magic == KR_ENVELOPE_MAGIC &&                                              /* R2 */
		header->algorithm == KR_ENVELOPE_XAES &&                                      /* R3 */
		(header->flags & ~KNOWN_FLAGS) == 0 &&                                        /* R4 */
		header->token_generation == (has_token ? KR_ENVELOPE_TOKEN_GENERATION : 0) && /* R5 */
		header->counter != 0;                                                         /* R6 */
}

/* Reads a header; on return the reader stands behind it. */
static KrStatus
read_header(KrEnvelope *out, KrByteReader *reader)
{
	KrEnvelope header = { 0 };
	const size_t before = reader->left;
	uint8_t magic = kr_crypto_read_u8(reader);

	header.algorithm = kr_crypto_read_u8(reader);
	header.flags = kr_crypto_read_u8(reader);
	header.token_generation = kr_crypto_read_u8(reader);
	header.key_tag = kr_crypto_read_u32(reader);
	header.prefix = kr_crypto_read_bytes(reader, KR_XAES_PREFIXBYTES);
	header.counter = kr_crypto_read_u32(reader);
	if ((header.flags & KR_ENVELOPE_HAS_TOKEN) != 0)
		header.token = kr_crypto_read_bytes(reader, KR_TOKENBYTES);
	header.header_len = before - reader->left;

	if (reader->overrun || !header_is_allowed(magic, &header)) /* R1 for the header */
	{
		*out = (KrEnvelope){ 0 };
		return KR_ENVELOPE_DAMAGED;
	}
	*out = header;
	return KR_OK;
}

KrStatus
kr_crypto_envelope_parse_header(KrEnvelope *out, const uint8_t *bytes, size_t len)
{
	KrByteReader reader = kr_crypto_reader(bytes, len);

	return read_header(out, &reader);
}

KrStatus
kr_crypto_envelope_parse(KrEnvelope *out, const uint8_t *bytes, size_t len)
{
	KrByteReader reader = kr_crypto_reader(bytes, len);
	KrStatus status = read_header(out, &reader);

	if (status != KR_OK)
		return status;
	if (reader.left < KR_XAES_TAGBYTES ||                          /* R1 */
		(uint64_t) (reader.left - KR_XAES_TAGBYTES) > KR_AEAD_MAX) /* R7 */
	{
		*out = (KrEnvelope){ 0 };
		return KR_ENVELOPE_DAMAGED;
	}
	out->plaintext_len = reader.left - KR_XAES_TAGBYTES;
	return KR_OK;
}

/* The second half of the nonce, section 4: eight zero bytes, then the counter. */
static void
make_iv(uint8_t iv[KR_XAES_IVBYTES], uint32_t counter)
{
	KrByteWriter writer = kr_crypto_writer(iv + KR_XAES_IVBYTES - sizeof(counter), sizeof(counter));

	memset(iv, 0, KR_XAES_IVBYTES);
	kr_crypto_write_u32(&writer, counter);
}

/* Additional data, section 5: header || base type || uuid. Returns its length. */
static size_t
make_aad(uint8_t aad[KR_ENVELOPE_AADMAX], const uint8_t *header, size_t header_len, uint32_t base_type,
		 const uint8_t uuid[KR_ENVELOPE_UUIDBYTES])
{
	KrByteWriter writer = kr_crypto_writer(aad, KR_ENVELOPE_AADMAX);

	kr_crypto_write_bytes(&writer, header, header_len);
	kr_crypto_write_u32(&writer, base_type);
	kr_crypto_write_bytes(&writer, uuid, KR_ENVELOPE_UUIDBYTES);
	return header_len + TYPEBYTES + KR_ENVELOPE_UUIDBYTES;
}

static void
write_header(uint8_t *out, size_t len, const KrEnvelope *header)
{
	KrByteWriter writer = kr_crypto_writer(out, len);

	kr_crypto_write_u8(&writer, KR_ENVELOPE_MAGIC);
	kr_crypto_write_u8(&writer, header->algorithm);
	kr_crypto_write_u8(&writer, header->flags);
	kr_crypto_write_u8(&writer, header->token_generation);
	kr_crypto_write_u32(&writer, header->key_tag);
	kr_crypto_write_bytes(&writer, header->prefix, KR_XAES_PREFIXBYTES);
	kr_crypto_write_u32(&writer, header->counter);
	if (header->token != NULL)
		kr_crypto_write_bytes(&writer, header->token, KR_TOKENBYTES);
}

void
kr_crypto_envelope_token_only(uint8_t out[KR_ENVELOPE_TOKEN_ONLY], const uint8_t token[KR_TOKENBYTES])
{
	static const uint8_t prefix[KR_XAES_PREFIXBYTES] = { 0 };
	const KrEnvelope header = {
		.algorithm = KR_ENVELOPE_XAES,
		.flags = KR_ENVELOPE_HAS_TOKEN,
		.token_generation = KR_ENVELOPE_TOKEN_GENERATION,
		.counter = 1,
		.prefix = prefix,
		.token = token
	};

	memset(out, 0, KR_ENVELOPE_TOKEN_ONLY);
	write_header(out, KR_ENVELOPE_HEADERMAX, &header);
}

KrStatus
kr_crypto_envelope_seal(uint8_t *out, const uint8_t *in, size_t in_len, const KrEnvelope *header, uint32_t base_type,
						const uint8_t uuid[KR_ENVELOPE_UUIDBYTES], KrXaesContext *ctx)
{
	KrEnvelope written = *header;
	uint8_t aad[KR_ENVELOPE_AADMAX];
	uint8_t iv[KR_XAES_IVBYTES];
	size_t header_len = kr_crypto_envelope_size(0, header->token != NULL) - KR_XAES_TAGBYTES;
	size_t aad_len;

	written.algorithm = KR_ENVELOPE_XAES;
	written.flags = (uint8_t) (header->flags & ~KR_ENVELOPE_HAS_TOKEN);
	if (header->token != NULL)
		written.flags |= KR_ENVELOPE_HAS_TOKEN;

	/* never writes what a reader must reject; a counter that wrapped to 0 ends here, before a nonce repeats */
	if (!header_is_allowed(KR_ENVELOPE_MAGIC, &written))
		return KR_CRYPTO_FAILED;

	write_header(out, header_len, &written);
	aad_len = make_aad(aad, out, header_len, base_type, uuid);
	make_iv(iv, written.counter);
	return kr_crypto_xaes_seal(out + header_len, in, in_len, aad, aad_len, iv, ctx);
}

KrStatus
kr_crypto_envelope_open(uint8_t *out, const KrEnvelope *envelope, const uint8_t *bytes, uint32_t base_type,
						const uint8_t uuid[KR_ENVELOPE_UUIDBYTES], KrXaesContext *ctx)
{
	uint8_t aad[KR_ENVELOPE_AADMAX];
	uint8_t iv[KR_XAES_IVBYTES];
	size_t aad_len = make_aad(aad, bytes, envelope->header_len, base_type, uuid);

	make_iv(iv, envelope->counter);
	return kr_crypto_xaes_open(out, bytes + envelope->header_len, envelope->plaintext_len + KR_XAES_TAGBYTES,
							   aad, aad_len, iv, ctx);
}
