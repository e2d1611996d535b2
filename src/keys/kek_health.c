/*
 * src/keys/kek_health.c
 *
 * The table of wrapping keys. Its LWLock guards all of it: exclusive to change an entry, shared to read one; nothing is
 * asked or logged under it. Only the worker makes entries; there are as many as the cache has slots, and the one
 * that was seen last the longest time ago gives way.
 */
#include "postgres.h"

#include <time.h>

#include "keys/kek_health.h"
#include "pg/errcodes.h"
#include "pg/guc.h"
#include "pg/shmem.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* a data key that nobody has used for a day is left to keyring_doctor() */
#define KR_KEK_KEPT_MS (24 * 3600 * 1000)

/* after a rewrap on another server, the old wrap is not in use here any more, but was until its slot was given up */
#define KR_KEK_REPLACED_MS 900000

/* what metadata do not confirm, or may not be read, is not asked for at each refusal */
#define KR_KEK_NEWS_MS 10000

typedef struct KrKekEntry
{
	bool used;
	bool asking; /* the worker is at it */
	TimestampTz seen_at;
	TimestampTz tried_at; /* 0 = never */
	KrKekWork work;
	KrKekHealth health;
} KrKekEntry;

typedef struct KrKekTable
{
	int count;
	KrKekEntry entries[FLEXIBLE_ARRAY_MEMBER];
} KrKekTable;

static KrKekTable *table = NULL;
static LWLock *table_lock = NULL;

bool
kr_keys_kek_is_gone(KrStatus version_status)
{
	return version_status == KR_KMS_DISABLED || version_status == KR_KMS_DESTROY_SCHEDULED ||
		version_status == KR_KMS_DESTROYED;
}

char *
kr_keys_kek_words(const KrKmsDescription *description)
{
	switch (description->version_status)
	{
		case KR_OK:
			return pstrdup("is enabled");
		case KR_KMS_DISABLED:
			return pstrdup("is disabled");
		case KR_KMS_DESTROYED:
			return pstrdup("has been destroyed");
		case KR_KMS_DESTROY_SCHEDULED:
			if (description->version_destroy_time[0] == '\0')
				return pstrdup("is scheduled for destruction");
			return psprintf("is scheduled for destruction at %s", description->version_destroy_time);
		default:
			return pstrdup("is in a state that is not known");
	}
}

/* Always UTC. Parsed here and not by SQL: an odd date must not become an error of a view. */
bool
kr_keys_kek_date(TimestampTz *out, const char *text)
{
	struct tm parsed = { 0 };
	struct pg_tm tm = { 0 };
	int tz = 0;
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parsed);

	if (end == NULL || end - text != 19 || text[strlen(text) - 1] != 'Z')
		return false;
	tm.tm_year = parsed.tm_year + 1900;
	tm.tm_mon = parsed.tm_mon + 1;
	tm.tm_mday = parsed.tm_mday;
	tm.tm_hour = parsed.tm_hour;
	tm.tm_min = parsed.tm_min;
	tm.tm_sec = parsed.tm_sec;
	if (tm.tm_mday < 1 || tm.tm_mday > day_tab[isleap(tm.tm_year)][tm.tm_mon - 1])
		return false;
	return tm2timestamp(&tm, 0, &tz, out) == 0;
}

static KrKekEntry *
find(const uint8 digest[KR_DIGESTBYTES])
{
	for (int i = 0; i < table->count; i++)
	{
		if (table->entries[i].used && memcmp(table->entries[i].work.digest, digest, KR_DIGESTBYTES) == 0)
			return &table->entries[i];
	}
	return NULL;
}

bool
kr_keys_kek_health(KrKekHealth *out, const KrWrapped *key)
{
	uint8 digest[KR_DIGESTBYTES];
	KrKekEntry *entry;
	bool known;

	kr_keys_digest(digest, key);
	LWLockAcquire(table_lock, LW_SHARED);
	entry = find(digest);
	known = entry != NULL && entry->health.asked_at != 0;
	if (known)
		*out = entry->health;
	LWLockRelease(table_lock);
	return known;
}

