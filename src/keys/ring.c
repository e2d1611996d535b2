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
#include "keys/kek_health.h"
#include "keys/ring.h"
#include "miscadmin.h"
#include "pg/errcodes.h"
#include "pg/extension.h"
#include "pg/report.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static MemoryContext ring_context = NULL;
static KrKey **keys = NULL;
static int nkeys = 0;
static KrKey *primary = NULL;
static KrKey *last_found = NULL;
static KrKey *token_source = NULL;
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

/* The key of the former ring that is the same, so that its contexts need not be derived again; -1 = none. */
static int
find_former(const KrKeyRow *row)
{
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i]->row.tag == row->tag && same_key(&keys[i]->row.wrapped, &row->wrapped))
			return i;
	}
	return -1;
}

static void
drop_key(KrKey *key)
{
	kr_keys_forget_openers(key->ref.generation);
	kr_crypto_xaes_free(key->sealer.context);
	kr_crypto_token_free(key->token);
	pfree(key);
}

static bool
contains(KrKey **ring, int n, const KrKey *key)
{
	for (int i = 0; i < n; i++)
	{
		if (ring[i] == key)
			return true;
	}
	return false;
}

/*
 * The new ring: keys that are the same as before, and new ones for the other rows. Only allocates
 * and changes nothing of the live ring, so that an error here leaves that whole.
 */
static KrKey **
build(List *rows)
{
	KrKey **fresh = MemoryContextAllocZero(ring_context, sizeof(KrKey *) * Max(list_length(rows), 1));
	int n = 0;
	ListCell *lc;

	foreach(lc, rows)
	{
		int former = find_former(lfirst(lc));

		/* once: of a damaged table the rows may be twins */
		if (former >= 0 && !contains(fresh, n, keys[former]))
			fresh[n++] = keys[former];
		else
			fresh[n++] = MemoryContextAllocZero(ring_context, sizeof(KrKey));
	}
	return fresh;
}

static KrKeyRow *
find_uuid(List *rows, const uint8 *uuid)
{
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);

		if (memcmp(row->wrapped.uuid, uuid, KR_ENVELOPE_UUIDBYTES) == 0)
			return row;
	}
	return NULL;
}

/*
 * Digests of the live ring's keys that are destroyed or wrapped otherwise by now. Others may have
 * done that where no eviction of theirs reaches this server's memory: on a standby's primary, or by
 * COMMIT PREPARED. Whoever decodes old changes sees old rows, from which nothing follows.
 */
static List *
superseded(KrKey **fresh, List *rows)
{
	List *digests = NIL;

	for (int i = 0; i < nkeys && !HistoricSnapshotActive(); i++)
	{
		const KrWrapped *wrapped = &keys[i]->row.wrapped;
		uint8 *digest;

		if (wrapped->wrap_len == 0 || contains(fresh, list_length(rows), keys[i]) ||
			find_uuid(rows, wrapped->uuid) == NULL)
			continue;
		digest = palloc(KR_DIGESTBYTES);
		kr_keys_digest(digest, wrapped);
		digests = lappend(digests, digest);
	}
	return digests;
}

static void
install(List *rows)
{
	KrKey **fresh = build(rows);
	List *digests = superseded(fresh, rows);
	int n = 0;
	ListCell *lc;

	/* from here on nothing throws */
	primary = NULL;
	last_found = NULL;
	token_source = NULL;
	foreach(lc, rows)
	{
		KrKey *key = fresh[n++];

		key->row = *(KrKeyRow *) lfirst(lc);
		if (key->row.state == KR_KEY_PRIMARY)
			primary = key;
	}
	for (int i = 0; i < nkeys; i++)
	{
		if (!contains(fresh, n, keys[i]))
			drop_key(keys[i]);
	}
	if (keys != NULL)
		pfree(keys);
	keys = fresh;
	nkeys = n;
	foreach(lc, digests)
		kr_keys_cache_evict(lfirst(lc));
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
kr_keys_token_source(void)
{
	if (stale)
		refresh();
	if (token_source == NULL || (primary != NULL && kr_keys_cache_valid(&primary->ref)))
		return primary;
	return token_source;
}

void
kr_keys_set_token_source(KrKey *key)
{
	token_source = key;
}

KrKey **
kr_keys_all(int *count)
{
	if (stale)
		refresh();
	*count = nkeys;
	return keys;
}

void
kr_keys_fail(const KrKey *key, KrStatus status, const KrKmsReport *report, const char *doing)
{
	KrKekHealth kek = { 0 };
	KrFailure failure = {
		.status = status,
		.key_id = key->row.id,
		.label = key->row.label,
		.message = report ? report->message : NULL,
		.hint = report ? report->hint : NULL
	};

	/* how long there still is to act; a job shows it as what it waits for */
	if (status == KR_KMS_DESTROY_SCHEDULED && kr_keys_kek_health(&kek, &key->row.wrapped))
		failure.at = kek.description.version_destroy_time;
	kr_pg_throw(&failure, doing);
}

/*
 * Once a statement is enough to know which keys are in use and that they are still verified, and cheap
 * enough. False when the key has to be fetched.
 */
static inline bool
touch(KrKey *key)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (key->touched == statement)
		return true;
	key->touched = statement;
	return kr_keys_cache_touch(&key->ref);
}

