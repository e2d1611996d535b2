/*
 * src/keys/contexts.c
 *
 * Cipher contexts of this process. A context holds the sub-key of one nonce
 * prefix, never the data key: that is read from shared memory, under the cache's
 * lock, for the moment of a derivation. Each context remembers the generation
 * of the slot it came from; generations are never given out twice, so a generation and a
 * prefix name a sub-key.
 *
 * Rows of one table were mostly written by few processes, so a small table of openers,
 * indexed by a byte of the prefix (which is random), nearly always hits.
 */
#include "postgres.h"

#include "access/xact.h"
#include "crypto/random.h"
#include "keys/contexts.h"
#include "keys/ring.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#define KR_OPENERS 256

/*
 * Cloned machines share a prefix at most this long, and only in a transaction that was open when they were
 * cloned: the next one that either draws is its own (crypto/random.h).
 */
#define KR_PREFIX_LIFETIME_MS 60000

typedef struct KrOpener
{
	uint64 generation; /* 0 = empty */
	uint8 prefix[KR_XAES_PREFIXBYTES];
	KrXaesContext *context;
} KrOpener;

static KrOpener openers[KR_OPENERS];

typedef struct KrDerivation
{
	KrXaesContext *context;
	const uint8 *prefix;
} KrDerivation;

static KrStatus
derive(const KrSecret *material, void *arg)
{
	KrDerivation *derivation = arg;

	return kr_crypto_xaes_rekey(derivation->context, derivation->prefix,
								kr_crypto_material_dek(material));
}

/* Derives from the key's material; fetches the key again when it was evicted this very moment. */
static void
use_material(KrKey *key, KrStatus (*use)(const KrSecret *material, void *arg), void *arg, const char *doing)
{
	KrStatus status = KR_CRYPTO_FAILED;

	while (!kr_keys_cache_use(&key->ref, use, arg, &status))
		kr_keys_ready(key, doing);
	if (status != KR_OK)
		kr_keys_fail(key, status, NULL, doing);
}

static void
out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("OpenSSL could not allocate a cipher context.")));
}

KrXaesContext *
kr_keys_opener(KrKey *key, const uint8 *prefix, const char *doing)
{
	KrOpener *opener = &openers[prefix[KR_XAES_PREFIXBYTES - 1]];
	KrDerivation derivation;

	if (opener->generation == key->ref.generation &&
		memcmp(opener->prefix, prefix, KR_XAES_PREFIXBYTES) == 0)
		return opener->context;

	opener->generation = 0;
	if (opener->context == NULL)
		opener->context = kr_crypto_xaes_new();
	if (opener->context == NULL)
		out_of_memory();
	derivation.context = opener->context;
	derivation.prefix = prefix;
	use_material(key, derive, &derivation, doing);
	memcpy(opener->prefix, prefix, KR_XAES_PREFIXBYTES);
	opener->generation = key->ref.generation;
	return opener->context;
}

void
kr_keys_forget_openers(uint64 generation)
{
	if (generation == 0)
		return;
	for (int i = 0; i < KR_OPENERS; i++)
	{
		if (openers[i].generation == generation)
		{
			kr_crypto_xaes_free(openers[i].context);
			openers[i].context = NULL;
			openers[i].generation = 0;
		}
	}
}

static bool
needs_prefix(KrSealer *sealer, uint64 generation)
{
	TimestampTz transaction = GetCurrentTransactionStartTimestamp();
	bool first_of_transaction = sealer->transaction != transaction;

	sealer->transaction = transaction;
	if (sealer->context == NULL || sealer->generation != generation ||
		sealer->pid != MyProcPid || sealer->counter == PG_UINT32_MAX)
		return true;
	return first_of_transaction &&
		TimestampDifferenceExceeds(sealer->prefix_since, transaction, KR_PREFIX_LIFETIME_MS);
}

static void
new_prefix(KrKey *key, KrSealer *sealer)
{
	KrDerivation derivation;
	KrStatus status;

	/* counter at its end: nothing may be sealed should this fail half way */
	sealer->counter = PG_UINT32_MAX;
	if (sealer->context == NULL)
		sealer->context = kr_crypto_xaes_new();
	if (sealer->context == NULL)
		out_of_memory();
	status = kr_crypto_random(sealer->prefix, sizeof(sealer->prefix));
	if (status != KR_OK)
		kr_keys_fail(key, status, NULL, "seal a value");

	derivation.context = sealer->context;
	derivation.prefix = sealer->prefix;
	use_material(key, derive, &derivation, "seal a value");
	sealer->generation = key->ref.generation;
	sealer->pid = MyProcPid;
	sealer->prefix_since = GetCurrentTimestamp();
	sealer->counter = 0;
}

KrSealer *
kr_keys_sealer(KrKey *key)
{
	KrSealer *sealer = &key->sealer;

	if (needs_prefix(sealer, key->ref.generation))
		new_prefix(key, sealer);
	sealer->counter++;
	return sealer;
}
