/*
 * src/reencrypt/attempt.h
 *
 * A subtransaction around what may fail because of one value or one row.
 */
#ifndef KR_REENCRYPT_ATTEMPT_H
#define KR_REENCRYPT_ATTEMPT_H

#include "utils/palloc.h"
#include "utils/resowner.h"

/* What to return to afterwards. */
typedef struct KrAttempt
{
	MemoryContext context;
	ResourceOwner owner;
} KrAttempt;

extern void kr_reencrypt_begin_attempt(KrAttempt *attempt);
extern void kr_reencrypt_end_attempt(const KrAttempt *attempt);

/* In PG_CATCH: returns the error, if it is about the value or the row; throws it again otherwise. */
extern ErrorData *kr_reencrypt_fail_attempt(const KrAttempt *attempt, bool skip_unavailable);

#endif
