/*
 * src/worker/stages.h
 *
 * Which calls to providers a task is made of, and what each leaves in its result. README.md has them in a line each.
 */
#ifndef KR_WORKER_STAGES_H
#define KR_WORKER_STAGES_H

#include "keys/dek_cache.h"
#include "keys/request.h"

typedef enum KrStage
{
	KR_STAGE_NONE, /* the task is free */
	KR_STAGE_IDENTIFY,
	KR_STAGE_UNWRAP_OTHER,
	KR_STAGE_UNWRAP,
	KR_STAGE_WRAP,
	KR_STAGE_UNWRAP_AGAIN, /* what was just wrapped */
	KR_STAGE_DESCRIBE,
	KR_STAGE_PROBE,
	KR_STAGE_ENDED /* status says how; to be handed over */
} KrStage;

typedef struct KrTask
{
	KrStage stage;
	KrStatus status;
	int number; /* of the request, -1 = a fetch */
	KrCacheWork work;
	const KrRequest *request;
	KrRequestResult *result;
	KrSecret material;
	KrSecret again;
	KrStatus unwrap_status; /* of a check in full, while it wraps */
	KrKmsReport report;     /* of a fetch; of unwrapping again, kept from the notice of wrapping */
	char aad[KR_WRAP_AADBYTES];
	KrKmsCall call;
} KrTask;

/* Begins the first call of a task whose number, and work or request and result, are set. */
extern void kr_worker_first_stage(KrTask *task);

/* Goes on to what follows the call that has ended. */
extern void kr_worker_next_stage(KrTask *task);

#endif
