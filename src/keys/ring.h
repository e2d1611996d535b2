/*
 * src/keys/ring.h
 *
 * The keys of this database as this backend knows them: the catalog rows it has
 * read, and what it derived from each. Rows are kept until an invalidation of
 * keyring_key arrives; that is how a backend learns of a new primary, and why a
 * rolled-back activation leaves nothing behind.
 */
#ifndef KR_KEYS_RING_H
#define KR_KEYS_RING_H

#include "keys/dek_cache.h"
#include "keys/store.h"
#include "pg/compat.h"

/* How this process numbers its envelopes: one random prefix, then a counter (doc/envelope.md). */
typedef struct KrSealer
{
	KrXaesContext *context; /* keyed for prefix; NULL until used */
	uint64 generation;      /* of the slot it was derived from */
	uint8 prefix[KR_XAES_PREFIXBYTES];
	uint32 counter; /* last one used */
	TimestampTz prefix_since;
	TimestampTz transaction; /* start of the last transaction that sealed */
	int pid;
} KrSealer;

typedef struct KrKey
{
	KrKeyRow row;
	KrCacheRef ref;
	TimestampTz touched; /* statement in which the cache was last told that the key is in use */
	TimestampTz warned;  /* transaction that was last told that envelopes cannot be verified */
	KrSealer sealer;
	KrTokenContext *token; /* NULL until used */
	uint64 token_generation;
} KrKey;

/*
 * All of these may read the catalog. Pointers stay valid until the next call of any of
 * them: look a key up, use it, forget it.
 */
extern KrKey *kr_keys_by_tag(uint32 tag); /* NULL: unknown to this database */
extern KrKey *kr_keys_by_id(int32 id);    /* NULL: unknown */
extern KrKey *kr_keys_primary(void);      /* NULL: there is none */

/* All keys, destroyed ones too, oldest first. */
extern KrKey **kr_keys_all(int *count);

/* The key that yielded the token key last: the primary, or the one that was set while that could not be had. */
extern KrKey *kr_keys_token_source(void);
extern void kr_keys_set_token_source(KrKey *key);

/* Whether the key's material is in the cache and key->ref valid. The hot path: no lock, never waits. */
extern bool kr_keys_is_ready(KrKey *key);

/* Has the key fetched unless it is in the cache; waits where that is allowed. KR_KMS_DESTROYED also when it is our key. */
extern KrStatus kr_keys_acquire(KrKey *key, KrKmsReport *report);

/*
 * Makes sure that the key's material is in the cache and key->ref valid; throws with the
 * SQLSTATE of what stands in the way. doing: "open a value".
 */
extern void kr_keys_ready(KrKey *key, const char *doing);

/*
 * The same for envelopes that come from outside. False when the key's provider does not yield it,
 * which a WARNING says once a transaction; KR004 when the key has been destroyed.
 */
extern bool kr_keys_ready_to_verify(KrKey *key);

/* The context that opens what was sealed under this prefix, keyed; throws. The key is ready. */
extern KrXaesContext *kr_keys_opener(KrKey *key, const uint8 *prefix, const char *doing);

/* Takes the next nonce: sealer->prefix, counter and context are what to seal with. The key is ready. */
extern KrSealer *kr_keys_sealer(KrKey *key);

/*
 * The primary or, while that cannot be had, another key of the database, since each holds its token key; ready, and key->token
 * is that context. Throws KR007 when there is no key at all, and what is wrong with the primary when none can be had.
 */
extern KrKey *kr_keys_for_tokens(const char *doing);
extern KrTokenContext *kr_keys_token_context(void);

/* Throws for this key: "could not <doing> with key 3 (label): ..." */
pg_noreturn extern void kr_keys_fail(const KrKey *key, KrStatus status, const KrKmsReport *report, const char *doing);

/* Registers the callbacks; from _PG_init. */
extern void kr_keys_ring_init(void);

#endif
