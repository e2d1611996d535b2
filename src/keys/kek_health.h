/*
 * src/keys/kek_health.h
 *
 * What is known of the wrapping keys that have versions: for each data key that was used since the server started, when
 * the version that wraps it is destroyed, when the next one comes. In shared memory; the KMS worker asks and writes,
 * everybody reads, and nobody but who waits for the worker asks anybody.
 */
#ifndef KR_KEYS_KEK_HEALTH_H
#define KR_KEYS_KEK_HEALTH_H

#include "datatype/timestamp.h"
#include "keys/wrapped.h"

typedef struct KrKekHealth
{
	TimestampTz asked_at; /* 0 = never */
	KrStatus status;      /* whether the metadata could be read */
	TimestampTz since;    /* since when the version that wraps is in the state that it is in */
	KrKmsDescription description;
} KrKekHealth;

/* Whether a version's state is one that its owner has put it into, and that keeps data keys from being unwrapped. */
extern bool kr_keys_kek_is_gone(KrStatus version_status);

/* "is disabled" and the like, with the date of destruction if it is known; palloc'd. */
extern char *kr_keys_kek_words(const KrKmsDescription *description);

/* A date as services write it. False for anything else, also "". */
extern bool kr_keys_kek_date(TimestampTz *out, const char *text);

/* False when nothing was ever learned. */
extern bool kr_keys_kek_health(KrKekHealth *out, const KrWrapped *key);

/* The wrap is not there any more. */
extern void kr_keys_kek_forget(const uint8 digest[KR_DIGESTBYTES]);

/* ---- the worker ---- */

typedef struct KrKekWork
{
	uint8 digest[KR_DIGESTBYTES];
	uint8 uuid[KR_ENVELOPE_UUIDBYTES];
	char provider[KR_PROVIDERMAX];
	char resource[KR_KMS_RESOURCEMAX];
	char kek_version[KR_KMS_VERSIONMAX];
} KrKekWork;

/* A data key is in use, so its wrapping key is one to be looked at. */
extern void kr_keys_kek_seen(const KrWrapped *key);

/*
 * A data key was refused for the state of its version. If that is news, the metadata are read soon, for what it means
 * and until when.
 */
extern void kr_keys_kek_refused(const KrWrapped *key, KrStatus status);

/* Takes the next one that is due; false when there is none. */
extern bool kr_keys_kek_next(KrKekWork *work);

/* How it went, whoever asked; without an answer, what was known stays. Writes to the server log what its owner has changed. */
extern void kr_keys_kek_learned(const KrKekWork *work, KrStatus status, const KrKmsDescription *description);
extern void kr_keys_kek_learned_of(const KrWrapped *key, KrStatus status, const KrKmsDescription *description);

/* Milliseconds until one is due, -1 = none. */
extern long kr_keys_kek_next_due(void);

/* As the worker starts: its predecessor asks no more. */
extern void kr_keys_kek_adopt(void);

/* From _PG_init: shared memory. */
extern void kr_keys_kek_init(void);

#endif
