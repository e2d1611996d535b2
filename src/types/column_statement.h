/*
 * src/types/column_statement.h
 *
 * The ALTER TABLE that changes columns' types.
 */
#ifndef KR_TYPES_COLUMN_STATEMENT_H
#define KR_TYPES_COLUMN_STATEMENT_H

#include "types/columns.h"

/*
 * One statement, palloc'd, for all changes (KrColumnChange) of the list that begin at this relation,
 * which is locked: its rows are rewritten once. There is at least one such change.
 */
extern char *kr_types_change_statement(Oid relid, List *together);

/* Schema and name, quoted, palloc'd. */
extern char *kr_types_qualified_name(Oid relation);

#endif
