/*
 * src/search/logfilter.c
 *
 * The server log must not quote stored plaintext. A violated constraint does, in its
 * DETAIL ("Key (ssn)=(...) already exists"), and so does the CONTEXT of an error in
 * COPY ("COPY patients, line 3, column ssn: ..."). Both stay out of the log; the
 * client still gets them, printed by output functions that check who may read.
 *
 * The hook runs when the failed statement has been left, so what it needs to know
 * stays set until an error was reported or the next outermost statement begins.
 */
#include "postgres.h"

#include "search/hooks.h"
#include "search/statement.h"
#include "types/printed.h"
#include "utils/elog.h"

static emit_log_hook_type next_emit_log = NULL;

/* Classes 23 (constraints) and 44 (WITH CHECK OPTION) print rows and keys. */
static bool
prints_rows(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == MAKE_SQLSTATE('2', '3', '0', '0', '0') ||
		category == MAKE_SQLSTATE('4', '4', '0', '0', '0');
}

static void
emit_log(ErrorData *edata)
{
	if (kr_types_printed_plaintext && edata->detail != NULL && edata->detail_log == NULL &&
		prints_rows(edata->sqlerrcode))
		edata->detail_log = MemoryContextStrdup(edata->assoc_context,
												"The values are not logged, since encrypted columns are among them.");
	if (kr_search_hide_context)
		edata->hide_ctx = true;

	/* an error that is reported ends the outermost statement; a caught one is never reported */
	if (edata->elevel >= ERROR)
	{
		kr_types_printed_plaintext = false;
		kr_search_hide_context = false;
	}
	if (next_emit_log)
		next_emit_log(edata);
}

void
kr_search_log_init(void)
{
	next_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
