/*
 * src/reencrypt/postponed.h
 *
 * Relations that a pass could not finish when it came to them, because of a lock or an error: the
 * pass goes on with the others and comes back to these, lest one table stop a job. They are in the worker's
 * memory; whoever comes after it does not know them, but the count finds what is left in them.
 */
#ifndef KR_REENCRYPT_POSTPONED_H
#define KR_REENCRYPT_POSTPONED_H

#include "reencrypt/jobs.h"

/* Zeroed: none. */
typedef struct KrPostponed
{
	List *relations; /* of what is in the way of each, and where; in TopMemoryContext */
	int round;       /* how often the pass has tried all of them */
} KrPostponed;

typedef enum KrReturn
{
	KR_RETURN_NONE, /* there are none */
	KR_RETURN_NOW,  /* job->current is one of them, taken off the list */
	KR_RETURN_LATER /* all have been tried in this round: wait, then ask again */
} KrReturn;

/* Puts job->current on the list, from job->next_block on. The reason is copied. */
extern void kr_reencrypt_postpone(KrPostponed *postponed, const KrJob *job, const char *reason);

/* Whether what the pass did in a relation is not all yet. */
extern bool kr_reencrypt_is_postponed(const KrPostponed *postponed, Oid relation);

/* Goes back to the one that waits longest. *reason, when later: what is in its way; palloc'd. */
extern KrReturn kr_reencrypt_return(KrPostponed *postponed, KrJob *job, char **reason);

/* Forgets them: another pass has begun. */
extern void kr_reencrypt_postponed_reset(KrPostponed *postponed);

#endif
