/*
 * src/keys/request.h
 *
 * Requests to the KMS worker that are not simply "unwrap this": make a data key,
 * wrap it anew, check it live. One waiter each, a few slots in shared memory.
 * Also the worker's presence: who it is and how to wake it.
 */
#ifndef KR_KEYS_REQUEST_H
#define KR_KEYS_REQUEST_H

#include "keys/wrapped.h"

typedef enum KrRequestOp
{
	KR_REQUEST_CREATE,  /* key: uuid, provider, resource of the new one; other: a key to take the token key from */
	KR_REQUEST_REWRAP,  /* key: to be wrapped under the KEK's current version */
	KR_REQUEST_CHECK,   /* key: unwrapped and verified live, whatever the cache says; in full: also who we are, what the
						 * owner grants, and a wrap of something made up, since a key may be readable and not writable */
	KR_REQUEST_TRY,     /* key: uuid, provider, resource: all that making a key would do, with material that is thrown away */
	KR_REQUEST_IDENTIFY /* key: provider */
} KrRequestOp;

typedef struct KrRequest
{
	KrRequestOp op;
	bool has_other;
	bool in_full; /* of CHECK */
	bool may_create_root_key;
	KrWrapped key;
	KrWrapped other;
} KrRequest;

/* How far a TRY or a CHECK in full has come: status, or of a CHECK from WRAP on wrap_status, is that of this step. */
typedef enum KrTryStep
{
	KR_TRY_CREDENTIALS,
	KR_TRY_KEY, /* what there is to know of the wrapping key; of a CHECK, unwrapping what it wrapped */
	KR_TRY_WRAP,
	KR_TRY_UNWRAP
} KrTryStep;

typedef struct KrRequestResult
{
	KrTryStep reached;
	char identity[KR_KMS_IDENTITYMAX]; /* of TRY, IDENTIFY and a CHECK in full */
	KrStatus status;
	KrKmsReport report;
	bool other_failed; /* of CREATE: it was the other key that could not be had, so a third one may do */
	KrStatus describe_status;
	KrKmsReport describe_report;
	KrKmsDescription description;
	KrStatus probe_status; /* with its report and permissions: of TRY and a CHECK in full */
	KrKmsReport probe_report;
	KrKmsPermissions permissions;
	KrStatus wrap_status; /* of a CHECK in full: of making a wrap, or of opening it */
	KrKmsReport wrap_report;
	KrKmsWrap wrap; /* of CREATE and REWRAP */
	uint8 check_value[KR_HMACBYTES];
	uint8 token_key_id[KR_TOKEN_KEY_IDBYTES];
} KrRequestResult;

/* How many requests there can be at once, and so how many the worker can be at. */
#define KR_REQUEST_SLOTS 8

/* How long a backend waits for a worker to appear: one that has ended is back after a second, on a busy machine later. */
#define KR_WORKER_PATIENCE_MS 5000

/* ---- backends ---- */

/* Posts a request and waits for its result, interruptible, with a deadline. result->status tells how it went. */
extern void kr_keys_request(KrRequestResult *result, const KrRequest *request);

/* A WARNING where the wrapping key can be used, and its metadata cannot be read: nobody will notice what becomes of it. */
extern void kr_keys_warn_of_metadata(const KrRequestResult *result);

/* Wakes the worker; false when there is none. */
extern bool kr_keys_wake_worker(void);

/* Words for "the worker does not answer": KR_KMS_UNAVAILABLE with message and hint. */
extern KrStatus kr_keys_no_answer(KrKmsReport *report);

/* Pid of the worker, 0 = none. */
extern int kr_keys_worker_pid(void);

/* Whether the worker shows a sign of life within two seconds: it may be stopped, or wait for a dead disk. */
extern bool kr_keys_worker_answers(void);

/* ---- the worker ---- */

/*
 * Takes the next request, which then belongs to the worker until kr_keys_request_end; its number, or -1 when there
 * is none. *result is empty.
 */
extern int kr_keys_request_take(const KrRequest **request, KrRequestResult **result);

/*
 * Hands the result over. KR_KMS_ABORTED: this worker is ending, the next one serves the request,
 * unless nobody waits for it any more.
 */
extern void kr_keys_request_end(int number, KrStatus status);

/* Whether nobody waits for a request any more. */
extern bool kr_keys_request_abandoned(int number);

/* A sign of life, also in the middle of a provider's call. */
extern void kr_keys_worker_beat(void);

/* Announces this process as the worker until it exits; fails what a predecessor left half done. */
extern void kr_keys_worker_announce(void);

/* From _PG_init: shared memory. */
extern void kr_keys_request_init(void);

#endif
