/*
 * src/keys/contexts.h
 *
 * Cipher contexts that this process derived: see contexts.c. The functions that
 * upper files call are in ring.h.
 */
#ifndef KR_KEYS_CONTEXTS_H
#define KR_KEYS_CONTEXTS_H

#include "pg/compat.h"

/* Frees (and so wipes) the openers that were derived from this generation of a slot. */
extern void kr_keys_forget_openers(uint64 generation);

#endif
