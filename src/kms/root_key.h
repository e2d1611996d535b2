/*
 * src/kms/root_key.h
 *
 * Root keys: 32 bytes each, the KEKs of managed keys. They come as text, one key
 * a line, newest last, from a file or from the output of a command;
 * doc/root-key.md is the specification. Nothing is kept between calls: taking a
 * root key away takes effect at the next wrap or unwrap.
 *
 * How reading them can fail, and what the class says to the caller:
 *
 *   KR_KMS_NOT_FOUND    no file, or no key of the wanted fingerprint in it. Whoever
 *                       took the key away expects the data to be locked, so this
 *                       is obeyed at once; it may come back, so it is not permanent.
 *   KR_KMS_CONFIG       there is something, but it is not usable until somebody
 *                       mends it: permissions, owner, size, format. Cached DEKs live on
 *                       for the grace period.
 *   KR_KMS_UNAVAILABLE  an input/output error, or the command failed or ran out of time:
 *                       may pass by itself.
 *   KR_KMS_ABORTED      should_abort() said so.
 */
#ifndef KR_KMS_ROOT_KEY_H
#define KR_KMS_ROOT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "crypto/xaes.h"
#include "kms/provider.h"

#define KR_ROOT_KEYBYTES KR_XAES_KEYBYTES
#define KR_ROOT_KEYS_MAX 64
#define KR_ROOT_KEY_TEXTMAX 16384 /* bytes of a file or of a command's output */
#define KR_ROOT_KEY_FINGERPRINTBYTES 8
#define KR_ROOT_KEY_HEXMAX (2 * KR_ROOT_KEY_FINGERPRINTBYTES + 1)
#define KR_ROOT_KEY_PATHMAX 1024 /* with the terminating zero: PostgreSQL's MAXPGPATH */

typedef struct KrRootKey
{
	uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES]; /* leading bytes of HMAC-SHA-256(key, "keyring/root-key/v1") */
	KrSecret key;
} KrRootKey;

/* All root keys of one reading. The owner wipes it with kr_kms_root_keys_wipe. */
typedef struct KrRootKeys
{
	int count; /* at least 1 after success; 0 after failure */
	bool from_command;
	uint64_t device;                  /* st_dev of the file; 0 from a command */
	KrRootKey keys[KR_ROOT_KEYS_MAX]; /* oldest first */
} KrRootKeys;

typedef enum KrRootKeyCreate
{
	KR_ROOT_KEY_NEVER_CREATE,
	KR_ROOT_KEY_MAY_CREATE /* if host->may_create_root_key too, and no command is set */
} KrRootKeyCreate;

/*
 * Reads the root keys from where host says. A file is created only when it is
 * absent and both create and host allow; report->notice then tells the user.
 * On failure out is wiped.
 */
extern KrStatus kr_kms_root_keys_load(KrRootKeys *out, KrRootKeyCreate create,
									  const KrKmsHost *host, KrKmsReport *report) KR_MUST_CHECK;

/* The key that new wraps use. keys is loaded. */
extern const KrRootKey *kr_kms_root_keys_newest(const KrRootKeys *keys);

/* The key of a fingerprint, or NULL. */
extern const KrRootKey *kr_kms_root_keys_find(const KrRootKeys *keys, const uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES]);

extern void kr_kms_root_keys_wipe(KrRootKeys *keys);

/* 16 lower-case hexadecimal digits. */
extern void kr_kms_root_key_hex(char out[KR_ROOT_KEY_HEXMAX], const uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES]);

/* What an operator is told about the root key (keyring_doctor). Holds no secret and no pointer. */
typedef struct KrRootKeyStatus
{
	char fingerprint[KR_ROOT_KEY_HEXMAX]; /* of the newest */
	int count;
	bool from_command;
	char path[KR_ROOT_KEY_PATHMAX]; /* "" from a command */
	uint64_t device;                /* st_dev of the file, to compare with the data directory's; 0 from a command */
} KrRootKeyStatus;

/* Never creates. On failure out is all zeros. */
extern KrStatus kr_kms_root_key_status(KrRootKeyStatus *out, const KrKmsHost *host, KrKmsReport *report) KR_MUST_CHECK;

/*
 * The parts, apart for tests and fuzzing.
 *
 * Parses the text of a file or of a command's output. source names it in messages
 * ("root key file \"/...\""); what a line holds never gets into a message.
 */
extern KrStatus kr_kms_root_keys_parse(KrRootKeys *out, const char *text, size_t len,
									   const char *source, KrKmsReport *report) KR_MUST_CHECK;

/* root_key_file.c: reads path, after checking its kind, owner and permissions. */
extern KrStatus kr_kms_root_keys_from_file(KrRootKeys *out, const char *path, KrKmsReport *report) KR_MUST_CHECK;

/*
 * root_key_file.c: makes a file with one fresh key, unless something of that name
 * is there by now: then that is left alone, KR_OK is returned and *created is false.
 */
extern KrStatus kr_kms_root_key_create(bool *created, const char *path, KrKmsReport *report) KR_MUST_CHECK;

/* root_key_command.c: runs host->root_key_command within host->timeout_ms. */
extern KrStatus kr_kms_root_keys_from_command(KrRootKeys *out, const KrKmsHost *host, KrKmsReport *report) KR_MUST_CHECK;

#endif
