/*
 * test/unit/test_faults.c
 *
 * Makes each OpenSSL call that this room makes fail in turn, and watches what
 * OpenSSL frees: whatever fails, the status says so, results are zeros, contexts
 * are empty, the error queue is clean, no freed block holds a secret, and the next
 * attempt works.
 *
 * The functions below stand before OpenSSL's of the same names, because a
 * program's symbols come first.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "crypto/envelope.h"
#include "crypto/material.h"
#include "unit/tap.h"

/* --- Calls that fail --- */

static int calls_until_failure; /* 0 = none fails */
static bool lasting;            /* all fail after the first that does */
static bool has_failed;

static bool
fails_now(void)
{
	if (calls_until_failure == 0)
		return false;
	if (calls_until_failure > 1)
	{
		calls_until_failure--;
		return false;
	}
	if (!lasting)
		calls_until_failure = 0;
	has_failed = true;
	return true;
}

/* OpenSSL says in its queue why it failed; a leftover there is what the callers must clear. */
static bool
openssl_fails_now(void)
{
	if (!fails_now())
		return false;
	ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
	return true;
}

#define FAILING(type, name, params, args, failure) \
	type name params \
	{ \
		static type(*real) params; \
		if (real == NULL) \
			*(void **) &real = dlsym(RTLD_NEXT, #name); \
		return openssl_fails_now() ? (failure) : real args; \
	}

/* OPENSSL_zalloc; only this room's: OpenSSL does not survive every failure of its own start */
void *
CRYPTO_zalloc(size_t num, const char *file, int line)
{
	static void *(*real)(size_t num, const char *file, int line);
	bool ours = file != NULL && strstr(file, "src/crypto/") != NULL;

	if (real == NULL)
		*(void **) &real = dlsym(RTLD_NEXT, "CRYPTO_zalloc");
	return ours && openssl_fails_now() ? NULL : real(num, file, line);
}

FAILING(EVP_CIPHER *, EVP_CIPHER_fetch, (OSSL_LIB_CTX * lib, const char *name, const char *query), (lib, name, query), NULL)
FAILING(EVP_MAC *, EVP_MAC_fetch, (OSSL_LIB_CTX * lib, const char *name, const char *query), (lib, name, query), NULL)
FAILING(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX * lib, const char *name, const char *query), (lib, name, query), NULL)
FAILING(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
FAILING(int, EVP_CipherInit_ex2, (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv, int enc, const OSSL_PARAM params[]), (ctx, cipher, key, iv, enc, params), 0)
FAILING(int, EVP_EncryptInit_ex2, (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv, const OSSL_PARAM params[]), (ctx, cipher, key, iv, params), 0)
FAILING(int, EVP_DecryptInit_ex2, (EVP_CIPHER_CTX * ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv, const OSSL_PARAM params[]), (ctx, cipher, key, iv, params), 0)
FAILING(int, EVP_EncryptUpdate, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *outl, const unsigned char *in, int inl), (ctx, out, outl, in, inl), 0)
FAILING(int, EVP_CipherUpdate, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *outl, const unsigned char *in, int inl), (ctx, out, outl, in, inl), 0)
FAILING(int, EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *outl), (ctx, out, outl), 0)
FAILING(int, EVP_CIPHER_CTX_set_params, (EVP_CIPHER_CTX * ctx, const OSSL_PARAM params[]), (ctx, params), 0)
FAILING(int, EVP_CIPHER_CTX_get_params, (EVP_CIPHER_CTX * ctx, OSSL_PARAM params[]), (ctx, params), 0)
FAILING(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac), NULL)
FAILING(int, EVP_MAC_init, (EVP_MAC_CTX * ctx, const unsigned char *key, size_t len, const OSSL_PARAM params[]), (ctx, key, len, params), 0)
FAILING(int, EVP_MAC_update, (EVP_MAC_CTX * ctx, const unsigned char *data, size_t len), (ctx, data, len), 0)
FAILING(int, EVP_MAC_final, (EVP_MAC_CTX * ctx, unsigned char *out, size_t *outl, size_t size), (ctx, out, outl, size), 0)
FAILING(int, EVP_Digest, (const void *data, size_t count, unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *engine), (data, count, md, size, type, engine), 0)
FAILING(int, RAND_priv_bytes, (unsigned char *out, int len), (out, len), 0)

/* nothing forks here; in libc this one is linked statically, so there is no next one to call */
int
pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return fails_now() ? ENOMEM : 0;
}

/* --- An allocator that looks into what is freed --- */

typedef struct Block
{
	struct Block *next;
	struct Block *previous;
	size_t size;
	_Alignas(16) uint8_t bytes[];
} Block;

static Block blocks = { &blocks, &blocks, 0 };

/* What must not be found, as bytes and as AES schedules of other processors store it. */
static uint8_t key[KR_XAES_KEYBYTES] = "the data key, 32 bytes of it ..";
static uint8_t subkey[KR_XAES_KEYBYTES];
static int leaks;

