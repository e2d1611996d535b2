/*
 * src/types/new_names.h
 *
 * PostgreSQL chooses new names for what it makes again in partitions. These give several
 * objects their old names back, which may have been given to each other.
 */
#ifndef KR_TYPES_NEW_NAMES_H
#define KR_TYPES_NEW_NAMES_H

#include "nodes/pg_list.h"

/* Renames one object; the change becomes visible at the next CommandCounterIncrement(). */
typedef void (*KrRename)(Oid object, const char *name);

/* Adds a wish to the list, and returns it. The name is not copied. */
extern List *kr_types_want_name(List *wishes, Oid object, char *name);

/* Fulfils them, in a new command. */
extern void kr_types_give_names(List *wishes, KrRename rename);

#endif
