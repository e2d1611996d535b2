/*
 * src/keys/new_material.h
 *
 * What a new key consists of, and what it shares with the others: the database's token key.
 */
#ifndef KR_KEYS_NEW_MATERIAL_H
#define KR_KEYS_NEW_MATERIAL_H

#include "keys/store.h"

/*
 * Has the KMS worker make and wrap a data key, for the provider, resource and uuid in row, and fills in the rest but id,
 * tag and state. rows: all keys of the database, of which one that can be had yields the token key. Throws when none
 * can, or when the wrapping fails.
 */
extern void kr_keys_new_material(KrKeyRow *row, List *rows);

/* Whether all keys that are left have the token key of this id; true when none is left. */
extern bool kr_keys_share_token_key(List *rows, const uint8 *token_key_id);

#endif
