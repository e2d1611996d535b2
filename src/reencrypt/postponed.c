/*
 * src/reencrypt/postponed.c
 *
 * A queue. An entry bears the number of the round in which it failed last, so a round is over when the
 * first one bears the present number: then nothing has a chance before some time has passed.
 */
#include "postgres.h"

#include "reencrypt/postponed.h"
#include "utils/memutils.h"

typedef struct KrEntry
{
	Oid relation;
	BlockNumber next_block;
	int round;
	char *reason;
} KrEntry;

static void
free_entry(KrEntry *entry)
{
	pfree(entry->reason);
	pfree(entry);
}

static KrEntry *
find(const KrPostponed *postponed, Oid relation)
{
	ListCell *cell;

	foreach(cell, postponed->relations)
	{
		KrEntry *entry = lfirst(cell);

		if (entry->relation == relation)
			return entry;
	}
	return NULL;
}

bool
kr_reencrypt_is_postponed(const KrPostponed *postponed, Oid relation)
{
	return find(postponed, relation) != NULL;
}

void
kr_reencrypt_postpone(KrPostponed *postponed, const KrJob *job, const char *reason)
{
	MemoryContext old;
	KrEntry *entry;

	/* a step whose commit failed is taken again */
	if (find(postponed, job->current) != NULL)
		return;
	old = MemoryContextSwitchTo(TopMemoryContext);
	entry = palloc(sizeof(KrEntry));
	entry->relation = job->current;
	entry->next_block = job->next_block;
	entry->round = postponed->round;
	entry->reason = pstrdup(reason);
	postponed->relations = lappend(postponed->relations, entry);
	MemoryContextSwitchTo(old);
}

KrReturn
kr_reencrypt_return(KrPostponed *postponed, KrJob *job, char **reason)
{
	KrEntry *first;

	if (postponed->relations == NIL)
		return KR_RETURN_NONE;
	first = linitial(postponed->relations);
	if (first->round == postponed->round)
	{
		*reason = pstrdup(first->reason);
		postponed->round++;
		return KR_RETURN_LATER;
	}
	job->current = first->relation;
	job->next_block = first->next_block;
	postponed->relations = list_delete_first(postponed->relations);
	free_entry(first);
	return KR_RETURN_NOW;
}

void
kr_reencrypt_postponed_reset(KrPostponed *postponed)
{
	ListCell *cell;

	foreach(cell, postponed->relations)
		free_entry(lfirst(cell));
	list_free(postponed->relations);
	*postponed = (KrPostponed){ 0 };
}
