/*
 * src/keys/sources.c
 *
 * Which key to ask for the token key. The order spares whoever waits: one call that gets no answer costs
 * keyring.kms_timeout.
 */
#include "postgres.h"

#include "keys/dek_cache.h"
#include "keys/sources.h"

/* Lower is sooner. Those that are likely to answer come first, since one that does not costs keyring.kms_timeout. */
static int
rank(const KrKeyRow *row)
{
	KrKeyHealth health;

	kr_keys_cache_health(&health, &row->wrapped);
	if (health.cached)
		return 0;
	if (!health.known || health.status == KR_OK)
		return 1;
	return kr_keys_is_refusal(health.status) ? 3 : 2;
}

/* Within a rank the primary first, since it is the one most cared for, then the newest. */
static int
compare_sources(const ListCell *a, const ListCell *b)
{
	const KrSource *x = lfirst(a);
	const KrSource *y = lfirst(b);

	if (x->rank != y->rank)
		return x->rank - y->rank;
	if ((x->row->state == KR_KEY_PRIMARY) != (y->row->state == KR_KEY_PRIMARY))
		return x->row->state == KR_KEY_PRIMARY ? -1 : 1;
	return x->row->id > y->row->id ? -1 : 1;
}

List *
kr_keys_sources(List *rows)
{
	List *sources = NIL;
	ListCell *lc;

	foreach(lc, rows)
	{
		KrSource *source = palloc(sizeof(KrSource));

		source->row = lfirst(lc);
		if (source->row->state == KR_KEY_DESTROYED)
			continue;
		source->rank = rank(source->row);
		sources = lappend(sources, source);
	}
	list_sort(sources, compare_sources);
	return sources;
}

/* Whether what one key was refused for is sure to meet another one too. */
static bool
says_all(const KrFailedSource *failed, const KrKeyRow *row)
{
	const KrWrapped *a = &failed->row->wrapped;
	const KrWrapped *b = &row->wrapped;

	if (strcmp(a->provider, b->provider) != 0 || strcmp(a->resource, b->resource) != 0)
		return false;
	switch (failed->status)
	{
		case KR_KMS_DENIED:
		case KR_KMS_AUTH:
		case KR_KMS_CONFIG:
		case KR_KMS_THROTTLED:
		case KR_KMS_UNAVAILABLE:
			return true;
		case KR_KMS_DISABLED:
		case KR_KMS_DESTROY_SCHEDULED:
		case KR_KMS_DESTROYED:
		case KR_KMS_NOT_FOUND:
			return strcmp(a->kek_version, b->kek_version) == 0;
		default:
			return false;
	}
}

bool
kr_keys_is_hopeless(const KrSource *source, List *failures)
{
	ListCell *lc;

	foreach(lc, failures)
	{
		if (source->rank > 0 && says_all(lfirst(lc), source->row))
			return true;
	}
	return false;
}
