/*
 * src/reencrypt/attempt.c
 */
#include "postgres.h"

#include "access/xact.h"
#include "reencrypt/attempt.h"
#include "reencrypt/unmoved.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

ErrorData *
kr_reencrypt_attempt(void (*work)(void *arg), void *arg, bool skip_unavailable)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && kr_reencrypt_reason(error, skip_unavailable) == NULL)
		ReThrowError(error);
	return error;
}
