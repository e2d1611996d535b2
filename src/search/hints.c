/*
 * src/search/hints.c
 *
 * Some errors of PostgreSQL have no hint where values are encrypted, or one that does not help. While a
 * statement runs, a callback looks at errors as they are raised and puts a hint that helps in its place. It may be
 * called under a page lock, so it looks nothing up: what it needs to know is noted beforehand.
 *
 * A searchable value of about 2.6 kB does not fit into a btree index; the hint that comes with that speaks of functions
 * of the value, on which an encrypted column has no index. And what opens a value depends on keys, so it is not immutable.
 */
#include "postgres.h"

#include "keys/value.h"
#include "search/hints.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#define KR_SIZE_HINT \
	"A searchable value of this size does not fit into a btree index. Make a hash index (CREATE INDEX ... USING hash); " \
	"EXCLUDE USING hash (column WITH =) takes the place of UNIQUE."
#define KR_EXPRESSION_HINT "To open an encrypted value depends on keys. Index a searchable column itself."
#define KR_PREDICATE_HINT \
	"To open an encrypted value depends on keys. Write the condition with IS NULL, IS NOT NULL or other columns."
#define KR_GENERATED_HINT \
	"To open an encrypted value depends on keys. Let a trigger fill an encrypted column, or compute it in queries."

bool kr_search_declares_encrypted = false;

/* Errors are known by the beginning of their untranslated words alone. */
static const struct
{
	int sqlstate;
	const char *words;
	const bool *when;
	const char *hint;
} mended[] = {
	{ ERRCODE_PROGRAM_LIMIT_EXCEEDED, "index row size", &kr_keys_made_searchable, KR_SIZE_HINT },
	{ ERRCODE_INVALID_OBJECT_DEFINITION, "functions in index expression", &kr_search_declares_encrypted, KR_EXPRESSION_HINT },
	{ ERRCODE_INVALID_OBJECT_DEFINITION, "functions in index predicate", &kr_search_declares_encrypted, KR_PREDICATE_HINT },
	{ ERRCODE_INVALID_OBJECT_DEFINITION, "generation expression is not", &kr_search_declares_encrypted, KR_GENERATED_HINT }
};

static bool
begins_with(const char *words)
{
	MemoryContext old = MemoryContextSwitchTo(CurTransactionContext);
	ErrorData *error = CopyErrorData();
	bool result;

	MemoryContextSwitchTo(old);
	result = error->message_id != NULL && strncmp(error->message_id, words, strlen(words)) == 0;
	FreeErrorData(error);
	return result;
}

static void
mend_hint(void *arg)
{
	int sqlstate = geterrcode();

	for (size_t i = 0; i < lengthof(mended); i++)
	{
		if (sqlstate == mended[i].sqlstate && *mended[i].when && begins_with(mended[i].words))
			errhint("%s", mended[i].hint);
	}
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
