/*
 * src/reencrypt/pass.h
 *
 * One batch: some blocks of one relation, within the caller's transaction.
 */
#ifndef KR_REENCRYPT_PASS_H
#define KR_REENCRYPT_PASS_H

#include "access/transam.h"
#include "reencrypt/jobs.h"
#include "reencrypt/places.h"

typedef enum KrBatchResult
{
	KR_BATCH_DONE,  /* job->next_block has moved on; the relation may be gone */
	KR_BATCH_LOCKED /* somebody has a lock on the relation that excludes writers */
} KrBatchResult;

/* Values that stay where they are, since another transaction is changing or locking their rows. */
typedef struct KrLeft
{
	KrPlaces places;
	TransactionId holder; /* the last of these transactions, or InvalidTransactionId */
} KrLeft;

/*
 * Works from job->next_block of job->current on, for keyring.reencrypt_batch_time, and adds to
 * the job's counters, which the caller stores, and to what was left. careful: each row that is moved has a
 * subtransaction, and one that cannot be moved is recorded; otherwise it throws.
 */
extern KrBatchResult kr_reencrypt_batch(KrJob *job, uint32 target_tag, bool careful, KrLeft *left);

#endif
