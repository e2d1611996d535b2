/*
 * src/crypto/envelope.h
 *
 * The stored form of one sealed value, version 1. doc/envelope.md is the
 * specification and says what a reader must reject.
 *
 *   0  1  magic 0xFF
 *   1  1  version and algorithm: 1 = XAES-256-GCM
 *   2  1  flags: 1 token present, 2 plaintext was compressed
 *   3  1  token key generation; 0 without a token
 *   4  4  key tag
 *   8 12  nonce prefix
 *  20  4  nonce counter
 *  24 12  token, only if flagged
 *   .  n  ciphertext
 *   . 16  tag
 *
 * All numbers are big-endian. Additional data = header with token || base
 * type Oid (4 bytes) || the key's uuid (16 bytes).
 */
#ifndef KR_CRYPTO_ENVELOPE_H
#define KR_CRYPTO_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/token.h"
#include "crypto/xaes.h"

#define KR_ENVELOPE_MAGIC 0xFF
#define KR_ENVELOPE_XAES 1
#define KR_ENVELOPE_HAS_TOKEN 0x01
#define KR_ENVELOPE_COMPRESSED 0x02
#define KR_ENVELOPE_TOKEN_GENERATION 1
#define KR_ENVELOPE_HEADERBYTES 24
#define KR_ENVELOPE_HEADERMAX (KR_ENVELOPE_HEADERBYTES + KR_TOKENBYTES)
#define KR_ENVELOPE_UUIDBYTES 16
#define KR_ENVELOPE_AADMAX (KR_ENVELOPE_HEADERMAX + 4 + KR_ENVELOPE_UUIDBYTES)

/* A parsed header. Pointers lead into the parsed bytes. */
typedef struct KrEnvelope
{
	uint8_t algorithm;
	uint8_t flags;
	uint8_t token_generation;
	uint32_t key_tag;
	uint32_t counter;
	const uint8_t *prefix; /* KR_XAES_PREFIXBYTES */
	const uint8_t *token;  /* KR_TOKENBYTES, or NULL */
	size_t header_len;     /* 24 or 36 */
	size_t plaintext_len;  /* bytes between header and tag; 0 after kr_crypto_envelope_parse_header */
} KrEnvelope;

/* Bytes of what has a token and nothing else. */
#define KR_ENVELOPE_TOKEN_ONLY (KR_ENVELOPE_HEADERMAX + KR_XAES_TAGBYTES)

/* Writes a header with this token, of no key, and a tag of zeros: it compares as an envelope, and never opens. */
extern void kr_crypto_envelope_token_only(uint8_t out[KR_ENVELOPE_TOKEN_ONLY], const uint8_t token[KR_TOKENBYTES]);

/* Size of the envelope of a plaintext of this length. */
extern size_t kr_crypto_envelope_size(size_t plaintext_len, bool with_token);

/*
 * Parses a whole envelope; KR_ENVELOPE_DAMAGED for anything that doc/envelope.md
 * tells a reader to reject. No key is needed; nothing is verified yet.
 */
extern KrStatus kr_crypto_envelope_parse(KrEnvelope *out, const uint8_t *bytes, size_t len) KR_MUST_CHECK;

/* The same from a leading slice of at least 24 (with a token flag: 36) bytes, the rest not looked at. */
extern KrStatus kr_crypto_envelope_parse_header(KrEnvelope *out, const uint8_t *bytes, size_t len) KR_MUST_CHECK;

/*
 * The token of a whole envelope, or NULL: it has none, or a reader must reject it, which is for kr_crypto_envelope_parse
 * to say. Inline, since comparisons of tokens do little else.
 */
static inline const uint8_t *
kr_crypto_envelope_token(const uint8_t *bytes, size_t len)
{
	const uint8_t *counter = bytes + KR_ENVELOPE_HEADERBYTES - 4;

	if (len < KR_ENVELOPE_HEADERMAX + KR_XAES_TAGBYTES || bytes[0] != KR_ENVELOPE_MAGIC || bytes[1] != KR_ENVELOPE_XAES ||
		(bytes[2] & ~KR_ENVELOPE_COMPRESSED) != KR_ENVELOPE_HAS_TOKEN || bytes[3] != KR_ENVELOPE_TOKEN_GENERATION ||
		(counter[0] | counter[1] | counter[2] | counter[3]) == 0)
		return NULL;
	return bytes + KR_ENVELOPE_HEADERBYTES;
}

/* Whether a whole envelope is one without a token that a reader need not reject. */
static inline bool
kr_crypto_envelope_lacks_token(const uint8_t *bytes, size_t len)
{
	const uint8_t *counter = bytes + KR_ENVELOPE_HEADERBYTES - 4;

	return len >= KR_ENVELOPE_HEADERBYTES + KR_XAES_TAGBYTES && bytes[0] == KR_ENVELOPE_MAGIC &&
		bytes[1] == KR_ENVELOPE_XAES && (bytes[2] & ~KR_ENVELOPE_COMPRESSED) == 0 && bytes[3] == 0 &&
		(counter[0] | counter[1] | counter[2] | counter[3]) != 0;
}

/*
 * Seals in to out, which has room for kr_crypto_envelope_size(in_len, header->token != NULL).
 * in may lie in out where the ciphertext will stand, and must not overlap it otherwise.
 * header gives flags (the token flag follows from token), token generation, key
 * tag, counter, prefix and token; ctx is keyed for that prefix. A header that a
 * reader must reject is refused with KR_CRYPTO_FAILED: among them is counter 0, so that
 * a counter which wrapped cannot repeat a nonce.
 */
extern KrStatus kr_crypto_envelope_seal(uint8_t *out, const uint8_t *in, size_t in_len,
										const KrEnvelope *header, uint32_t base_type,
										const uint8_t uuid[KR_ENVELOPE_UUIDBYTES], KrXaesContext *ctx) KR_MUST_CHECK;

/*
 * Verifies and decrypts a parsed envelope to out, room for envelope->plaintext_len.
 * bytes is what was parsed. Failures as for kr_crypto_xaes_open; out is zeroed then.
 */
extern KrStatus kr_crypto_envelope_open(uint8_t *out, const KrEnvelope *envelope, const uint8_t *bytes,
										uint32_t base_type, const uint8_t uuid[KR_ENVELOPE_UUIDBYTES],
										KrXaesContext *ctx) KR_MUST_CHECK;

#endif
