/*
 * src/types/carry_indexes.h
 *
 * Indexes of partitions. ALTER COLUMN ... TYPE makes an index of a partitioned table again
 * as it was, and lets it make those of the partitions: with names, comments and
 * options that are not theirs. These put right what they lose.
 */
#ifndef KR_TYPES_CARRY_INDEXES_H
#define KR_TYPES_CARRY_INDEXES_H

#include "nodes/pg_list.h"

/* What has to be known of the indexes of the table's partitions; NIL for a table without any. */
extern List *kr_types_note_indexes(Oid table);

/* After the ALTER, and in a new command: gives those that were made again what was noted. */
extern void kr_types_restore_indexes(Oid table, const List *noted);

#endif
