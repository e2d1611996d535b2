/*
 * src/keys/wrapped.h
 *
 * A wrapped data key as the worker needs it to unwrap: what the catalog holds,
 * copied. Fixed size, since it travels through shared memory.
 */
#ifndef KR_KEYS_WRAPPED_H
#define KR_KEYS_WRAPPED_H

#include "crypto/material.h"
#include "kms/provider.h"

#define KR_PROVIDERMAX 32

typedef struct KrWrapped
{
	uint8 uuid[KR_ENVELOPE_UUIDBYTES];
	uint8 check_value[KR_HMACBYTES];
	char provider[KR_PROVIDERMAX];
	char resource[KR_KMS_RESOURCEMAX];
	char kek_version[KR_KMS_VERSIONMAX]; /* that made the wrap */
	Size wrap_len;
	uint8 wrap[KR_KMS_WRAPMAX];
} KrWrapped;

#define KR_DIGESTBYTES KR_HMACBYTES

/*
 * Identifies a wrapped key in the cache: SHA-256 over all of the above. Whoever can
 * present the same digest already holds the same wrapped key, so no database
 * reaches another's, and none can poison another's.
 */
extern void kr_keys_digest(uint8 out[KR_DIGESTBYTES], const KrWrapped *key);

#endif
