/*
 * src/search/logfilter.c
 *
 * The server log must not quote stored plaintext. Errors do:
 *
 *	a violated constraint, in its DETAIL: "Key (ssn)=(...) already exists";
 *	a conversion, in its message: invalid input syntax for type integer: "...";
 *	a name or statement made of a value, in its message: relation "..." does not exist;
 *	COPY, in its CONTEXT: "COPY patients, line 3, column ssn: ...".
 *
 * All that stays out of the log; the client still gets it, printed by output
 * functions that check who may read.
 *
 * The hook runs when the failed statement has been left, so what it needs to know
 * stays set until an error was reported or the next outermost statement begins.
 */
#include "postgres.h"

#include "keys/value.h"
#include "replication/logicalworker.h"
#include "search/hooks.h"
#include "search/statement.h"
#include "types/printed.h"
#include "utils/elog.h"

#define KR_NOT_LOGGED "The values are not logged, since encrypted columns are among them."

static emit_log_hook_type next_emit_log = NULL;

/* The error that is being reported in other words. */
static ErrorData *reworded = NULL;

static bool
in_class(const ErrorData *edata, int class)
{
	return ERRCODE_TO_CATEGORY(edata->sqlerrcode) == class;
}

/* Classes 23 (constraints), 44 (WITH CHECK OPTION) and, of an apply worker's conflicts, 40 print rows and keys. */
static bool
detail_quotes_values(const ErrorData *edata)
{
	if (!kr_types_printed_plaintext || edata->detail == NULL || edata->detail_log != NULL)
		return false;
	return in_class(edata, MAKE_SQLSTATE('2', '3', '0', '0', '0')) ||
		in_class(edata, MAKE_SQLSTATE('4', '4', '0', '0', '0')) ||
		(IsLogicalWorker() && in_class(edata, MAKE_SQLSTATE('4', '0', '0', '0', '0')));
}

/* Class 22: data that could not be converted. The line of a COPY may have been meant for other columns. */
static bool
quotes_data(const ErrorData *edata)
{
	return in_class(edata, MAKE_SQLSTATE('2', '2', '0', '0', '0')) &&
		(kr_types_took_plaintext || kr_keys_opened_value || kr_search_hide_context);
}

/* What is taken for a name or for a statement while one runs (v::regclass, EXECUTE v), and where that is not to be had. */
static bool
quotes_names(const ErrorData *edata)
{
	static const int classes[] = {
		MAKE_SQLSTATE('0', 'A', '0', '0', '0'), /* cross-database references are not implemented: "..." */
		MAKE_SQLSTATE('2', '6', '0', '0', '0'), /* prepared statement */
		MAKE_SQLSTATE('3', '4', '0', '0', '0'), /* cursor */
		MAKE_SQLSTATE('3', 'D', '0', '0', '0'), /* database */
		MAKE_SQLSTATE('3', 'F', '0', '0', '0'), /* schema */
		MAKE_SQLSTATE('4', '2', '0', '0', '0')  /* all others, and syntax */
	};

	if (!kr_keys_opened_value)
		return false;
	for (int i = 0; i < (int) lengthof(classes); i++)
	{
		if (in_class(edata, classes[i]))
			return true;
	}
	return false;
}

static bool
message_quotes_values(const ErrorData *edata)
{
	return edata->elevel >= ERROR && (quotes_data(edata) || quotes_names(edata));
}

/* The first copy of a subscription is a COPY without a statement. */
static bool
context_quotes_values(const ErrorData *edata)
{
	if (kr_search_hide_context)
		return true;
	return kr_types_took_plaintext && IsLogicalWorker() &&
		edata->context != NULL && strncmp(edata->context, "COPY ", 5) == 0;
}

/*
 * Reports the error to the log by the format of its message, where the values have
 * places but do not stand, and to the client as it is.
 */
static void
log_format_only(ErrorData *edata)
{
	const char *format = edata->message_id;

	if (format == NULL || strcmp(format, "%s") == 0)
		format = "(not logged)";
	reworded = edata;
	ereport(LOG_SERVER_ONLY,
			(errmsg_internal("%s", format),
			 errdetail_internal(KR_NOT_LOGGED)));
	reworded = NULL;
	edata->output_to_server = false;
}

/* The other words are logged as the error that they stand for. */
static void
take_place_of(ErrorData *edata, const ErrorData *original)
{
	edata->elevel = original->elevel;
	edata->sqlerrcode = original->sqlerrcode;
	edata->filename = original->filename;
	edata->lineno = original->lineno;
	edata->funcname = original->funcname;
	edata->cursorpos = original->cursorpos;
	edata->hide_stmt = original->hide_stmt;
	edata->hide_ctx = true;
}

static void
emit_log(ErrorData *edata)
{
	if (reworded != NULL)
	{
		take_place_of(edata, reworded);
		reworded = NULL;
	}
	else if (message_quotes_values(edata))
		log_format_only(edata);
	else
	{
		if (detail_quotes_values(edata))
			edata->detail_log = MemoryContextStrdup(edata->assoc_context, KR_NOT_LOGGED);
		if (context_quotes_values(edata))
			edata->hide_ctx = true;
	}

	/* an error that is reported ends the outermost statement; a caught one is never reported */
	if (edata->elevel >= ERROR)
		kr_search_forget_values();
	if (next_emit_log && edata->output_to_server)
		next_emit_log(edata);
}

void
kr_search_log_init(void)
{
	next_emit_log = emit_log_hook;
	emit_log_hook = emit_log;
}
