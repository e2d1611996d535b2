/*
 * src/keys/value.c
 *
 * Seal and open one value. The way through without a miss: find the key by its
 * tag, compare the slot's generation, find the context by prefix, one call of
 * the cipher, one allocation for the result.
 */
#include "postgres.h"

#include "common/pg_lzcompress.h"
#include "keys/counters.h"
#include "keys/ring.h"
#include "keys/value.h"
#include "pg/errcodes.h"
#include "pg/guc.h"
#include "pg/report.h"
#include "storage/lockdefs.h"
#include "utils/memutils.h"

/* a compressed plaintext begins with its raw length */
#define KR_RAWLENBYTES 4

/* room for the envelope's own bytes and a varlena header, within one palloc */
#define KR_PLAINTEXTMAX (MaxAllocSize - VARHDRSZ - KR_ENVELOPE_HEADERMAX - KR_XAES_TAGBYTES)

bool kr_keys_opened_value = false;
bool kr_keys_made_searchable = false;

static const uint8 *
envelope_bytes(const struct varlena *envelope, Size *len)
{
	*len = VARSIZE_ANY_EXHDR(envelope);
	return (const uint8 *) VARDATA_ANY(envelope);
}

static void
damaged(const char *doing)
{
	KrFailure failure = { .status = KR_ENVELOPE_DAMAGED };

	kr_pg_throw(&failure, doing);
}

void
kr_keys_damaged_value(void)
{
	damaged("open a value");
	pg_unreachable();
}

static void
parse(KrEnvelope *out, const struct varlena *envelope)
{
	Size len;
	const uint8 *bytes = envelope_bytes(envelope, &len);

	if (kr_crypto_envelope_parse(out, bytes, len) != KR_OK)
		damaged("open a value");
}

static void
too_large(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("could not seal a value: it is longer than %zu bytes", (Size) KR_PLAINTEXTMAX),
			 errhint("Split the value, or store it outside of the database.")));
}

/* The compressed form, or NULL when it would not be shorter. */
static char *
compress(const char *plain, Size len, Size *compressed_len)
{
	char *out;
	int32 n;

	if (kr_guc_compress_over == 0 || len <= (Size) kr_guc_compress_over ||
		!AllocSizeIsValid(KR_RAWLENBYTES + PGLZ_MAX_OUTPUT(len)))
		return NULL;
	out = palloc(KR_RAWLENBYTES + PGLZ_MAX_OUTPUT(len));
	n = pglz_compress(plain, (int32) len, out + KR_RAWLENBYTES, PGLZ_strategy_default);
	if (n < 0 || (Size) n + KR_RAWLENBYTES >= len)
	{
		explicit_bzero(out, KR_RAWLENBYTES + PGLZ_MAX_OUTPUT(len));
		pfree(out);
		return NULL;
	}
	for (int i = 0; i < KR_RAWLENBYTES; i++)
		out[i] = (char) ((len >> (8 * (KR_RAWLENBYTES - 1 - i))) & 0xff);
	*compressed_len = KR_RAWLENBYTES + n;
	return out;
}

/* The key to seal under, ready. */
static KrKey *
sealing_key(const KrCanonical *canonical)
{
	KrKey *key = kr_keys_primary();

	if (key == NULL)
		ereport(ERROR,
				(errcode(KR_ERRCODE_NO_PRIMARY),
				 errmsg("could not seal a value: this database has no primary key"),
				 errhint("Create a key with keyring_create_key() and activate it with keyring_activate().")));
	if (canonical != NULL && canonical->operand)
		return kr_keys_for_tokens("seal a value");
	kr_keys_ready(key, "seal a value");
	return key;
}

struct varlena *
kr_keys_token_only(const uint8 *token)
{
	struct varlena *result = palloc(VARHDRSZ + KR_ENVELOPE_TOKEN_ONLY);

	kr_crypto_envelope_token_only((uint8 *) VARDATA(result), token);
	SET_VARSIZE(result, VARHDRSZ + KR_ENVELOPE_TOKEN_ONLY);
	return result;
}

