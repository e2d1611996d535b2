/*
 * src/keys/held_cursors.h
 *
 * Which sessions keep envelopes in cursors WITH HOLD; kr_keys_hold_cursor is declared in lifecycle.h.
 */
#ifndef KR_KEYS_HELD_CURSORS_H
#define KR_KEYS_HELD_CURSORS_H

/* The process of a session of this database that keeps some; 0 when there is none. */
extern int kr_keys_cursor_holder(void);

/* From _PG_init. */
extern void kr_keys_held_cursors_init(void);

#endif