void
kr_keys_kek_forget(const uint8 digest[KR_DIGESTBYTES])
{
	KrKekEntry *entry;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry = find(digest);
	if (entry != NULL)
		entry->used = false;
	LWLockRelease(table_lock);
}

/* ---- the worker ---- */

static bool
is_stale(const KrKekEntry *entry, const KrWrapped *key, TimestampTz now)
{
	bool same = memcmp(entry->work.uuid, key->uuid, KR_ENVELOPE_UUIDBYTES) == 0 &&
		strcmp(entry->work.resource, key->resource) == 0;

	return TimestampDifferenceExceeds(entry->seen_at, now, KR_KEK_KEPT_MS) ||
		(same && TimestampDifferenceExceeds(entry->seen_at, now, Max(2 * kr_guc_cache_ttl * 1000, KR_KEK_REPLACED_MS)));
}

/* Under the lock, when there is no entry for the key yet. */
static KrKekEntry *
make_room(const KrWrapped *key, TimestampTz now)
{
	KrKekEntry *best = &table->entries[0];

	for (int i = 0; i < table->count; i++)
	{
		KrKekEntry *entry = &table->entries[i];

		if (entry->used && is_stale(entry, key, now))
			entry->used = false;
		if (best->used && (!entry->used || entry->seen_at < best->seen_at))
			best = entry;
	}
	return best;
}

static void
fill(KrKekWork *work, const uint8 digest[KR_DIGESTBYTES], const KrWrapped *key)
{
	memcpy(work->digest, digest, KR_DIGESTBYTES);
	memcpy(work->uuid, key->uuid, KR_ENVELOPE_UUIDBYTES);
	strlcpy(work->provider, key->provider, sizeof(work->provider));
	strlcpy(work->resource, key->resource, sizeof(work->resource));
	strlcpy(work->kek_version, key->kek_version, sizeof(work->kek_version));
}

void
kr_keys_kek_seen(const KrWrapped *key)
{
	const KrKmsProvider *provider = kr_kms_provider(key->provider);
	TimestampTz now = GetCurrentTimestamp();
	uint8 digest[KR_DIGESTBYTES];
	KrKekEntry *entry;

	if (provider == NULL || !provider->has_versions)
		return;
	kr_keys_digest(digest, key);
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry = find(digest);
	if (entry == NULL)
	{
		entry = make_room(key, now);
		memset(entry, 0, sizeof(*entry));
		fill(&entry->work, digest, key);
		entry->used = true;
	}
	entry->seen_at = now;
	LWLockRelease(table_lock);
}

void
kr_keys_kek_refused(const KrWrapped *key, KrStatus status)
{
	TimestampTz now = GetCurrentTimestamp();
	uint8 digest[KR_DIGESTBYTES];
	KrKekEntry *entry;

	if (!kr_keys_kek_is_gone(status))
		return;
	kr_keys_digest(digest, key);
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry = find(digest);
	if (entry != NULL && !entry->asking && entry->health.description.version_status != status &&
		TimestampDifferenceExceeds(entry->tried_at, now, KR_KEK_NEWS_MS))
		entry->tried_at = 0;
	LWLockRelease(table_lock);
}

static TimestampTz
due_at(const KrKekEntry *entry)
{
	return entry->tried_at == 0 ? 0 : TimestampTzPlusMilliseconds(entry->tried_at, (int64) kr_guc_health_check_interval * 1000);
}

static KrKekEntry *
first_due(void)
{
	KrKekEntry *first = NULL;

	for (int i = 0; kr_guc_health_check_interval > 0 && i < table->count; i++)
	{
		KrKekEntry *entry = &table->entries[i];

		if (entry->used && !entry->asking && (first == NULL || due_at(entry) < due_at(first)))
			first = entry;
	}
	return first;
}

bool
kr_keys_kek_next(KrKekWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	KrKekEntry *entry;
	bool found;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry = first_due();
	found = entry != NULL && (now >= due_at(entry) || now < entry->tried_at);
	if (found)
	{
		entry->asking = true;
		entry->tried_at = now;
		*work = entry->work;
	}
	LWLockRelease(table_lock);
	return found;
}

