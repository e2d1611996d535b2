/*
 * test/unit/tap.h
 *
 * Test Anything Protocol for the unit tests.
 */
#ifndef KR_TEST_TAP_H
#define KR_TEST_TAP_H

#include <stdbool.h>

extern bool ok(bool passed, const char *name, ...) __attribute__((format(printf, 2, 3)));
extern bool contains(const char *text, const char *part, const char *name, ...) __attribute__((format(printf, 3, 4)));
extern void skip(const char *name, const char *reason);

/* Prints the plan; the result is main's. */
extern int done_testing(void);

#endif
