/*
 * src/worker/task.h
 *
 * What the KMS worker is at: one task for each key that is fetched and each request that is served.
 * A task is a few calls to providers, one after the other; tasks run beside each other.
 */
#ifndef KR_WORKER_TASK_H
#define KR_WORKER_TASK_H

/* From the worker's start; throws only for lack of memory. */
extern void kr_worker_tasks_init(void);

/* Begins the next fetch or the next request; false when there is none, or no room for one. */
extern bool kr_worker_begin_fetch(void);
extern bool kr_worker_begin_request(void);

/* Whether another fetch could begin. */
extern bool kr_worker_has_room(void);

/* Goes on with all of them; true when one has ended. */
extern bool kr_worker_step_tasks(void);

/* Milliseconds until a task wants to be gone on with, -1 when there is none. */
extern long kr_worker_tasks_due(void);

/* The worker is ending: leaves everything to the next one. */
extern void kr_worker_stop_tasks(void);

#endif
