/*
 * src/search/oversize.c
 *
 * A searchable value of about 2.6 kB does not fit into a btree index. The hint that
 * comes with btree's error speaks of functions of the value, on which an encrypted
 * column has no index. While a statement runs, a callback looks at errors as they are
 * raised and puts a hint that helps in the place of that one. It may be called under a
 * page lock, so it looks nothing up: what it needs to know is noted beforehand.
 */
#include "postgres.h"

#include "keys/value.h"
#include "search/oversize.h"
#include "utils/elog.h"
#include "utils/memutils.h"

/* Whether the error that is being raised is btree's; it is known by its untranslated words alone. */
static bool
is_oversized_index_row(void)
{
	MemoryContext old;
	ErrorData *error;
	bool result;

	if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		return false;
	old = MemoryContextSwitchTo(CurTransactionContext);
	error = CopyErrorData();
	MemoryContextSwitchTo(old);
	result = error->message_id != NULL && strncmp(error->message_id, "index row size", strlen("index row size")) == 0;
	FreeErrorData(error);
	return result;
}

static void
mend_hint(void *arg)
{
	if (kr_keys_made_searchable && is_oversized_index_row())
		errhint("A searchable value of this size does not fit into a btree index. Make a hash index (CREATE INDEX ... USING hash); "
				"EXCLUDE USING hash (column WITH =) takes the place of UNIQUE.");
}

void
kr_search_watch_errors(ErrorContextCallback *callback)
{
	callback->callback = mend_hint;
	callback->arg = NULL;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

void
kr_search_unwatch_errors(const ErrorContextCallback *callback)
{
	error_context_stack = callback->previous;
}
