/*
 * test/unit/tap.h
 *
 * A small harness: each program prints one TAP line per check and the plan at its
 * end. Checks over many cases count what went wrong and report once.
 */
#ifndef KR_UNIT_TAP_H
#define KR_UNIT_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/status.h"

extern void tap_ok(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* On failure both sides are shown. */
extern void tap_status(KrStatus got, KrStatus want, const char *name);
extern void tap_bytes(const uint8_t *got, const uint8_t *want, size_t len, const char *name);
extern void tap_hex(const uint8_t *got, const char *want, const char *name);

extern void tap_skip(const char *name, const char *why);

/* Prints the plan; the exit code of main. */
extern int tap_done(void);

/* Reads hex, blanks ignored, into out; ends the program when it is not hex or longer than size. */
extern size_t tap_unhex(uint8_t *out, size_t size, const char *hex);

extern bool tap_all_zero(const void *bytes, size_t len);

/* True when needle stands somewhere in the bytes. */
extern bool tap_contains(const void *bytes, size_t len, const void *needle, size_t needle_len);

#endif
