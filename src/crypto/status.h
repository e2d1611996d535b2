/*
 * src/crypto/status.h
 *
 * The result codes that the crypto and kms rooms return. Neither room throws;
 * pg/report.c turns a code into an error. Values are append-only, since they
 * cross process boundaries in shared memory.
 */
#ifndef KR_CRYPTO_STATUS_H
#define KR_CRYPTO_STATUS_H

#if defined(__GNUC__)
#define KR_MUST_CHECK __attribute__((warn_unused_result))
#else
#define KR_MUST_CHECK
#endif

typedef enum KrStatus
{
	KR_OK = 0,

	/* values */
	KR_ENVELOPE_DAMAGED = 1, /* not an envelope that this version may open, or it fails to verify */
	KR_TOO_LARGE = 2,        /* longer than the format or the cipher allows */
	KR_CRYPTO_FAILED = 3,    /* OpenSSL refused: out of memory, no provider, no randomness */
	KR_NOT_CACHED = 4,       /* the key is not in memory, and the caller may not wait for it */

	/* one class for every way in which a KMS call ends; the class drives cache and jobs */
	KR_KMS_AUTH = 16,              /* our own credential is bad or expired */
	KR_KMS_DENIED = 17,            /* the key's owner does not let us, or the key is hidden from us */
	KR_KMS_DISABLED = 18,          /* the key version exists and may come back */
	KR_KMS_DESTROY_SCHEDULED = 19, /* the owner can still restore it */
	KR_KMS_DESTROYED = 20,         /* the key material is gone: permanent */
	KR_KMS_NOT_FOUND = 21,         /* no such key, or a typing error, or hidden */
	KR_KMS_BAD_CIPHERTEXT = 22,    /* refuses the wrap: corrupt, other key, other additional data */
	KR_KMS_INTEGRITY = 23,         /* damaged on the wire */
	KR_KMS_THROTTLED = 24,
	KR_KMS_UNAVAILABLE = 25, /* network, server error, time-out */
	KR_KMS_CONFIG = 26,      /* malformed name, wrong purpose, unusable root key file */
	KR_KMS_ABORTED = 27      /* should_abort() said so */
} KrStatus;

/* A stable lower-case word for a code, for logs and views; never NULL. */
extern const char *kr_crypto_status_name(KrStatus status);

#endif
