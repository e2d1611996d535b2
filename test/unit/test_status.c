/*
 * test/unit/test_status.c
 *
 * Result codes: their numbers never change, since they cross process boundaries
 * in shared memory and versions in catalogs; their names are words.
 */
#include <ctype.h>
#include <string.h>

#include "crypto/status.h"
#include "unit/tap.h"

static const struct
{
	int number;
	KrStatus status;
	const char *name;
} codes[] = {
	{ 0, KR_OK, "ok" },
	{ 1, KR_ENVELOPE_DAMAGED, "damaged" },
	{ 2, KR_TOO_LARGE, "too_large" },
	{ 3, KR_CRYPTO_FAILED, "crypto_failed" },
	{ 4, KR_NOT_CACHED, "not_cached" },
	{ 16, KR_KMS_AUTH, "auth" },
	{ 17, KR_KMS_DENIED, "denied" },
	{ 18, KR_KMS_DISABLED, "disabled" },
	{ 19, KR_KMS_DESTROY_SCHEDULED, "destroy_scheduled" },
	{ 20, KR_KMS_DESTROYED, "destroyed" },
	{ 21, KR_KMS_NOT_FOUND, "not_found" },
	{ 22, KR_KMS_BAD_CIPHERTEXT, "bad_ciphertext" },
	{ 23, KR_KMS_INTEGRITY, "integrity" },
	{ 24, KR_KMS_THROTTLED, "throttled" },
	{ 25, KR_KMS_UNAVAILABLE, "unreachable" },
	{ 26, KR_KMS_CONFIG, "config" },
	{ 27, KR_KMS_ABORTED, "aborted" },
};

int
main(void)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
	{
		const char *name = kr_crypto_status_name(codes[i].status);

		tap_ok((int) codes[i].status == codes[i].number && strcmp(name, codes[i].name) == 0,
			   "%d is %s", codes[i].number, codes[i].name);
	}
	tap_ok(strcmp(kr_crypto_status_name((KrStatus) 999), "unknown") == 0, "a scribbled code has a name too");
	return tap_done();
}