static bool
holds(const Block *block, const uint8_t *secret)
{
	uint8_t swapped[KR_XAES_KEYBYTES];

	for (size_t i = 0; i < sizeof(swapped); i++)
		swapped[i] = secret[i ^ 3];
	return tap_contains(block->bytes, block->size, secret, KR_XAES_KEYBYTES) ||
		tap_contains(block->bytes, block->size, swapped, KR_XAES_KEYBYTES);
}

static bool
live_blocks_hold(const uint8_t *secret)
{
	for (const Block *block = blocks.next; block != &blocks; block = block->next)
	{
		if (holds(block, secret))
			return true;
	}
	return false;
}

static void *
watched_malloc(size_t size, const char *file, int line)
{
	Block *block = size == 0 ? NULL : malloc(sizeof(Block) + size);

	if (block == NULL)
		return NULL;
	/* so that an uninitialised rest of an earlier block is not taken for this one's */
	memset(block->bytes, 0, size);
	block->size = size;
	block->next = blocks.next;
	block->previous = &blocks;
	block->next->previous = block;
	blocks.next = block;
	return block->bytes;
}

static void
watched_free(void *bytes, const char *file, int line)
{
	Block *block;

	if (bytes == NULL)
		return;
	block = (Block *) ((uint8_t *) bytes - offsetof(Block, bytes));
	if (holds(block, key) || holds(block, subkey))
		leaks++;
	block->next->previous = block->previous;
	block->previous->next = block->next;
	free(block);
}

static void *
watched_realloc(void *bytes, size_t size, const char *file, int line)
{
	void *moved = watched_malloc(size, file, line);

	if (bytes != NULL && moved != NULL)
	{
		size_t old_size = ((Block *) ((uint8_t *) bytes - offsetof(Block, bytes)))->size;

		memcpy(moved, bytes, old_size < size ? old_size : size);
	}
	if (moved != NULL || size == 0)
		watched_free(bytes, file, line);
	return moved;
}

/* --- The operations --- */

static const uint8_t nonce[KR_XAES_NONCEBYTES] = { 'n', 'o', 'n', 'c', 'e', [23] = 1 };
static const uint8_t uuid[KR_ENVELOPE_UUIDBYTES] = { 'u' };
static const uint8_t plain[] = "twenty bytes of text";
static uint8_t sealed[20 + KR_XAES_TAGBYTES];
static uint8_t out[sizeof(sealed)];

static KrStatus
seal(void)
{
	memset(out, 0xEE, sizeof(out));
	return kr_crypto_xaes_seal_once(out, plain, 20, plain, 5, nonce, key);
}

static KrStatus
open(void)
{
	memset(out, 0, sizeof(out));
	memset(out, 0xEE, 20);
	return kr_crypto_xaes_open_once(out, sealed, sizeof(sealed), plain, 5, nonce, key);
}

/* A context that has keyed both directions and is keyed again. */
static KrStatus
rekey(void)
{
	KrXaesContext *ctx = kr_crypto_xaes_new();
	uint8_t scratch[20 + KR_XAES_TAGBYTES];
	uint8_t back[20];
	KrStatus status = ctx == NULL ? KR_CRYPTO_FAILED : kr_crypto_xaes_rekey(ctx, nonce, key);

	if (status == KR_OK)
		status = kr_crypto_xaes_seal(scratch, plain, 20, plain, 5, nonce + 12, ctx);
	if (status == KR_OK)
		status = kr_crypto_xaes_open(back, scratch, sizeof(scratch), plain, 5, nonce + 12, ctx);
	if (status == KR_OK)
	{
		status = kr_crypto_xaes_rekey(ctx, nonce, key);
		if (status != KR_OK && (kr_crypto_xaes_seal(scratch, plain, 20, NULL, 0, nonce + 12, ctx) == KR_OK || live_blocks_hold(subkey)))
			status = KR_OK; /* it should have been empty: a wrong answer that the caller sees */
	}
	if (status == KR_OK)
		status = kr_crypto_xaes_open(back, scratch, sizeof(scratch), plain, 5, nonce + 12, ctx);
	kr_crypto_xaes_free(ctx);
	return status;
}

static KrStatus
token(void)
{
	KrTokenContext *ctx = kr_crypto_token_new();
	KrStatus status = ctx == NULL ? KR_CRYPTO_FAILED : kr_crypto_token_rekey(ctx, key);

	memset(out, 0, sizeof(out));
	if (status == KR_OK)
		status = kr_crypto_token_compute(out, plain, 20, 0, 25, ctx);
	kr_crypto_token_free(ctx);
	return status;
}

static KrSecret material;

static KrStatus
new_material(void)
{
	KrSecret fresh = { .len = 1, .bytes = { 1 } };
	KrStatus status = kr_crypto_material_new(&fresh, NULL);

	return status != KR_OK && !tap_all_zero(&fresh, sizeof(fresh)) ? KR_OK : status;
}

static KrStatus
random_secret(void)
{
	KrSecret fresh = { .len = 1, .bytes = { 1 } };
	KrStatus status = kr_crypto_secret_random(&fresh, 32);

	return status != KR_OK && !tap_all_zero(&fresh, sizeof(fresh)) ? KR_OK : status;
}

static KrStatus
check_value(void)
{
	uint8_t value[KR_HMACBYTES];

	return kr_crypto_material_check_value(value, &material, uuid);
}

