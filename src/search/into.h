/*
 * src/search/into.h
 *
 * Rows on their way into a table that a query makes.
 */
#ifndef KR_SEARCH_INTO_H
#define KR_SEARCH_INTO_H

#include "executor/execdesc.h"

/*
 * A receiver, in the current memory context, that makes the encrypted values of a query's rows
 * fresh before it passes them on to the query's own; or that one, where the plan makes all of them
 * fresh itself. For the time of one run.
 */
extern DestReceiver *kr_search_into(const QueryDesc *query);

#endif
