/*
 * src/types/table_owner.h
 *
 * Working on a table with its owner's rights, so that functions that the owner has
 * attached to it run as the owner, whoever called.
 */
#ifndef KR_TYPES_TABLE_OWNER_H
#define KR_TYPES_TABLE_OWNER_H

/* A user and what it may do. */
typedef struct KrIdentity
{
	Oid user;
	int context;
} KrIdentity;

/*
 * Takes on the rights of the table's owner, within a security-restricted operation unless that is
 * the current user. The table is locked, so it stays that owner's. PostgreSQL undoes it when an
 * error passes.
 */
extern KrIdentity kr_types_enter_owner(Oid relation);
extern void kr_types_leave_owner(KrIdentity caller);

#endif
