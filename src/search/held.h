/*
 * src/search/held.h
 *
 * What outlives a transaction: cursors, and procedures that end one.
 */
#ifndef KR_SEARCH_HELD_H
#define KR_SEARCH_HELD_H

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

/* After DECLARE: notes a cursor WITH HOLD whose rows hold envelopes, until it is closed. */
extern void kr_search_note_cursor(const DeclareCursorStmt *statement);

/* Before CALL or DO. True if it may end transactions: then kr_keys_end_procedure() is to follow it. */
extern bool kr_search_note_procedure(Node *statement, ProcessUtilityContext context);

#endif