/*
 * Before a key is asked for: what the catalog says now, which may be later than the last invalidation that
 * came. Or a key would come back into memory that has just been destroyed. The key stays where it is,
 * as its user holds a pointer; the ring is read anew when the invalidation comes.
 */
static void
look_again(KrKey *key)
{
	MemoryContext scratch;
	MemoryContext caller;
	KrKeyRow *row;

	if (InterruptHoldoffCount > 0 || CritSectionCount > 0 || HistoricSnapshotActive())
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "keyring key rows", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	row = find_uuid(kr_keys_store_read(), key->row.wrapped.uuid);
	if (row != NULL && !same_key(&row->wrapped, &key->row.wrapped))
	{
		uint8 digest[KR_DIGESTBYTES];

		kr_keys_digest(digest, &key->row.wrapped);
		kr_keys_cache_evict(digest);
		key->row.state = row->state;
		key->row.wrapped = row->wrapped;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(scratch);
}

bool
kr_keys_is_ready(KrKey *key)
{
	return kr_keys_cache_valid(&key->ref) && touch(key);
}

KrStatus
kr_keys_acquire(KrKey *key, KrKmsReport *report)
{
	KrStatus status;

	memset(report, 0, sizeof(KrKmsReport));
	if (kr_keys_is_ready(key))
		return KR_OK;
	if (key->row.state == KR_KEY_DESTROYED)
		return KR_KMS_DESTROYED;
	kr_keys_forget_openers(key->ref.generation);
	key->ref.generation = 0;
	if (kr_keys_cache_lookup(&key->ref, &key->row.wrapped))
		return KR_OK;
	do
	{
		look_again(key);
		if (key->row.state == KR_KEY_DESTROYED)
			return KR_KMS_DESTROYED;
		status = kr_keys_cache_acquire(&key->ref, &key->row.wrapped, report);
	} while (status == KR_KMS_ABORTED);
	return status;
}

void
kr_keys_ready(KrKey *key, const char *doing)
{
	KrKmsReport report;
	KrStatus status;

	if (kr_keys_is_ready(key))
		return;
	status = kr_keys_acquire(key, &report);
	if (status != KR_OK)
		kr_keys_fail(key, status, &report, doing);
}

bool
kr_keys_ready_to_verify(KrKey *key)
{
	KrKmsReport report;

	if (kr_keys_acquire(key, &report) == KR_OK)
		return true;
	if (key->row.state == KR_KEY_DESTROYED)
		kr_keys_fail(key, KR_KMS_DESTROYED, NULL, "verify an envelope");
	if (key->warned == GetCurrentTransactionStartTimestamp())
		return false;
	key->warned = GetCurrentTransactionStartTimestamp();
	ereport(WARNING,
			(errmsg("envelopes under %s are taken in without being verified",
					kr_pg_key_words(key->row.id, key->row.label)),
			 report.message[0] ? errdetail("The key is not available: %s", kr_pg_sentence(report.message)) : 0,
			 errhint("%s", report.hint)));
	return false;
}

void
kr_keys_ring_init(void)
{
	CacheRegisterRelcacheCallback(forget_rows, (Datum) 0);
	kr_pg_on_change(forget_relation);
}
