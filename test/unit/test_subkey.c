/*
 * test/unit/test_subkey.c
 *
 * Looks inside xaes.c: sub-keys against C2SP's printed ones, CMAC's doubling, and
 * that an emptied context is zeros. The included file takes the place of the object.
 */
#include "crypto/xaes.c"

#include "unit/tap.h"
#include "unit/vectors.h"

static void
test_double(void)
{
	/* L and K1 as C2SP prints them: one with the top bit clear, one with it set */
	uint8_t block[BLOCKBYTES];

	tap_unhex(block, sizeof(block), "7298caa565031eadc6ce23d23ea66378");
	cmac_double(block);
	tap_hex(block, "e531954aca063d5b8d9c47a47d4cc6f0", "doubles a block without a carry");
	tap_unhex(block, sizeof(block), "91c08762876dccf9ba204a33768fa5fe");
	cmac_double(block);
	tap_hex(block, "23810ec50edb99f374409466ed1f4b7b", "doubles a block with one");
}

static void
test_derive(const uint8_t *key, const uint8_t *prefix, const uint8_t *want, const char *name)
{
	KrXaesContext *ctx = kr_crypto_xaes_new();

	tap_status(kr_crypto_xaes_rekey(ctx, prefix, key), KR_OK, name);
	tap_bytes(ctx->subkey, want, sizeof(ctx->subkey), "is the published one");
	make_empty(ctx);
	tap_ok(tap_all_zero(ctx, sizeof(*ctx)), "and is gone from an emptied context");
	kr_crypto_xaes_free(ctx);
}

int
main(void)
{
	const uint8_t *prefix = (const uint8_t *) "ABCDEFGHIJKL";
	uint8_t own_prefix[KR_XAES_PREFIXBYTES];
	uint8_t key[KR_XAES_KEYBYTES];
	uint8_t want[KR_AEAD_KEYBYTES];

	test_double();
	memset(key, 1, sizeof(key));
	tap_unhex(want, sizeof(want), "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b");
	test_derive(key, prefix, want, "C2SP's first sub-key");
	memset(key, 3, sizeof(key));
	tap_unhex(want, sizeof(want), "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8");
	test_derive(key, prefix, want, "C2SP's second sub-key");
	vector("dek", key, sizeof(key));
	vector("prefix", own_prefix, sizeof(own_prefix));
	vector("subkey", want, sizeof(want));
	test_derive(key, own_prefix, want, "the sub-key of doc/envelope.md");
	return tap_done();
}