static struct varlena *
seal_bytes(Oid base_type, const char *plain, Size len, uint8 flags, const KrCanonical *canonical, const uint8 *token)
{
	KrKey *key = sealing_key(canonical);
	KrSealer *sealer = kr_keys_sealer(key);
	Size size = kr_crypto_envelope_size(len, token != NULL);
	struct varlena *result = palloc(VARHDRSZ + size);
	KrEnvelope header = {
		.algorithm = KR_ENVELOPE_XAES,
		.flags = flags,
		.token_generation = token ? 1 : 0,
		.key_tag = key->row.tag,
		.counter = sealer->counter,
		.prefix = sealer->prefix,
		.token = token
	};
	KrStatus status = kr_crypto_envelope_seal((uint8 *) VARDATA(result), (const uint8 *) plain, len, &header,
											  base_type, key->row.wrapped.uuid, sealer->context);

	if (status != KR_OK)
		kr_keys_fail(key, status, NULL, "seal a value");
	SET_VARSIZE(result, VARHDRSZ + size);
	kr_keys_counters.seals++;
	return result;
}

struct varlena *
kr_keys_seal(Oid base_type, const char *plain, Size len, const KrCanonical *canonical)
{
	uint8 token[KR_TOKENBYTES];
	struct varlena *result;
	char *compressed;
	Size compressed_len = 0;

	if (len > KR_PLAINTEXTMAX)
		too_large();
	if (canonical != NULL)
	{
		/* first of all: to somebody who writes, a missing primary key is the thing to be told */
		(void) sealing_key(canonical);
		kr_keys_token(token, base_type, canonical);
		kr_keys_made_searchable = true;
	}

	compressed = compress(plain, len, &compressed_len);
	if (compressed == NULL)
		return seal_bytes(base_type, plain, len, 0, canonical, canonical ? token : NULL);

	result = seal_bytes(base_type, compressed, compressed_len, KR_ENVELOPE_COMPRESSED, canonical,
						canonical ? token : NULL);
	explicit_bzero(compressed, compressed_len);
	pfree(compressed);
	return result;
}

/* Expands a verified plaintext; what is wrong with it was wrong when it was sealed. */
static char *
decompress(char *packed, Size packed_len, Size reserve, Size *len)
{
	const uint8 *in = (const uint8 *) packed;
	char *out;
	Size raw;

	if (packed_len < KR_RAWLENBYTES)
		damaged("open a value");
	raw = ((Size) in[0] << 24) | ((Size) in[1] << 16) | ((Size) in[2] << 8) | in[3];
	if (raw > MaxAllocSize - reserve - 1)
		damaged("open a value");
	out = palloc(reserve + raw + 1);
	if (pglz_decompress(packed + KR_RAWLENBYTES, (int32) (packed_len - KR_RAWLENBYTES),
						out + reserve, (int32) raw, true) != (int32) raw)
		damaged("open a value");
	*len = raw;
	return out;
}

static char *
open_with(KrKey *key, const KrEnvelope *header, const struct varlena *envelope, Oid base_type,
		  Size reserve, Size *len)
{
	bool compressed = (header->flags & KR_ENVELOPE_COMPRESSED) != 0;
	Size offset = compressed ? 0 : reserve;
	KrXaesContext *context;
	char *out;
	char *expanded;
	Size ignored;
	KrStatus status;

	kr_keys_ready(key, "open a value");
	context = kr_keys_opener(key, header->prefix, "open a value");
	out = palloc(offset + header->plaintext_len + 1);
	status = kr_crypto_envelope_open((uint8 *) out + offset, header, envelope_bytes(envelope, &ignored),
									 base_type, key->row.wrapped.uuid, context);
	if (status != KR_OK)
		kr_keys_fail(key, status, NULL, "open a value");
	kr_keys_counters.opens++;
	kr_keys_opened_value = true;
	*len = header->plaintext_len;
	if (!compressed)
		return out;

	expanded = decompress(out, header->plaintext_len, reserve, len);
	explicit_bzero(out, header->plaintext_len);
	pfree(out);
	return expanded;
}

