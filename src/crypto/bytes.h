/*
 * src/crypto/bytes.h
 *
 * Bounded big-endian reader and writer: the only pointer arithmetic of this
 * room. An access past the end touches nothing and sets overrun, which stays set,
 * so a caller may do a row of accesses and test once at the end.
 */
#ifndef KR_CRYPTO_BYTES_H
#define KR_CRYPTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct KrByteReader
{
	const uint8_t *at;
	size_t left;
	bool overrun;
} KrByteReader;

typedef struct KrByteWriter
{
	uint8_t *at;
	size_t left;
	bool overrun;
} KrByteWriter;

static inline KrByteReader
kr_crypto_reader(const uint8_t *bytes, size_t len)
{
	return (KrByteReader){ .at = bytes, .left = len, .overrun = false };
}

static inline KrByteWriter
kr_crypto_writer(uint8_t *bytes, size_t len)
{
	return (KrByteWriter){ .at = bytes, .left = len, .overrun = false };
}

/* The next len bytes, in place; NULL when there are fewer. */
static inline const uint8_t *
kr_crypto_read_bytes(KrByteReader *reader, size_t len)
{
	const uint8_t *bytes = reader->at;

	if (reader->overrun || len > reader->left)
	{
		reader->overrun = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return bytes;
}

/* 0 when there is no byte left. */
static inline uint8_t
kr_crypto_read_u8(KrByteReader *reader)
{
	const uint8_t *bytes = kr_crypto_read_bytes(reader, 1);

	return bytes == NULL ? 0 : bytes[0];
}

/* 0 when fewer than four bytes are left. */
static inline uint32_t
kr_crypto_read_u32(KrByteReader *reader)
{
	const uint8_t *bytes = kr_crypto_read_bytes(reader, 4);

	if (bytes == NULL)
		return 0;
	return ((uint32_t) bytes[0] << 24) | ((uint32_t) bytes[1] << 16) |
		((uint32_t) bytes[2] << 8) | (uint32_t) bytes[3];
}

/* Room for len bytes, to be filled by the caller; NULL when there is less. */
static inline uint8_t *
kr_crypto_write_room(KrByteWriter *writer, size_t len)
{
	uint8_t *bytes = writer->at;

	if (writer->overrun || len > writer->left)
	{
		writer->overrun = true;
		return NULL;
	}
	writer->at += len;
	writer->left -= len;
	return bytes;
}

static inline void
kr_crypto_write_bytes(KrByteWriter *writer, const uint8_t *bytes, size_t len)
{
	uint8_t *room = kr_crypto_write_room(writer, len);

	if (!writer->overrun && len > 0)
		memcpy(room, bytes, len);
}

static inline void
kr_crypto_write_u8(KrByteWriter *writer, uint8_t value)
{
	kr_crypto_write_bytes(writer, &value, 1);
}

static inline void
kr_crypto_write_u32(KrByteWriter *writer, uint32_t value)
{
	const uint8_t bytes[4] = {
		(uint8_t) (value >> 24), (uint8_t) (value >> 16), (uint8_t) (value >> 8), (uint8_t) value
	};

	kr_crypto_write_bytes(writer, bytes, sizeof(bytes));
}

#endif
