/*
 * src/crypto/algorithms.c
 *
 * OpenSSL's algorithm objects, once per process, and the notice of a fork.
 */
#include "crypto/algorithms.h"

#include <stdbool.h>

#include <openssl/err.h>
#include <pthread.h>

static KrAlgorithms algorithms;
static bool fetched;

static unsigned process = 1;
static bool watching_forks;

static void
in_forked_child(void)
{
	if (++process == 0)
		process = 1;
}

/* What an earlier attempt left is freed first. */
static bool
fetch_all(void)
{
	EVP_CIPHER_free(algorithms.gcm);
	EVP_CIPHER_free(algorithms.ecb);
	EVP_MAC_free(algorithms.hmac);
	EVP_MD_free(algorithms.sha256);
	algorithms.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	algorithms.ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	algorithms.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
	return algorithms.gcm != NULL && algorithms.ecb != NULL && algorithms.hmac != NULL && algorithms.sha256 != NULL;
}

const KrAlgorithms *
kr_crypto_algorithms(void)
{
	if (fetched)
		return &algorithms;

	/* before the first object exists, so that no context can outlive a fork unnoticed */
	if (!watching_forks && pthread_atfork(NULL, NULL, in_forked_child) != 0)
		return NULL;
	watching_forks = true;

	if (!fetch_all())
	{
		ERR_clear_error();
		return NULL;
	}
	fetched = true;
	return &algorithms;
}

unsigned
kr_crypto_process(void)
{
	return process;
}
