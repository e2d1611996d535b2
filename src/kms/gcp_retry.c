/*
 * src/kms/gcp_retry.c
 *
 * Whether and when to ask Cloud KMS again.
 */
#include "crypto/random.h"
#include "kms/gcp_retry.h"

#define BACKOFF_MS 200
#define THROTTLED_MS 1000
#define CONFIRM_MS 200

/* Whether the key's owner, or the service in its name, says no. */
static bool
is_refusal(KrStatus status)
{
	return status == KR_KMS_DENIED || status == KR_KMS_DISABLED || status == KR_KMS_DESTROY_SCHEDULED ||
		status == KR_KMS_DESTROYED || status == KR_KMS_NOT_FOUND || status == KR_KMS_BAD_CIPHERTEXT;
}

/* Spreads the clients of a service that comes back. */
static int64_t
with_jitter(int64_t ms)
{
	uint8_t random = 128;

	if (kr_crypto_random(&random, 1) != KR_OK)
		return ms;
	return ms / 2 + ms * random / 256;
}

static int64_t
backoff(int tries, const KrGcpProblem *problem)
{
	int64_t ms = (int64_t) BACKOFF_MS << tries;

	if (problem->status == KR_KMS_THROTTLED && ms < THROTTLED_MS)
		ms = THROTTLED_MS;
	ms = with_jitter(ms);
	if (problem->retry_after >= 0 && ms < problem->retry_after * 1000)
		ms = problem->retry_after * 1000;
	return ms;
}

int64_t
kr_kms_gcp_pause(KrGcpRetry *retry, KrKmsOp op, const KrGcpProblem *problem)
{
	KrStatus status = problem->status;

	if (status == KR_KMS_AUTH && !retry->renewed)
	{
		retry->renewed = true;
		kr_kms_gcp_token_refused();
		return 0;
	}
	if (is_refusal(status) && op == KR_KMS_UNWRAP && !retry->confirmed)
	{
		retry->confirmed = retry->wish.fresh = true;
		return CONFIRM_MS;
	}
	if ((status == KR_KMS_UNAVAILABLE || status == KR_KMS_THROTTLED || status == KR_KMS_INTEGRITY) && retry->tries < KR_GCP_TRIES)
		return backoff(retry->tries, problem);
	return -1;
}