long
kr_keys_kek_next_due(void)
{
	TimestampTz due;
	KrKekEntry *entry;

	LWLockAcquire(table_lock, LW_SHARED);
	entry = first_due();
	due = entry == NULL ? 0 : Max(due_at(entry), 1);
	LWLockRelease(table_lock);
	return due == 0 ? -1 : TimestampDifferenceMilliseconds(GetCurrentTimestamp(), due);
}

static void
log_change(const KrKekWork *work, const KrKmsDescription *description)
{
	bool gone = kr_keys_kek_is_gone(description->version_status);
	bool lost = description->version_status == KR_KMS_DESTROYED;
	char *uuid = DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(work->uuid)));

	ereport(gone ? WARNING : LOG,
			(errcode(lost ? KR_ERRCODE_KEY_DESTROYED : gone ? KR_ERRCODE_KMS_DISABLED :
															  ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("keyring: version %s of wrapping key \"%s\", which wraps a data key, %s", work->kek_version, work->resource,
					kr_keys_kek_words(description)),
			 errdetail("The data key has uuid %s.", uuid),
			 lost     ? errhint("Values under this data key are lost.") :
				 gone ? errhint("Have the key's owner enable it again; then wrap the data key by the current version with keyring_rewrap_key().") :
						0));
	pfree(uuid);
}

/* Under the lock. True when the version that wraps has changed in a way that is to be logged. */
static bool
store(KrKekEntry *entry, KrStatus status, const KrKmsDescription *description, TimestampTz now)
{
	KrKekHealth *health = &entry->health;
	bool readable = status == KR_OK || kr_keys_kek_is_gone(status);
	bool known = readable && (description->version_status == KR_OK || kr_keys_kek_is_gone(description->version_status));
	bool changed = known &&
		(health->since == 0 || health->description.version_status != description->version_status ||
		 strcmp(health->description.version_destroy_time, description->version_destroy_time) != 0);
	bool first = health->since == 0;

	health->status = status;
	if (!known)
		return false;
	health->asked_at = now;
	health->description = *description;
	if (changed)
		health->since = now;
	return changed && !(first && description->version_status == KR_OK);
}

void
kr_keys_kek_learned(const KrKekWork *work, KrStatus status, const KrKmsDescription *description)
{
	TimestampTz now = GetCurrentTimestamp();
	KrKekEntry *entry;
	bool changed = false;

	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	entry = find(work->digest);
	if (entry != NULL)
	{
		entry->asking = false;
		entry->tried_at = now;
		changed = store(entry, status, description, now);
	}
	LWLockRelease(table_lock);
	if (changed)
		log_change(work, description);
}

void
kr_keys_kek_learned_of(const KrWrapped *key, KrStatus status, const KrKmsDescription *description)
{
	const KrKmsProvider *provider = kr_kms_provider(key->provider);
	KrKekWork work;
	uint8 digest[KR_DIGESTBYTES];

	if (provider == NULL || !provider->has_versions)
		return;
	kr_keys_kek_seen(key);
	kr_keys_digest(digest, key);
	fill(&work, digest, key);
	kr_keys_kek_learned(&work, status, description);
}

void
kr_keys_kek_adopt(void)
{
	LWLockAcquire(table_lock, LW_EXCLUSIVE);
	for (int i = 0; i < table->count; i++)
		table->entries[i].asking = false;
	LWLockRelease(table_lock);
}

static Size
table_size(void)
{
	return add_size(offsetof(KrKekTable, entries), mul_size(kr_guc_max_cached_keys, sizeof(KrKekEntry)));
}

static void
start_table(void *memory, LWLock *lock, bool found)
{
	table = memory;
	table_lock = lock;
	if (!found)
		table->count = kr_guc_max_cached_keys;
}

void
kr_keys_kek_init(void)
{
	static const KrShmemPart part = { "keyring wrapping keys", table_size, start_table, false };

	kr_pg_shmem_add(&part);
}
