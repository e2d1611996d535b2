/*
 * src/types/columns.h
 *
 * Encrypting an existing column, and the way back: one ALTER TABLE ... TYPE that
 * rewrites the table under an exclusive lock. doc/columns.md says what carries
 * over and what stands in the way.
 */
#ifndef KR_TYPES_COLUMNS_H
#define KR_TYPES_COLUMNS_H

#include "nodes/pg_list.h"
#include "types/basetype.h"

/* A change of one column's type, in either direction. */
typedef struct KrColumnChange
{
	Oid relation;
	char *table; /* its name, for messages; NULL until it was found */
	char *column;
	bool encrypt;                /* to the encrypted type; otherwise back from it */
	bool searchable;             /* what the encrypted type is, or was, declared as */
	const KrEncryptedType *type; /* the encrypted side */
	Oid old_type;
	Oid new_type;
	int32 new_typmod;
	Oid collation;    /* of the column: kept */
	int32 max_length; /* of varchar(n), char(n): becomes a length check, or was one; -1 without */
	List *checks;     /* decrypting: names (char *) of the length checks that the new type makes needless */
} KrColumnChange;

/*
 * Both change the column for the current user, who must own the table; the capability
 * is the caller's to check. 42P01, 42703, 42809: there is no such column to change; 55000: wrong
 * state, with every obstacle in the DETAIL; KR007 and the other KR errors: no key to seal or
 * open with. Nothing has changed then.
 */
extern void kr_types_encrypt_column(Oid relation, const char *column, bool searchable);
extern void kr_types_decrypt_column(Oid relation, const char *column);

#endif
