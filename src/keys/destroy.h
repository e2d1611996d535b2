/*
 * src/keys/destroy.h
 *
 * The init of destroy.c; kr_keys_destroy is declared in lifecycle.h.
 */
#ifndef KR_KEYS_DESTROY_H
#define KR_KEYS_DESTROY_H

/* Registers the callback at the end of transactions; from _PG_init. */
extern void kr_keys_destroy_init(void);

#endif
