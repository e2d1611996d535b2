/*
 * src/search/columns.h
 *
 * Which columns are encrypted, for the rest of this room.
 */
#ifndef KR_SEARCH_COLUMNS_H
#define KR_SEARCH_COLUMNS_H

#include "nodes/parsenodes.h"
#include "types/basetype.h"

/* Whether a relation has a column of an encrypted type. Takes no lock; false for one that is gone. */
extern bool kr_search_has_encrypted_column(Oid relation);

/* The encrypted type of a column, or NULL: also where relation or column do not exist. */
extern const KrEncryptedType *kr_search_column_type(RangeVar *relation, const char *column);

/*
 * Completes the columns that CREATE TABLE, CREATE FOREIGN TABLE or ALTER TABLE
 * declare: a bare encrypted type becomes randomized, a literal DEFAULT becomes one
 * of the base type. Changes the raw statement in place; other statements are left.
 */
extern void kr_search_complete_columns(Node *statement);

#endif
