/*
 * src/crypto/algorithms.h
 *
 * OpenSSL's algorithm objects, fetched once per process at first use, because a
 * fetch costs more than sealing a value. Nothing is fetched when the library is
 * loaded: the postmaster must not touch OpenSSL before it forks. The objects are
 * immutable, so a child goes on with its copies; contexts are another matter.
 *
 * A process here has one thread that calls this room.
 */
#ifndef KR_CRYPTO_ALGORITHMS_H
#define KR_CRYPTO_ALGORITHMS_H

#include <openssl/evp.h>

typedef struct KrAlgorithms
{
	EVP_CIPHER *gcm; /* AES-256-GCM */
	EVP_CIPHER *ecb; /* AES-256, for single blocks */
	EVP_MAC *hmac;
	EVP_MD *sha256;
} KrAlgorithms;

/* The objects, owned here; NULL when OpenSSL has no such algorithm or no memory. */
extern const KrAlgorithms *kr_crypto_algorithms(void);

/*
 * A number, never 0, that a forked child does not share with its parent. A
 * context remembers the number of the process that keyed it and refuses to
 * work under another: a child that went on with its parent's context would repeat
 * the parent's nonces. Costs no system call, which getpid() would.
 */
extern unsigned kr_crypto_process(void);

#endif
