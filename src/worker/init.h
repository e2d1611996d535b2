/*
 * src/worker/init.h
 */
#ifndef KR_WORKER_INIT_H
#define KR_WORKER_INIT_H

/* Registers the background workers; from _PG_init, in the postmaster. */
extern void kr_worker_init(void);

#endif
