/*
 * src/keys/ring.c
 *
 * The key rows that this backend has read. An invalidation only sets a flag:
 * it can arrive anywhere, also while a row is in use. The rows are read anew at
 * the next look-up, and what was derived from a key that is still the same is kept.
 */
#include "postgres.h"

#include "access/xact.h"
#include "keys/contexts.h"
#include "keys/ring.h"
#include "miscadmin.h"
#include "pg/errcodes.h"
#include "pg/extension.h"
#include "pg/report.h"
#include "utils/inval.h"
#include "utils/memutils.h"

static MemoryContext ring_context = NULL;
static KrKey **keys = NULL;
static int nkeys = 0;
static KrKey *primary = NULL;
static KrKey *last_found = NULL;
static bool stale = true;
static Oid key_relation = InvalidOid;

static void
forget_rows(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == key_relation)
		stale = true;
}

static void
forget_relation(void)
{
	key_relation = InvalidOid;
	stale = true;
}

static bool
same_key(const KrWrapped *a, const KrWrapped *b)
{
	return a->wrap_len == b->wrap_len &&
		memcmp(a, b, offsetof(KrWrapped, wrap) + a->wrap_len) == 0;
}

/* Takes a key over from the former ring, so that its contexts need not be derived again. */
static KrKey *
take_over(const KrKeyRow *row, KrKey **former, int nformer)
{
	for (int i = 0; i < nformer; i++)
	{
		KrKey *key = former[i];

		if (key != NULL && key->row.tag == row->tag && same_key(&key->row.wrapped, &row->wrapped))
		{
			former[i] = NULL;
			key->row = *row;
			return key;
		}
	}
	return NULL;
}

static void
drop_key(KrKey *key)
{
	kr_keys_forget_openers(key->ref.generation);
	kr_crypto_xaes_free(key->sealer.context);
	kr_crypto_token_free(key->token);
	pfree(key);
}

static void
install(List *rows)
{
	MemoryContext caller = MemoryContextSwitchTo(ring_context);
	KrKey **fresh = palloc0(sizeof(KrKey *) * Max(list_length(rows), 1));
	KrKey **former = keys;
	int nformer = nkeys;
	int n = 0;
	ListCell *lc;

	primary = NULL;
	last_found = NULL;
	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);
		KrKey *key = take_over(row, former, nformer);

		if (key == NULL)
		{
			key = palloc0(sizeof(KrKey));
			key->row = *row;
		}
		if (row->state == KR_KEY_PRIMARY)
			primary = key;
		fresh[n++] = key;
	}
	keys = fresh;
	nkeys = n;

	for (int i = 0; i < nformer; i++)
	{
		if (former[i] != NULL)
			drop_key(former[i]);
	}
	if (former != NULL)
		pfree(former);
	MemoryContextSwitchTo(caller);
}

/*
 * Under a page lock the catalog cannot be read; there, what is known must do: the
 * rows are at worst those of the statement's begin.
 */
static void
refresh(void)
{
	MemoryContext scratch;
	MemoryContext caller;

	if (!stale || InterruptHoldoffCount > 0)
		return;

	if (ring_context == NULL)
		ring_context = AllocSetContextCreate(TopMemoryContext, "keyring keys", ALLOCSET_SMALL_SIZES);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "keyring key rows", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(scratch);

	/* cleared first: a message that arrives during the scan must set it again */
	stale = false;
	PG_TRY();
	{
		key_relation = kr_pg_relation("keyring_key");
		install(kr_keys_store_read());
	}
	PG_CATCH();
	{
		stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

KrKey *
kr_keys_by_tag(uint32 tag)
{
	if (stale)
		refresh();
	if (last_found != NULL && last_found->row.tag == tag)
		return last_found;
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i]->row.tag == tag)
			return last_found = keys[i];
	}
	return NULL;
}

KrKey *
kr_keys_by_id(int32 id)
{
	refresh();
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i]->row.id == id)
			return keys[i];
	}
	return NULL;
}

KrKey *
kr_keys_primary(void)
{
	if (stale)
		refresh();
	return primary;
}

KrKey *
kr_keys_for_tokens(void)
{
	if (stale)
		refresh();
	if (primary != NULL)
		return primary;
	for (int i = nkeys - 1; i >= 0; i--)
	{
		if (keys[i]->row.state != KR_KEY_DESTROYED)
			return keys[i];
	}
	return NULL;
}

void
kr_keys_fail(const KrKey *key, KrStatus status, const KrKmsReport *report, const char *doing)
{
	KrFailure failure = {
		.status = status,
		.key_id = key->row.id,
		.label = key->row.label,
		.message = report ? report->message : NULL,
		.hint = report ? report->hint : NULL
	};

	kr_pg_throw(&failure, doing);
}

/* Once a transaction is enough to know which keys are in use, and cheap enough. */
static void
touch(KrKey *key)
{
	key->touched = GetCurrentTransactionStartTimestamp();
	kr_keys_cache_touch(&key->ref);
}

/* Has the key's material fetched unless it is in the cache. Throws KR004 only. */
static KrStatus
acquire(KrKey *key, KrKmsReport *report, const char *doing)
{
	if (kr_keys_cache_valid(&key->ref))
	{
		if (key->touched != GetCurrentTransactionStartTimestamp())
			touch(key);
		return KR_OK;
	}
	if (key->row.state == KR_KEY_DESTROYED)
		ereport(ERROR,
				(errcode(KR_ERRCODE_KEY_DESTROYED),
				 errmsg("could not %s with %s: the key has been destroyed", doing,
						kr_pg_key_words(key->row.id, key->row.label)),
				 errhint("Values under it cannot be read any more; restore them from elsewhere.")));

	kr_keys_forget_openers(key->ref.generation);
	key->ref.generation = 0;
	return kr_keys_cache_acquire(&key->ref, &key->row.wrapped, report);
}

void
kr_keys_ready(KrKey *key, const char *doing)
{
	KrKmsReport report;
	KrStatus status = acquire(key, &report, doing);

	if (status != KR_OK)
		kr_keys_fail(key, status, &report, doing);
}

bool
kr_keys_ready_to_verify(KrKey *key)
{
	KrKmsReport report;

	if (acquire(key, &report, "verify an envelope") == KR_OK)
		return true;
	if (key->warned == GetCurrentTransactionStartTimestamp())
		return false;
	key->warned = GetCurrentTransactionStartTimestamp();
	ereport(WARNING,
			(errmsg("envelopes under %s are taken in without being verified",
					kr_pg_key_words(key->row.id, key->row.label)),
			 report.message[0] ? errdetail("The key is not available: %s.", report.message) : 0,
			 errhint("%s", report.hint)));
	return false;
}

void
kr_keys_ring_init(void)
{
	CacheRegisterRelcacheCallback(forget_rows, (Datum) 0);
	kr_pg_on_change(forget_relation);
}
