/*
 * test/unit/shake.h
 *
 * SHAKE-128 (FIPS 202) as a stream, for C2SP's accumulated vectors, which read
 * 300 MB from one. OpenSSL can squeeze in pieces from 3.3 only.
 */
#ifndef KR_UNIT_SHAKE_H
#define KR_UNIT_SHAKE_H

#include <stddef.h>
#include <stdint.h>

#define SHAKE_RATE 168

typedef struct Shake
{
	uint64_t lanes[25];
	uint8_t block[SHAKE_RATE];
	size_t used; /* of block */
} Shake;

/* The stream of the empty input. */
extern void shake_start(Shake *shake);

extern void shake_read(Shake *shake, uint8_t *out, size_t len);

#endif
