/*
 * src/kms/wiping.c
 *
 * Each piece has its size in front of it, in a header that keeps malloc's alignment.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "kms/wiping.h"

#define HEADER 16

void *
kr_kms_wiping_malloc(size_t size)
{
	uint8_t *piece;

	if (size > SIZE_MAX - HEADER)
		return NULL;
	piece = malloc(size + HEADER);
	if (piece == NULL)
		return NULL;
	memcpy(piece, &size, sizeof(size));
	return piece + HEADER;
}

void *
kr_kms_wiping_calloc(size_t count, size_t size)
{
	void *memory;

	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	memory = kr_kms_wiping_malloc(count * size);
	if (memory != NULL)
		memset(memory, 0, count * size);
	return memory;
}

static size_t
size_of(const void *memory)
{
	size_t size;

	memcpy(&size, (const uint8_t *) memory - HEADER, sizeof(size));
	return size;
}

/* realloc(3) might move the bytes and leave the old ones behind. */
void *
kr_kms_wiping_realloc(void *memory, size_t size)
{
	void *moved = kr_kms_wiping_malloc(size);

	if (moved == NULL || memory == NULL)
		return moved;
	memcpy(moved, memory, size_of(memory) < size ? size_of(memory) : size);
	kr_kms_wiping_free(memory);
	return moved;
}

char *
kr_kms_wiping_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = kr_kms_wiping_malloc(size);

	if (copy != NULL)
		memcpy(copy, text, size);
	return copy;
}

void
kr_kms_wiping_free(void *memory)
{
	if (memory == NULL)
		return;
	OPENSSL_cleanse(memory, size_of(memory));
	free((uint8_t *) memory - HEADER);
}
