/*
 * src/crypto/random.c
 *
 * Each 32 bytes are SHA-256 over all sources, so they are as unpredictable as the
 * best of these, and differ where one differs. There is no way on without the
 * kernel: time and process id alone are easily guessed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getentropy */
#endif

#include "crypto/random.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto/token.h"

#define SOURCEBYTES 32

typedef struct Sources
{
	uint8_t kernel[SOURCEBYTES];
	uint8_t openssl[SOURCEBYTES];
	struct timespec realtime;
	struct timespec monotonic;
	pid_t pid;
} Sources;

static KrStatus
draw(uint8_t block[KR_HMACBYTES])
{
	Sources sources;
	KrStatus status = KR_CRYPTO_FAILED;

	/* with the padding, which is hashed too */
	memset(&sources, 0, sizeof(sources));
	clock_gettime(CLOCK_REALTIME, &sources.realtime);
	clock_gettime(CLOCK_MONOTONIC, &sources.monotonic);
	sources.pid = getpid();
	if (getentropy(sources.kernel, sizeof(sources.kernel)) == 0 &&
		RAND_priv_bytes(sources.openssl, sizeof(sources.openssl)) == 1)
		status = kr_crypto_sha256(block, (const uint8_t *) &sources, sizeof(sources));
	else
		ERR_clear_error();
	OPENSSL_cleanse(&sources, sizeof(sources));
	return status;
}

KrStatus
kr_crypto_random(uint8_t *out, size_t len)
{
	uint8_t block[KR_HMACBYTES];
	KrStatus status = KR_OK;

	for (size_t at = 0; at < len && status == KR_OK; at += sizeof(block))
	{
		status = draw(block);
		if (status == KR_OK)
			memcpy(out + at, block, len - at < sizeof(block) ? len - at : sizeof(block));
	}
	OPENSSL_cleanse(block, sizeof(block));
	if (status != KR_OK && len > 0)
		OPENSSL_cleanse(out, len);
	return status;
}
