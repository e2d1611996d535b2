/*
 * src/types/column_statement.h
 *
 * The ALTER TABLE that changes columns' types.
 */
#ifndef KR_TYPES_COLUMN_STATEMENT_H
#define KR_TYPES_COLUMN_STATEMENT_H

#include "types/columns.h"

/* A statement to be run as the owner of a relation. */
typedef struct KrTableStatement
{
	Oid relation;
	char *sql;
} KrTableStatement;

/*
 * The statements (KrTableStatement), in their order, for all changes (KrColumnChange) of the list
 * that begin at this table; all of their relations are locked. One of them rewrites the rows, so
 * that this happens once. There is at least one such change.
 */
extern List *kr_types_change_statements(Oid table, List *together);

/* Schema and name, quoted, palloc'd. */
extern char *kr_types_qualified_name(Oid relation);

#endif
