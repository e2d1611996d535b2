/*
 * src/reencrypt/run.h
 */
#ifndef KR_REENCRYPT_RUN_H
#define KR_REENCRYPT_RUN_H

#include "pg/compat.h"

/* Works on a job until it has ended, was paused or is gone. Outside of a transaction; throws nothing. */
extern void kr_reencrypt_run(int64 id);

extern PGDLLEXPORT void keyring_job_main(Datum arg);

#endif
