/*
 * src/keys/init.h
 */
#ifndef KR_KEYS_INIT_H
#define KR_KEYS_INIT_H

/* Shared memory and callbacks of the room; from _PG_init. */
extern void kr_keys_init(void);

#endif
