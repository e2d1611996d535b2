/*
 * test/unit/shake.c
 *
 * Keccak-f[1600] as FIPS 202 section 3.2 writes it, and SHAKE-128's output on a
 * little-endian or big-endian machine.
 */
#include "unit/shake.h"

#include <string.h>

static uint64_t
rotate(uint64_t x, unsigned n)
{
	return n == 0 ? x : (x << n) | (x >> (64 - n));
}

/* Round constants from the LFSR of section 3.2.5. */
static uint64_t
round_constant(uint8_t *lfsr)
{
	uint64_t constant = 0;

	for (int j = 0; j < 7; j++)
	{
		if ((*lfsr & 1) != 0)
			constant |= UINT64_C(1) << ((1 << j) - 1);
		*lfsr = (uint8_t) ((*lfsr << 1) ^ ((*lfsr & 0x80) != 0 ? 0x71 : 0));
	}
	return constant;
}

static void
keccak(uint64_t a[25])
{
	uint8_t lfsr = 1;

	for (int round = 0; round < 24; round++)
	{
		uint64_t c[5];
		uint64_t moved = a[1];
		int x = 1;
		int y = 0;

		for (int i = 0; i < 5; i++)
			c[i] = a[i] ^ a[i + 5] ^ a[i + 10] ^ a[i + 15] ^ a[i + 20];
		for (int i = 0; i < 25; i++)
			a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);

		moved = a[1];
		for (unsigned t = 0; t < 24; t++)
		{
			int next_y = (2 * x + 3 * y) % 5;
			uint64_t kept;

			x = y;
			y = next_y;
			kept = a[x + 5 * y];
			a[x + 5 * y] = rotate(moved, ((t + 1) * (t + 2) / 2) % 64);
			moved = kept;
		}

		for (int row = 0; row < 25; row += 5)
		{
			memcpy(c, a + row, sizeof(c));
			for (int i = 0; i < 5; i++)
				a[row + i] = c[i] ^ (~c[(i + 1) % 5] & c[(i + 2) % 5]);
		}
		a[0] ^= round_constant(&lfsr);
	}
}

static void
squeeze(Shake *shake)
{
	keccak(shake->lanes);
	for (size_t i = 0; i < SHAKE_RATE; i++)
		shake->block[i] = (uint8_t) (shake->lanes[i / 8] >> (8 * (i % 8)));
	shake->used = 0;
}

void
shake_start(Shake *shake)
{
	memset(shake, 0, sizeof(*shake));
	shake->lanes[0] = 0x1F;
	shake->lanes[SHAKE_RATE / 8 - 1] = UINT64_C(1) << 63;
	squeeze(shake);
}

void
shake_read(Shake *shake, uint8_t *out, size_t len)
{
	while (len > 0)
	{
		size_t part = SHAKE_RATE - shake->used;

		if (part == 0)
		{
			squeeze(shake);
			continue;
		}
		if (part > len)
			part = len;
		memcpy(out, shake->block + shake->used, part);
		shake->used += part;
		out += part;
		len -= part;
	}
}
