/*
 * test/unit/bench_crypto.c
 *
 * What sealing and opening cost in this room, in ns of CPU time per operation, next
 * to OpenSSL's AES-256-GCM alone on the same size. Medians of interleaved rounds;
 * a first argument sets their number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "crypto/aead.h"
#include "crypto/envelope.h"
#include "crypto/material.h"

#define MOST 1024
#define CALLS 20000
#define ROUNDS_MAX 101

static const uint8_t key[KR_XAES_KEYBYTES] = { 1 };
static const uint8_t uuid[KR_ENVELOPE_UUIDBYTES] = { 2 };
static const uint8_t prefix[KR_XAES_PREFIXBYTES] = { 3 };
static uint8_t plain[MOST];
static uint8_t sealed[MOST + KR_ENVELOPE_HEADERMAX + KR_XAES_TAGBYTES];
static uint8_t bare_sealed[MOST + KR_XAES_TAGBYTES];
static uint8_t back[MOST];
static size_t size;
static uint32_t counter;

static EVP_CIPHER_CTX *bare_encrypt;
static EVP_CIPHER_CTX *bare_decrypt;
static KrXaesContext *ctx;
static KrTokenContext *tokens;

static void
need(bool ok)
{
	if (ok)
		return;
	fprintf(stderr, "bench_crypto: an operation failed\n");
	exit(EXIT_FAILURE);
}

/* OpenSSL as its manual shows it: IV, data, final, tag. */
static void
bare_seal(void)
{
	uint8_t iv[12] = { 0 };
	int len;

	counter++;
	memcpy(iv, &counter, sizeof(counter));
	need(EVP_EncryptInit_ex2(bare_encrypt, NULL, NULL, iv, NULL) == 1 &&
		 EVP_EncryptUpdate(bare_encrypt, sealed, &len, plain, (int) size) == 1 &&
		 EVP_EncryptFinal_ex(bare_encrypt, sealed + size, &len) == 1 &&
		 EVP_CIPHER_CTX_ctrl(bare_encrypt, EVP_CTRL_AEAD_GET_TAG, 16, sealed + size) == 1);
}

static void
bare_open(void)
{
	static const uint8_t iv[12];
	int len;

	need(EVP_DecryptInit_ex2(bare_decrypt, NULL, NULL, iv, NULL) == 1 &&
		 EVP_DecryptUpdate(bare_decrypt, back, &len, bare_sealed, (int) size) == 1 &&
		 EVP_CIPHER_CTX_ctrl(bare_decrypt, EVP_CTRL_AEAD_SET_TAG, 16, bare_sealed + size) == 1 &&
		 EVP_DecryptFinal_ex(bare_decrypt, back, &len) == 1);
}

static KrEnvelope header = { .key_tag = 7, .prefix = prefix };

static void
envelope_seal(void)
{
	header.counter = ++counter;
	need(kr_crypto_envelope_seal(sealed, plain, size, &header, 25, uuid, ctx) == KR_OK);
}

static void
envelope_open(void)
{
	KrEnvelope envelope;

	need(kr_crypto_envelope_parse(&envelope, sealed, kr_crypto_envelope_size(size, false)) == KR_OK &&
		 kr_crypto_envelope_open(back, &envelope, sealed, 25, uuid, ctx) == KR_OK);
}

static void
token(void)
{
	uint8_t out[KR_TOKENBYTES];

	need(kr_crypto_token_compute(out, plain, size, 0, 25, tokens) == KR_OK);
}

static void
rekey_and_open(void)
{
	need(kr_crypto_xaes_rekey(ctx, prefix, key) == KR_OK);
	envelope_open();
}

static void
open_with_new_context(void)
{
	KrXaesContext *fresh = kr_crypto_xaes_new();
	KrEnvelope envelope;

	need(fresh != NULL && kr_crypto_xaes_rekey(fresh, prefix, key) == KR_OK &&
		 kr_crypto_envelope_parse(&envelope, sealed, kr_crypto_envelope_size(size, false)) == KR_OK &&
		 kr_crypto_envelope_open(back, &envelope, sealed, 25, uuid, fresh) == KR_OK);
	kr_crypto_xaes_free(fresh);
}

static const struct
{
	const char *name;
	void (*run)(void);
} works[] = {
	{ "OpenSSL seal", bare_seal },
	{ "OpenSSL open", bare_open },
	{ "envelope seal", envelope_seal },
	{ "envelope open", envelope_open },
	{ "token", token },
	{ "rekey + open", rekey_and_open },
	{ "new context + open", open_with_new_context },
};
#define WORKS (sizeof(works) / sizeof(works[0]))

static double
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
measure(double medians[WORKS], int rounds)
{
	static double taken[WORKS][ROUNDS_MAX];

	for (int round = -1; round < rounds; round++)
	{
		for (size_t i = 0; i < WORKS; i++)
		{
			double start;

			envelope_seal(); /* what the readers open */
			start = cpu_ns();
			for (int call = 0; call < CALLS; call++)
				works[i].run();
			/* the first round warms up */
			if (round >= 0)
				taken[i][round] = (cpu_ns() - start) / CALLS;
		}
	}
	for (size_t i = 0; i < WORKS; i++)
	{
		qsort(taken[i], (size_t) rounds, sizeof(double), compare);
		medians[i] = taken[i][rounds / 2];
	}
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = { 11, 100, 1024 };
	double medians[3][WORKS];
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	static const uint8_t iv[12];

	need(rounds >= 1 && rounds <= ROUNDS_MAX);
	ctx = kr_crypto_xaes_new();
	tokens = kr_crypto_token_new();
	need(ctx != NULL && tokens != NULL && kr_crypto_xaes_rekey(ctx, prefix, key) == KR_OK &&
		 kr_crypto_token_rekey(tokens, key) == KR_OK &&
		 kr_crypto_aead_key(&bare_encrypt, true, key) == KR_OK && kr_crypto_aead_key(&bare_decrypt, false, key) == KR_OK);

	for (int i = 0; i < 3; i++)
	{
		size = sizes[i];
		need(kr_crypto_aead_seal(bare_sealed, plain, size, NULL, 0, iv, bare_encrypt) == KR_OK);
		measure(medians[i], rounds);
	}
	printf("%-20s %8s %8s %8s\n", "ns per operation", "11 B", "100 B", "1 kB");
	for (size_t i = 0; i < WORKS; i++)
		printf("%-20s %8.0f %8.0f %8.0f\n", works[i].name, medians[0][i], medians[1][i], medians[2][i]);
	for (size_t i = 2; i < 4; i++)
		printf("%-13s / G    %8.2f %8.2f %8.2f\n", works[i].name,
			   medians[0][i] / medians[0][i - 2], medians[1][i] / medians[1][i - 2], medians[2][i] / medians[2][i - 2]);
	return EXIT_SUCCESS;
}
