/*
 * src/worker/workers.h
 *
 * The background workers; README.md describes their states.
 */
#ifndef KR_WORKER_WORKERS_H
#define KR_WORKER_WORKERS_H

#define KR_KMS_WORKER "keyring kms"
#define KR_LAUNCHER "keyring launcher"

extern PGDLLEXPORT void keyring_kms_main(Datum arg);
extern PGDLLEXPORT void keyring_launcher_main(Datum arg);

#endif
