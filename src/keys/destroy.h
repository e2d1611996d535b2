/*
 * src/keys/destroy.h
 *
 * What destroying shares with others; kr_keys_destroy is declared in lifecycle.h.
 */
#ifndef KR_KEYS_DESTROY_H
#define KR_KEYS_DESTROY_H

#include "keys/wrapped.h"

/* Forgets an old wrap, and the key in the cache, if and when the transaction commits. */
extern void kr_keys_evict_at_commit(const KrWrapped *wrapped);

/* Registers the callback at the end of transactions; from _PG_init. */
extern void kr_keys_destroy_init(void);

#endif
