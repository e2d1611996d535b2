/*
 * test/unit/root_key_kit.h
 *
 * What the tests of managed keys share: a scratch folder, files in it, a host
 * that a test can set up, and a way to do a part as an ordinary user.
 */
#ifndef KR_TEST_ROOT_KEY_KIT_H
#define KR_TEST_ROOT_KEY_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kms/root_key.h"

#define KIT_PATHMAX 512
#define KIT_NOBODY 65534

/* Two keys with their fingerprints, which openssl computed. */
#define KIT_KEY_1 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KIT_FINGERPRINT_1 "f8116bae79d5d37f"
#define KIT_KEY_2 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define KIT_FINGERPRINT_2 "a2162d6000262bda"

/* The scratch folder, made at the first call and removed at exit. It is open to all, as tests change users. */
extern const char *kit_folder(void);

/* A path in the scratch folder. The result stays. */
extern const char *kit_path(const char *name);

/* Writes a file of this mode in the scratch folder, replacing what was there; returns its path. */
extern const char *kit_file(const char *name, const char *text, mode_t mode);

/* Whole text of a file; "" when it cannot be read. The result lives until the next call. */
extern const char *kit_read(const char *path);

/* A host that reads this file (NULL: one that does not exist), has 20 s and never aborts. */
extern KrKmsHost kit_host(const char *path);

/* Runs a part in a child, as user nobody if we are root: true when it says so and ends well. */
extern bool kit_as_nobody(bool (*part)(const void *arg), const void *arg);

/* Number of names in a folder. */
extern int kit_count_files(const char *folder);

/* One check: part stands in text. Both are shown when it does not. */
extern void kit_contains(const char *text, const char *part, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

extern double kit_seconds(void);

#endif
