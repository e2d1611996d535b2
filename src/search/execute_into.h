/*
 * src/search/execute_into.h
 *
 * CREATE TABLE AS EXECUTE.
 */
#ifndef KR_SEARCH_EXECUTE_INTO_H
#define KR_SEARCH_EXECUTE_INTO_H

#include "nodes/plannodes.h"

/* Whether a utility statement makes a table from what a prepared statement returns; EXPLAIN ANALYZE does too. */
extern bool kr_search_executes_into(Node *statement);

/*
 * A copy of such a statement that executes a prepared statement of its own. Its name is returned, to be given to the second
 * function afterwards, also after an error; NULL when the original is to run: then the server has something to refuse.
 */
extern char *kr_search_prepare_into(PlannedStmt **pstmt);
extern void kr_search_unprepare_into(const char *name);

#endif
