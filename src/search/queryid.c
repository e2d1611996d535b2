/*
 * src/search/queryid.c
 *
 * PostgreSQL computes the identifier that pg_stat_statements counts by before any hook is called: when a client prepares a
 * statement, for parameters of encrypted types. When the plan cache analyzes the statement anew, its parameters have
 * been of base types from the start, and the identifier would be another. So it is noted, by the statement's text.
 *
 * Two statements of one text may mean two tables, by search_path. Then the latest identifier counts for both, once
 * they are analyzed anew: statistics are not worth more.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "search/queryid.h"
#include "utils/hsearch.h"

/* Sessions that prepare more start over. */
#define KR_MAX_NOTED 4096

typedef struct Noted
{
	uint64 statement;
	uint64 queryid;
} Noted;

static HTAB *noted = NULL;

static uint64
statement_of(const ParseState *pstate, const Query *query)
{
	const char *text = pstate->p_sourcetext;

	return hash_bytes_extended((const unsigned char *) text, (int) strlen(text), (uint64) query->stmt_location);
}

static HTAB *
make_table(void)
{
	HASHCTL control = { .keysize = sizeof(uint64), .entrysize = sizeof(Noted) };

	return hash_create("keyring query identifiers", 64, &control, HASH_ELEM | HASH_BLOBS);
}

void
kr_search_note_queryid(const ParseState *pstate, const Query *query)
{
	uint64 statement;
	Noted *entry;

	if (query->queryId == 0 || pstate->p_sourcetext == NULL)
		return;
	if (noted != NULL && hash_get_num_entries(noted) >= KR_MAX_NOTED)
	{
		hash_destroy(noted);
		noted = NULL;
	}
	if (noted == NULL)
		noted = make_table();
	statement = statement_of(pstate, query);
	entry = hash_search(noted, &statement, HASH_ENTER, NULL);
	entry->queryid = query->queryId;
}

void
kr_search_restore_queryid(const ParseState *pstate, Query *query)
{
	uint64 statement;
	const Noted *entry;

	/* a statement without parameters has no such hook */
	if (noted == NULL || query->queryId == 0 || pstate->p_paramref_hook == NULL || pstate->p_sourcetext == NULL)
		return;
	statement = statement_of(pstate, query);
	entry = hash_search(noted, &statement, HASH_FIND, NULL);
	if (entry != NULL)
		query->queryId = entry->queryid;
}
