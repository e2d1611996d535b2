/*
 * src/worker/workers.h
 *
 * The background workers; README.md describes their states.
 */
#ifndef KR_WORKER_WORKERS_H
#define KR_WORKER_WORKERS_H

#define KR_KMS_WORKER "keyring kms"
#define KR_LAUNCHER "keyring launcher"
#define KR_JOB_WORKER "keyring job" /* its main function is in src/reencrypt */

extern PGDLLEXPORT void keyring_kms_main(Datum arg);
extern PGDLLEXPORT void keyring_launcher_main(Datum arg);

#endif
