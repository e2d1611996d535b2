/*
 * src/search/held.h
 *
 * Cursors that outlive their transaction.
 */
#ifndef KR_SEARCH_HELD_H
#define KR_SEARCH_HELD_H

#include "nodes/parsenodes.h"

/* After DECLARE: notes a cursor WITH HOLD whose rows hold envelopes, until it is closed. */
extern void kr_search_note_cursor(const DeclareCursorStmt *statement);

#endif