static KrStatus
token_key_id(void)
{
	uint8_t id[KR_TOKEN_KEY_IDBYTES];

	return kr_crypto_material_token_key_id(id, &material);
}

static KrStatus
sha256(void)
{
	uint8_t digest[KR_HMACBYTES];

	return kr_crypto_sha256(digest, plain, 20);
}

/* Zeros, or untouched. */
static bool
out_is_clean(void)
{
	uint8_t untouched[20];

	memset(untouched, 0xEE, sizeof(untouched));
	return tap_all_zero(out, 20) || memcmp(out, untouched, 20) == 0;
}

typedef enum Retry
{
	RETRY,
	NO_RETRY /* a success would end what is tested: the first use */
} Retry;

/* Lets the first, second, third ... call of an operation fail, until it needs no more calls. */
static void
fail_each_call(const char *name, KrStatus (*operation)(void), Retry retry)
{
	int wrong = 0;
	int dirty = 0;
	int queued = 0;
	int step = 0;
	KrStatus status;

	leaks = 0;
	memset(out, 0, sizeof(out));
	do
	{
		calls_until_failure = ++step;
		has_failed = false;
		status = operation();
		calls_until_failure = 0;
		if (!has_failed)
			break;
		wrong += status != KR_CRYPTO_FAILED;
		dirty += !out_is_clean();
		queued += ERR_peek_error() != 0;
		ERR_clear_error();
		wrong += retry == RETRY && operation() != KR_OK;
	} while (step < 1000);

	tap_ok(wrong == 0 && step > 1, "%s: each of %d calls fails properly, and the next attempt works", name, step - 1);
	tap_ok(status == KR_OK, "%s: works when none fails", name);
	tap_ok(dirty == 0, "%s: a failure leaves zeros, or nothing touched", name);
	tap_ok(queued == 0, "%s: a failure leaves OpenSSL's error queue clean", name);
	tap_ok(leaks == 0, "%s: nothing freed holds a key", name);
}

/* Opening has two ways to begin: one call that fails is not the end. */
static void
test_second_way(void)
{
	int survived = 0;
	int wrong = 0;
	int step = 0;

	do
	{
		calls_until_failure = ++step;
		has_failed = false;
		if (open() == KR_OK)
		{
			survived += has_failed;
			wrong += memcmp(out, plain, 20) != 0;
		}
		else
			wrong += !out_is_clean();
		calls_until_failure = 0;
		wrong += ERR_peek_error() != 0;
	} while (has_failed && step < 1000);
	tap_ok(survived >= 4, "open once: goes on when one of %d calls fails", survived);
	tap_ok(wrong == 0, "open once: with the right value and a clean error queue then");
}

static void
test_watch(void)
{
	uint8_t back[20];
	KrXaesContext *ctx = kr_crypto_xaes_new();
	void *block;

	leaks = 0;
	tap_status(kr_crypto_xaes_rekey(ctx, nonce, key), KR_OK, "keys a context");
	tap_status(kr_crypto_xaes_open(back, sealed, sizeof(sealed), plain, 5, nonce + 12, ctx), KR_OK, "opens with it");
	tap_ok(live_blocks_hold(subkey), "the watch sees the sub-key that a context holds");
	tap_ok(!live_blocks_hold(key), "and not the key that it was derived from");
	kr_crypto_xaes_free(ctx);
	tap_ok(!live_blocks_hold(subkey) && leaks == 0, "after freeing it the sub-key is nowhere, and was wiped before");

	block = watched_malloc(50, "", 0);
	if (block == NULL)
		abort();
	watched_free(memcpy(block, key, 32), "", 0);
	tap_ok(leaks == 1, "the watch would have seen a freed key");
}

int
main(void)
{
	/* OpenSSL accepts an allocator only before it has allocated anything */
	tap_ok(CRYPTO_set_mem_functions(watched_malloc, watched_realloc, watched_free) == 1,
		   "nothing touches OpenSSL before main");

	/* of this key and nonce, computed apart */
	tap_unhex(subkey, sizeof(subkey), "8c66a87c49de4eca494ac6145398642a78404fb2f04c3bf78043c6850f5c97c3");

	/* the first operation is where algorithms are fetched and forks are watched for */
	fail_each_call("the first SHA-256", sha256, NO_RETRY);

	tap_status(seal(), KR_OK, "seals");
	memcpy(sealed, out, sizeof(sealed));
	tap_status(kr_crypto_material_new(&material, NULL), KR_OK, "makes a material");
	test_watch();

	fail_each_call("seal once", seal, RETRY);
	test_second_way();
	lasting = true;
	fail_each_call("open once", open, RETRY);
	fail_each_call("rekey", rekey, RETRY);
	lasting = false;
	fail_each_call("token", token, RETRY);
	fail_each_call("random secret", random_secret, RETRY);
	fail_each_call("new material", new_material, RETRY);
	fail_each_call("check value", check_value, RETRY);
	fail_each_call("token key id", token_key_id, RETRY);
	fail_each_call("SHA-256", sha256, RETRY);
	return tap_done();
}
