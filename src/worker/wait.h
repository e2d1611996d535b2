/*
 * src/worker/wait.h
 *
 * How the KMS worker waits, and whether it still may.
 */
#ifndef KR_WORKER_WAIT_H
#define KR_WORKER_WAIT_H

/*
 * Waits for the latch, the network or ms milliseconds (-1: no limit), whatever comes first, goes on with
 * what the network brought and resets the latch. Ends the process with the postmaster.
 */
extern void kr_worker_wait(long ms);

/* Whether the worker was told to end, or has lost its server. */
extern bool kr_worker_stopping(void);

#endif
