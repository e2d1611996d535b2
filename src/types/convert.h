/*
 * src/types/convert.h
 *
 * Encrypting an existing column, and the way back: an ALTER TABLE ... TYPE that rewrites the
 * table under an exclusive lock, for the column and for all that foreign keys link it with.
 */
#ifndef KR_TYPES_CONVERT_H
#define KR_TYPES_CONVERT_H

/*
 * Both change the columns for the current user, who must own the tables; the capability
 * is the caller's to check. 42P01, 42703, 42809: there is no such column to change; 55000: wrong
 * state, with every obstacle in the DETAIL; KR007 and the other KR errors: no key to seal or
 * open with. Nothing has changed then.
 */
extern void kr_types_encrypt_column(Oid relation, const char *column, bool searchable);
extern void kr_types_decrypt_column(Oid relation, const char *column);

#endif
