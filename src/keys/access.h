/*
 * src/keys/access.h
 *
 * Capabilities; what upper rooms ask is declared in value.h.
 */
#ifndef KR_KEYS_ACCESS_H
#define KR_KEYS_ACCESS_H

/* Registers the callbacks; from _PG_init. */
extern void kr_keys_access_init(void);

#endif
