/*
 * src/reencrypt/store.h
 *
 * Rows with their values sealed anew, put in the place of what they were. No trigger, rule,
 * constraint or foreign key check runs: what the values mean has not changed.
 */
#ifndef KR_REENCRYPT_STORE_H
#define KR_REENCRYPT_STORE_H

#include "reencrypt/row.h"

/* An empty virtual slot for the new version of a row. What is put into it must live until it is stored. */
extern TupleTableSlot *kr_reencrypt_slot(KrTarget *target);

/*
 * Adds the row in that slot, in the place of the one that the scan has just returned: so many values and bytes were
 * sealed anew. True when it is time to store: no more fit, or enough memory is taken.
 */
extern bool kr_reencrypt_add(KrTarget *target, TupleTableSlot *row, int values, Size bytes);

/*
 * Stores what was added, in one go. The page of the rows is pinned by the caller, who may free their memory
 * afterwards.
 */
extern void kr_reencrypt_store(KrTarget *target);

/* Stores in a subtransaction the one row that was added: false and *error when the row itself is why it cannot be stored. */
extern bool kr_reencrypt_store_carefully(KrTarget *target, ErrorData **error);

#endif
