/*
 * test/unit/test_fork.c
 *
 * Fork: a child uses objects of its own, and refuses contexts of its parent,
 * with which it would repeat the parent's nonces.
 */
#include <stdlib.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include "crypto/algorithms.h"
#include "crypto/token.h"
#include "crypto/xaes.h"
#include "unit/tap.h"

static const uint8_t key[KR_XAES_KEYBYTES] = { 5 };
static const uint8_t nonce[KR_XAES_NONCEBYTES] = { 6 };

static KrXaesContext *xaes;
static KrTokenContext *token;
static uint8_t sealed[20];
static uint8_t token_of_parent[KR_TOKENBYTES];

/* Runs a check in a child; its answer is the exit code. */
static bool
in_child(bool (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(check() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
seals_and_opens(KrXaesContext *ctx)
{
	uint8_t out[20];
	uint8_t back[4];

	return kr_crypto_xaes_seal(out, key, 4, NULL, 0, nonce + 12, ctx) == KR_OK &&
		kr_crypto_xaes_open(back, out, 20, NULL, 0, nonce + 12, ctx) == KR_OK &&
		memcmp(back, key, 4) == 0 && memcmp(out, sealed, 20) == 0;
}

static bool
inherited_contexts_refuse(void)
{
	uint8_t out[20];
	uint8_t back[4] = { 1, 1, 1, 1 };

	return kr_crypto_xaes_seal(out, key, 4, NULL, 0, nonce + 12, xaes) == KR_CRYPTO_FAILED &&
		kr_crypto_xaes_open(back, sealed, 20, NULL, 0, nonce + 12, xaes) == KR_CRYPTO_FAILED &&
		tap_all_zero(back, 4) &&
		kr_crypto_token_compute(out, key, 4, 0, 25, token) == KR_CRYPTO_FAILED;
}

static bool
inherited_contexts_can_be_keyed_again(void)
{
	uint8_t out[KR_TOKENBYTES];

	return kr_crypto_xaes_rekey(xaes, nonce, key) == KR_OK && seals_and_opens(xaes) &&
		kr_crypto_token_rekey(token, key) == KR_OK &&
		kr_crypto_token_compute(out, key, 4, 0, 25, token) == KR_OK &&
		memcmp(out, token_of_parent, sizeof(out)) == 0;
}

static bool
new_contexts_work(void)
{
	KrXaesContext *own = kr_crypto_xaes_new();
	bool ok = own != NULL && kr_crypto_xaes_rekey(own, nonce, key) == KR_OK && seals_and_opens(own);

	kr_crypto_xaes_free(own);
	kr_crypto_xaes_free(xaes);
	kr_crypto_token_free(token);
	return ok;
}

static unsigned parents_number;

static bool
number_differs(void)
{
	return kr_crypto_process() != parents_number && kr_crypto_process() != 0 && kr_crypto_algorithms() != NULL;
}

static bool
grandchildren_too(void)
{
	return inherited_contexts_can_be_keyed_again() && in_child(inherited_contexts_refuse) &&
		in_child(inherited_contexts_can_be_keyed_again);
}

static int pipe_to_parent[2];

static bool
sends_random(void)
{
	KrSecret secret;

	return kr_crypto_secret_random(&secret, 32) == KR_OK &&
		write(pipe_to_parent[1], secret.bytes, 32) == 32;
}

/* Two children of one parent, whose generator is seeded, draw different keys. */
static void
test_random(void)
{
	KrSecret own;
	uint8_t drawn[64];

	tap_status(kr_crypto_secret_random(&own, 32), KR_OK, "the parent draws random bytes");
	tap_ok(pipe(pipe_to_parent) == 0 && in_child(sends_random) && in_child(sends_random) &&
			   read(pipe_to_parent[0], drawn, sizeof(drawn)) == (ssize_t) sizeof(drawn) &&
			   memcmp(drawn, drawn + 32, 32) != 0,
		   "two children draw different ones");
}

int
main(void)
{
	xaes = kr_crypto_xaes_new();
	token = kr_crypto_token_new();
	tap_status(kr_crypto_xaes_rekey(xaes, nonce, key), KR_OK, "the parent keys a context");
	tap_status(kr_crypto_xaes_seal(sealed, key, 4, NULL, 0, nonce + 12, xaes), KR_OK, "and seals");
	tap_status(kr_crypto_token_rekey(token, key), KR_OK, "and keys one for tokens");
	tap_status(kr_crypto_token_compute(token_of_parent, key, 4, 0, 25, token), KR_OK, "and makes one");
	parents_number = kr_crypto_process();

	tap_ok(in_child(number_differs), "a child has a number of its own");
	tap_ok(in_child(inherited_contexts_refuse), "a child seals and opens nothing with its parent's contexts");
	tap_ok(in_child(inherited_contexts_can_be_keyed_again), "it may key them again");
	tap_ok(in_child(new_contexts_work), "it may make its own, and free the parent's");
	tap_ok(in_child(grandchildren_too), "the same holds for its children");
	tap_ok(seals_and_opens(xaes), "the parent goes on");
	test_random();
	kr_crypto_xaes_free(xaes);
	kr_crypto_token_free(token);
	return tap_done();
}
