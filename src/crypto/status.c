/*
 * src/crypto/status.c
 *
 * Names of the result codes. The switch has no default, so the compiler names a
 * code that was added to the header and forgotten here.
 */
#include "crypto/status.h"

const char *
kr_crypto_status_name(KrStatus status)
{
	switch (status)
	{
		case KR_OK:
			return "ok";
		case KR_ENVELOPE_DAMAGED:
			return "damaged";
		case KR_TOO_LARGE:
			return "too_large";
		case KR_CRYPTO_FAILED:
			return "crypto_failed";
		case KR_NOT_CACHED:
			return "not_cached";
		case KR_KMS_AUTH:
			return "auth";
		case KR_KMS_DENIED:
			return "denied";
		case KR_KMS_DISABLED:
			return "disabled";
		case KR_KMS_DESTROY_SCHEDULED:
			return "destroy_scheduled";
		case KR_KMS_DESTROYED:
			return "destroyed";
		case KR_KMS_NOT_FOUND:
			return "not_found";
		case KR_KMS_BAD_CIPHERTEXT:
			return "bad_ciphertext";
		case KR_KMS_INTEGRITY:
			return "integrity";
		case KR_KMS_THROTTLED:
			return "throttled";
		case KR_KMS_UNAVAILABLE:
			return "unreachable";
		case KR_KMS_CONFIG:
			return "config";
		case KR_KMS_ABORTED:
			return "aborted";
	}
	/* codes cross process boundaries in shared memory, so one may come from a scribbled slot */
	return "unknown";
}
