/*
 * src/types/group.h
 *
 * A conversion: the column that was named, and every column that foreign keys link
 * it with, directly or by way of others. They change together, since a foreign
 * key joins columns of one type.
 */
#ifndef KR_TYPES_GROUP_H
#define KR_TYPES_GROUP_H

#include "storage/lockdefs.h"
#include "types/columns.h"
#include "types/foreign_keys.h"

typedef struct KrConversion
{
	bool encrypt;
	List *changes; /* KrColumnChange: the column that was named, then those that it brings along */
	List *keys;    /* KrForeignKey: to be dropped before the changes, and made again after them */
	List *lines;   /* char *: what keeps a linked column from changing; those are not among the changes */
} KrConversion;

/*
 * Plans the change of this column, anew, and of those linked with it, for the current user. Heirs of tables of
 * the current user are locked in this mode, and so are the tables if they were not named.
 * Throws for the named column as kr_types_plan_change does. With searchable false a foreign key brings nothing
 * along: it is left to kr_types_obstacles.
 */
extern KrConversion *kr_types_gather(const KrColumnChange *named, LOCKMODE lockmode);

/*
 * All tables (Oids) that the conversion has to lock, but for heirs: one that references another of them
 * comes before it; by Oid where that does not decide.
 */
extern List *kr_types_lock_order(const KrConversion *conversion);

#endif
