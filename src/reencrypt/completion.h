/*
 * src/reencrypt/completion.h
 *
 * When a job is done. A pass that has come to its end proves nothing: a row that somebody updates
 * takes its old envelope along, to a place that the pass has been to, and a transaction
 * may hold an envelope that it has yet to store. So every transaction that runs when the pass ends is
 * waited for, and then what is stored is counted, under one MVCC snapshot.
 */
#ifndef KR_REENCRYPT_COMPLETION_H
#define KR_REENCRYPT_COMPLETION_H

#include "reencrypt/jobs.h"
#include "reencrypt/places.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

/* Transactions that ran at the end of a pass. Zeroed: not looked at yet. */
typedef struct KrEarlier
{
	bool known;
	int count;
	VirtualTransactionId *running; /* prepared ones too; in TopMemoryContext */
	TimestampTz since;             /* when they were noted */
} KrEarlier;

/*
 * Notes them at the first call. True while one has not ended: *obstacle says which, palloc'd.
 * In a transaction.
 */
extern bool kr_reencrypt_earlier_run(KrEarlier *earlier, KrObstacle *obstacle);

/* Forgets them: another pass has begun. */
extern void kr_reencrypt_earlier_reset(KrEarlier *earlier);

/*
 * Counts: adds to places, which is empty, where there are values of the job's columns that are neither under the key with this
 * tag nor recorded as ones that cannot be moved. Every relation is looked at, so none means that there are none. whole: of a
 * relation that has one, all of it. Locks the relations as a query does, before it takes its snapshot, and waits for no lock:
 * *locked is a relation that could not be had, or InvalidOid, and then nothing is known.
 */
extern void kr_reencrypt_find_old(const KrJob *job, uint32 target_tag, bool whole, KrPlaces *places, Oid *locked);

#endif
