/*
 * src/worker/look.h
 *
 * The KMS worker looks at the metadata of wrapping keys, every keyring.health_check_interval, beside all that it does.
 */
#ifndef KR_WORKER_LOOK_H
#define KR_WORKER_LOOK_H

/* Begins the next look; false when none is due, or no room for one. */
extern bool kr_worker_begin_look(void);

/* Goes on with all of them; true when one has ended. */
extern bool kr_worker_step_looks(void);

/* Milliseconds until one wants to be gone on with or is due, -1 = none. */
extern long kr_worker_looks_due(void);

/* The worker is ending. */
extern void kr_worker_stop_looks(void);

#endif
