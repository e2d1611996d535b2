/*
 * src/kms/gcp_retry.h
 *
 * Whether to ask Cloud KMS again: once with a fresh token when the token was refused; once when a key that opened before
 * is refused, so that a single spurious refusal locks nobody out; a few times when the service could not answer
 * or an answer was damaged.
 */
#ifndef KR_KMS_GCP_RETRY_H
#define KR_KMS_GCP_RETRY_H

#include "kms/gcp_answer.h"
#include "kms/gcp_auth.h"

#define KR_GCP_TRIES 3

/* What one call has done so far; all zeros at first. */
typedef struct KrGcpRetry
{
	KrGcpWish wish;
	int tries; /* requests sent, counted by the caller */
	bool renewed;
	bool confirmed;
} KrGcpRetry;

/* How long to wait before asking again after a problem, in ms; -1 = do not. */
extern int64_t kr_kms_gcp_pause(KrGcpRetry *retry, KrKmsOp op, const KrGcpProblem *problem);

#endif
