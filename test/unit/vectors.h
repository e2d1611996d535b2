/*
 * test/unit/vectors.h
 *
 * The test vectors of doc/envelope.md, read from that page itself, so that page and
 * code cannot part.
 */
#ifndef KR_UNIT_VECTORS_H
#define KR_UNIT_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of "name = hex" and the indented lines after it; ends the program when there is no such name. */
extern size_t vector(const char *name, uint8_t *out, size_t size);

#endif
