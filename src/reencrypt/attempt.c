/*
 * src/reencrypt/attempt.c
 */
#include "postgres.h"

#include "access/xact.h"
#include "reencrypt/attempt.h"
#include "reencrypt/unmoved.h"
#include "utils/memutils.h"

void
kr_reencrypt_begin_attempt(KrAttempt *attempt)
{
	attempt->context = CurrentMemoryContext;
	attempt->owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(attempt->context);
}

void
kr_reencrypt_end_attempt(const KrAttempt *attempt)
{
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->context);
	CurrentResourceOwner = attempt->owner;
}

ErrorData *
kr_reencrypt_fail_attempt(const KrAttempt *attempt, bool skip_unavailable)
{
	ErrorData *error;

	MemoryContextSwitchTo(attempt->context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->context);
	CurrentResourceOwner = attempt->owner;
	if (kr_reencrypt_reason(error, skip_unavailable) == NULL)
		ReThrowError(error);
	return error;
}
