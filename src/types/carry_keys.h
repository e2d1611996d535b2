/*
 * src/types/carry_keys.h
 *
 * Takes foreign keys off while the columns at their ends change one after the
 * other, and puts them back as they were: name, actions, deferrability, validity, comment, state of
 * the triggers; for partitions too.
 */
#ifndef KR_TYPES_CARRY_KEYS_H
#define KR_TYPES_CARRY_KEYS_H

#include "types/foreign_keys.h"

/* What is known of one foreign key while it is not there. */
typedef struct KrCarriedKey KrCarriedKey;

/*
 * Drops the constraint with the rights of its table's owner, both tables being locked exclusively.
 * Returns what kr_types_restore_key needs, palloc'd.
 */
extern KrCarriedKey *kr_types_take_key_off(const KrForeignKey *key);

/*
 * Adds it again, with the same rights. The stored values are checked as ALTER TABLE ... ADD does,
 * unless the constraint was NOT VALID: 23503 when one of them violates it, which triggers that were
 * disabled may have let in.
 */
extern void kr_types_restore_key(const KrCarriedKey *carried);

/* Whether it is a constraint of a partition, beside those that the partitioned table adds. */
extern bool kr_types_is_of_partition(const KrCarriedKey *carried);

#endif
