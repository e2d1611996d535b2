/*
 * src/search/hints.h
 *
 * Hints for errors that PostgreSQL raises about encrypted values.
 */
#ifndef KR_SEARCH_HINTS_H
#define KR_SEARCH_HINTS_H

#include "utils/elog.h"

/*
 * From here to the second call, errors about oversized index rows get keyring's hint
 * when values of a searchable column were made, and those about expressions that are not immutable when
 * the statement declares something of a table with encrypted columns. The callback is the caller's, on its
 * stack; after an error PostgreSQL takes it away by itself.
 */
extern void kr_search_watch_errors(ErrorContextCallback *callback);
extern void kr_search_unwatch_errors(const ErrorContextCallback *callback);

/* Set anew for each utility statement. */
extern bool kr_search_declares_encrypted;

#endif
