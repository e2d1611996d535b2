/*
 * src/keys/holders.h
 *
 * Which sessions keep envelopes beyond the end of a transaction. How they say so is declared in lifecycle.h.
 */
#ifndef KR_KEYS_HOLDERS_H
#define KR_KEYS_HOLDERS_H

/* The process of a session of this database that keeps some in a cursor WITH HOLD; 0 when there is none. */
extern int kr_keys_cursor_holder(void);

/* Of another session that runs a procedure, or DO, in another transaction than that which it began in; likewise. */
extern int kr_keys_procedure_holder(void);

/* From _PG_init. */
extern void kr_keys_holders_init(void);

#endif
