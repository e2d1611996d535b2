/*
 * src/keys/store.h
 *
 * Rows of the tables keyring_key and keyring_event, and only here. Reading goes
 * by a fresh catalog snapshot, so that a statement sees what was committed when
 * it looked, and its own transaction's changes. Writing goes through SQL as the
 * extension's owner, so that the tables' constraints and triggers hold for us too.
 */
#ifndef KR_KEYS_STORE_H
#define KR_KEYS_STORE_H

#include "keys/wrapped.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

#define KR_LABELMAX 128

typedef enum KrKeyState
{
	KR_KEY_STAGED,
	KR_KEY_PRIMARY,
	KR_KEY_DEPRECATED,
	KR_KEY_DESTROYED
} KrKeyState;

typedef struct KrKeyRow
{
	int32 id;
	uint32 tag;
	KrKeyState state;
	char label[KR_LABELMAX];
	char protection[32];
	uint8 token_key_id[KR_TOKEN_KEY_IDBYTES];
	KrWrapped wrapped; /* wrap_len 0 when destroyed */
} KrKeyRow;

/* The state's word, as in the catalog; and back (ERROR for another word). */
extern const char *kr_keys_state_name(KrKeyState state);
extern KrKeyState kr_keys_state(const char *name);

/* Every row, ordered by id: a list of KrKeyRow in the current memory context. */
extern List *kr_keys_store_read(void);

/* The row of this id in such a list, or NULL. */
extern KrKeyRow *kr_keys_store_find(List *rows, int32 id);

/* Serialises changes of keys in this database until the transaction ends. Readers are not disturbed. */
extern void kr_keys_store_lock(void);

/*
 * Locks one key until the transaction ends: AccessShareLock keeps it from being
 * destroyed, AccessExclusiveLock is what destroying takes. Works on standbys.
 */
extern void kr_keys_store_lock_key(int32 id, LOCKMODE mode);

/* Adds a staged row; id and tag as given. */
extern void kr_keys_store_insert(const KrKeyRow *row);

/* Changes the state and stamps the time of it; to DESTROYED also erases the wrap. 40001 where the snapshot lacks the key. */
extern void kr_keys_store_set_state(int32 id, KrKeyState state);

/* Replaces the wrap, and how it is protected. 40001 likewise. */
extern void kr_keys_store_set_wrap(int32 id, const KrKmsWrap *wrap, const char *protection);

/* Adds a line to keyring_event and to the server log. detail may be NULL. */
extern void kr_keys_store_event(int32 key_id, const char *action, const char *detail);

#endif