static void
unknown_key(uint32 tag)
{
	ereport(ERROR,
			(errcode(KR_ERRCODE_KEY_UNKNOWN),
			 errmsg("could not open a value: it was sealed under a key that this database does not have"),
			 errdetail("The key's tag is %08x.", tag),
			 errhint("Restore table keyring_key of the database that the value comes from, before or after its data.")));
}

char *
kr_keys_open_if_known(Oid base_type, const struct varlena *envelope, Size reserve, Size *len, KrReader reader)
{
	KrEnvelope header;
	KrKey *key;

	if (reader == KR_FOR_USER && kr_guc_require_reader)
		kr_keys_require_reader();
	parse(&header, envelope);
	key = kr_keys_by_tag(header.key_tag);
	if (key == NULL)
		return NULL;
	return open_with(key, &header, envelope, base_type, reserve, len);
}

char *
kr_keys_open(Oid base_type, const struct varlena *envelope, Size reserve, Size *len, KrReader reader)
{
	char *result = kr_keys_open_if_known(base_type, envelope, reserve, len, reader);

	if (result == NULL)
	{
		KrEnvelope header;

		parse(&header, envelope);
		unknown_key(header.key_tag);
	}
	return result;
}

void
kr_keys_token(uint8 *out, Oid base_type, const KrCanonical *canonical)
{
	KrTokenContext *context = kr_keys_token_context();
	KrFailure failure = {
		.status = kr_crypto_token_compute(out, (const uint8 *) canonical->bytes, canonical->len,
										  KR_TOKEN_DOMAIN_DATABASE, base_type, context)
	};

	if (failure.status != KR_OK)
		kr_pg_throw(&failure, "compute an equality token");
	kr_keys_counters.tokens++;
}

const uint8 *
kr_keys_stored_token(const struct varlena *envelope)
{
	KrEnvelope header;

	parse(&header, envelope);
	return header.token;
}

static bool
token_fits(const KrEnvelope *header, int32 typmod)
{
	int32 mode = KR_TYPMOD_MODE(typmod);

	if (mode == KR_TYPMOD_SEARCHABLE)
		kr_keys_made_searchable = true;
	return mode == KR_TYPMOD_NONE || (header->token != NULL) == (mode == KR_TYPMOD_SEARCHABLE);
}

bool
kr_keys_is_current(const struct varlena *envelope, int32 typmod)
{
	KrKey *key = kr_keys_primary();
	KrEnvelope header;

	parse(&header, envelope);
	return key != NULL && header.key_tag == key->row.tag && token_fits(&header, typmod);
}

bool
kr_keys_is_openable(const struct varlena *envelope)
{
	KrEnvelope header;
	KrKey *key;

	parse(&header, envelope);
	key = kr_keys_by_tag(header.key_tag);
	return key != NULL && kr_keys_is_ready(key);
}

/*
 * Locks the key against destruction. Destroying takes the same lock exclusively,
 * so after it is granted the state is looked at once more.
 */
static KrKey *
lock_key(uint32 tag)
{
	KrKey *key = kr_keys_by_tag(tag);

	if (key == NULL)
		return NULL;
	kr_keys_store_lock_key(key->row.id, AccessShareLock);
	return kr_keys_by_tag(tag);
}

void
kr_keys_accept(Oid base_type, const struct varlena *envelope, int32 typmod)
{
	KrEnvelope header;
	KrKey *key;
	char *plain;
	Size len;

	parse(&header, envelope);
	if (!token_fits(&header, typmod))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("could not accept an envelope: it %s an equality token, unlike its column",
						header.token ? "carries" : "lacks"),
				 errhint("Load it into a column declared %s, or load plaintext.",
						 header.token ? "(searchable)" : "(randomized)")));
	key = lock_key(header.key_tag);

	/* a restore or a subscriber without the root key stores what a standby without it stores */
	if (key == NULL || !kr_keys_ready_to_verify(key))
		return;

	/* opening is the only way to verify; nothing is shown */
	plain = open_with(key, &header, envelope, base_type, 0, &len);
	explicit_bzero(plain, len);
	pfree(plain);
}
