/*
 * src/types/run.h
 *
 * Statements that keyring itself runs while it converts a column.
 */
#ifndef KR_TYPES_RUN_H
#define KR_TYPES_RUN_H

/* Runs one utility statement with the rights of the table's owner, past the guards of encrypted columns (conversion.h). */
extern void kr_types_run_as_owner(Oid relation, const char *sql);

#endif
