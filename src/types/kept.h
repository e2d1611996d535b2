/*
 * src/types/kept.h
 *
 * Plaintext that a call site keeps in order to meet it again: opened values (memo.h),
 * arguments of operands, literals of a statement that is being parsed. The memory it lies in says
 * nothing about how long it may stay. That of the type cache, by which rows and arrays are compared, and
 * that of the relation cache last as long as the session; that of PL/pgSQL's expressions as
 * long as the transaction; that of a cursor until it is closed. So these rules hold everywhere:
 *
 *	What is kept is wiped when the outermost statement of the client ends, or the
 *	transaction, whichever is first, or the memory is freed before that. What comes later
 *	opens the value again, and meets its key as it is then: revoked, destroyed, out of the cache.
 *
 *	Within the statement, role and settings may change. Whoever is answered from what is
 *	kept is checked as if the value was opened for them: keyring.require_reader holds for each call.
 *
 * Values in a sort (opened.h) are no memory of this kind: they are the sort's, and go with it.
 */
#ifndef KR_TYPES_KEPT_H
#define KR_TYPES_KEPT_H

#include "lib/ilist.h"

/* To be embedded in what is kept. */
typedef struct KrKept
{
	dlist_node node;
	MemoryContextCallback callback; /* of the context: wipes, and takes this off the list */
	void (*wipe)(void *owner);
	void *owner;
} KrKept;

/*
 * From now on wipe(owner) is called at the end of each statement, and before context, which
 * owner keeps its values in, is reset. It leaves owner usable, must not fail, and must not free what
 * others may point to: a cursor goes on after the statement that it was read by. It may reset
 * context, and must call this again then.
 */
extern void kr_types_keep(KrKept *kept, MemoryContext context, void (*wipe)(void *owner), void *owner);

/* Wipes all that this backend keeps. */
extern void kr_types_wipe_kept(void);

extern void kr_types_kept_init(void);

#endif
