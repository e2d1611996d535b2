/*
 * src/keys/lifecycle.h
 *
 * staged -> primary -> deprecated -> destroyed, and nothing else. Each of these is
 * one step in the caller's transaction: rolled back, it leaves nothing behind. A KMS is
 * asked before any lock is taken.
 */
#ifndef KR_KEYS_LIFECYCLE_H
#define KR_KEYS_LIFECYCLE_H

#include "keys/store.h"

/* One table of legal moves, for the functions here and for the table's trigger. */
extern bool kr_keys_may_move(KrKeyState from, KrKeyState to);

/*
 * Makes a data key, has it wrapped, unwrapped and compared, and stores it as staged.
 * resource and label may be NULL. Returns its id. 22023 for an unknown provider or a
 * bad name; KR0xx, nothing stored, when the KMS refuses.
 */
extern int32 kr_keys_create(const char *provider, const char *resource, const char *label);

/* Checks the key live, then makes it primary and the old primary deprecated. 55000 for a wrong state. */
extern void kr_keys_activate(int32 id);

/* Wraps the same data key under the KEK's current version. */
extern void kr_keys_rewrap(int32 id);

/*
 * Erases the wrap. Refused (55006, object in use) while any stored value needs the key, unless force is set: then
 * those values are lost.
 */
extern void kr_keys_destroy(int32 id, bool force);

/* The rows of a cursor WITH HOLD have envelopes: no key is destroyed until this memory, which is the cursor's, is freed. */
extern void kr_keys_hold_cursor(MemoryContext cursor);

/*
 * A procedure or DO that may end transactions begins: until it ends, no key is destroyed once it has ended one. False within
 * another one, and then there is no end to tell.
 */
extern bool kr_keys_begin_procedure(void);
extern void kr_keys_end_procedure(void);

/*
 * Checks provider and resource as a user named them and fills in both, in canonical form. 22023 for an unknown
 * provider or a name that is none, 42501 for one that keyring.kms_allowed_resources does not have.
 */
extern void kr_keys_set_resource(KrWrapped *wrapped, const char *name, const char *resource);

/* A version 4 UUID, RFC 9562. */
extern void kr_keys_random_uuid(uint8 *out);

/* The row of a key; KR009 when there is none. palloc'd. */
extern KrKeyRow *kr_keys_require(int32 id);

/* The id of the key with this tag; false when it is unknown to this database. */
extern bool kr_keys_id_of_tag(uint32 tag, int32 *id);

/* KR007 unless there is a primary key. */
extern void kr_keys_require_primary(void);

#endif
