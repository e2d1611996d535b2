/*
 * test/unit/test_stack.c
 *
 * What is left on the stack: each operation runs in a thread whose stack is ours
 * and is searched afterwards for the secrets that the operation had in hand.
 *
 * The program is linked with -z now, as Debian links servers and extensions: the
 * first call of a lazily bound function saves the vector registers on the stack,
 * with whatever key has just been moved through them. Not for valgrind, to which
 * reading a dead stack is an error.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "crypto/envelope.h"
#include "crypto/material.h"
#include "unit/tap.h"
#include "unit/vectors.h"

#define STACKBYTES ((size_t) 256 * 1024)

/* half a key is too much already */
#define PARTBYTES 16

static KrSecret material;
static KrSecret fresh;
static uint8_t subkey[KR_XAES_KEYBYTES];
static uint8_t cmac_k1[PARTBYTES];
static void *(*running)(void *);
static uint8_t nonce[KR_XAES_NONCEBYTES];
static uint8_t uuid[KR_ENVELOPE_UUIDBYTES];
static uint8_t out[100];
static KrStatus status;

/* the address sanitizer of GCC 14 would move locals to a stack of its own, where nothing is looked for */
extern const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_stack_use_after_return=0";
}

static void *
seal(void *unused)
{
	status = kr_crypto_xaes_seal_once(out, uuid, sizeof(uuid), NULL, 0, nonce, kr_crypto_material_dek(&material));
	return NULL;
}

static void *
open(void *unused)
{
	status = kr_crypto_xaes_open_once(out, out, sizeof(uuid) + KR_XAES_TAGBYTES, NULL, 0, nonce, kr_crypto_material_dek(&material));
	return NULL;
}

static void *
open_damaged(void *unused)
{
	status = kr_crypto_xaes_open_once(out, out, sizeof(out), NULL, 0, nonce, kr_crypto_material_dek(&material));
	return NULL;
}

static void *
token(void *unused)
{
	KrTokenContext *ctx = kr_crypto_token_new();

	status = ctx == NULL ? KR_CRYPTO_FAILED : kr_crypto_token_rekey(ctx, kr_crypto_material_token_key(&material));
	if (status == KR_OK)
		status = kr_crypto_token_compute(out, uuid, sizeof(uuid), 0, 25, ctx);
	kr_crypto_token_free(ctx);
	return NULL;
}

static void *
check_value(void *unused)
{
	status = kr_crypto_material_check_value(out, &material, uuid);
	return NULL;
}

static void *
token_key_id(void *unused)
{
	status = kr_crypto_material_token_key_id(out, &material);
	return NULL;
}

static void *
new_material(void *unused)
{
	status = kr_crypto_material_new(&fresh, &material);
	return NULL;
}

/* Leaves a key behind, as code that forgot to wipe would. */
static void *
forgetful(void *unused)
{
	volatile uint8_t copy[KR_XAES_KEYBYTES];

	for (size_t i = 0; i < KR_XAES_KEYBYTES; i++)
		copy[i] = kr_crypto_material_dek(&material)[i];
	status = copy[0] == kr_crypto_material_dek(&material)[0] ? KR_OK : KR_CRYPTO_FAILED;
	return NULL;
}

/* Runs an operation deep enough that the end of the thread does not write over what it left. */
static void *
run_deep(void *unused)
{
	volatile uint8_t room[16384];

	room[0] = 1;
	running(unused);
	status = room[0] == 1 ? status : KR_CRYPTO_FAILED;
	return NULL;
}

static bool
holds(const uint8_t *stack, const uint8_t *secret)
{
	return tap_contains(stack, STACKBYTES, secret, PARTBYTES) ||
		tap_contains(stack, STACKBYTES, secret + PARTBYTES, PARTBYTES);
}

/* Runs an operation; true when its stack holds a secret afterwards. */
static bool
leaves_secret(void *(*operation)(void *) )
{
	uint8_t *stack = mmap(NULL, STACKBYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attributes;
	pthread_t thread;
	bool found;

	running = operation;
	if (stack == MAP_FAILED || pthread_attr_init(&attributes) != 0 ||
		pthread_attr_setstack(&attributes, stack, STACKBYTES) != 0 ||
		pthread_create(&thread, &attributes, run_deep, NULL) != 0 || pthread_join(thread, NULL) != 0)
		abort();
	found = holds(stack, kr_crypto_material_dek(&material)) || holds(stack, kr_crypto_material_token_key(&material)) ||
		holds(stack, subkey) || tap_contains(stack, STACKBYTES, cmac_k1, sizeof(cmac_k1)) || (fresh.len > 0 && holds(stack, kr_crypto_material_dek(&fresh)));
	pthread_attr_destroy(&attributes);
	munmap(stack, STACKBYTES);
	return found;
}

static void
expect_clean(const char *name, KrStatus want, void *(*operation)(void *) )
{
	bool found = leaves_secret(operation);

	tap_status(status, want, name);
	tap_ok(!found, "leaves no key on the stack");
}

int
main(void)
{
	uint8_t bytes[KR_MATERIALBYTES];
	KrXaesContext *ctx = kr_crypto_xaes_new();

	/* the first fetch is OpenSSL's start, not ours to judge */
	if (kr_crypto_secret_set(&material, bytes, vector("material", bytes, sizeof(bytes))) != KR_OK ||
		kr_crypto_xaes_rekey(ctx, nonce, kr_crypto_material_dek(&material)) != KR_OK)
		abort();
	kr_crypto_xaes_free(ctx);
	vector("prefix", nonce, KR_XAES_PREFIXBYTES);
	vector("subkey", subkey, sizeof(subkey));
	/* K1 of CMAC under the DEK, computed apart */
	tap_unhex(cmac_k1, sizeof(cmac_k1), "e520016c54933fa153e734d5ba5cef87");

	tap_ok(leaves_secret(forgetful) && status == KR_OK, "the search finds a key that is left behind");
	expect_clean("seal", KR_OK, seal);
	expect_clean("open", KR_OK, open);
	expect_clean("open what is damaged", KR_ENVELOPE_DAMAGED, open_damaged);
	expect_clean("token", KR_OK, token);
	expect_clean("check value", KR_OK, check_value);
	expect_clean("token key id", KR_OK, token_key_id);
	expect_clean("new material", KR_OK, new_material);
	return tap_done();
}
