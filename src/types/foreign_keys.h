/*
 * src/types/foreign_keys.h
 *
 * Foreign keys as the catalogs describe them. Of partitioned tables only the
 * constraint at the top: those of partitions come and go with it.
 */
#ifndef KR_TYPES_FOREIGN_KEYS_H
#define KR_TYPES_FOREIGN_KEYS_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "types/columns.h"

typedef struct KrForeignKey
{
	Oid oid;
	Oid relation; /* which has the constraint */
	Oid referenced;
	Oid index; /* of the referenced table, which it depends on */
	int ncolumns;
	AttrNumber columns[INDEX_MAX_KEYS];            /* of relation */
	AttrNumber referenced_columns[INDEX_MAX_KEYS]; /* of referenced, in the same order */
} KrForeignKey;

/* All of this database, palloc'd, in the order of their Oids. */
extern List *kr_types_read_foreign_keys(void);

/* Whether the change is one of this table's or of one that it inherits from, and of this column. */
extern bool kr_types_changes_column(const KrColumnChange *change, Oid relation, AttrNumber attnum);

/*
 * Whether the index that the foreign key depends on has the column, as a key or in INCLUDE: it
 * is rebuilt when the column changes, which PostgreSQL refuses while the foreign key is there.
 */
extern bool kr_types_changes_index(const KrColumnChange *change, const KrForeignKey *key);

#endif
