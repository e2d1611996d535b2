/*
 * src/kms/wiping.h
 *
 * Memory for libraries that handle our secrets without knowing it: libcurl copies access
 * tokens and answers about, jansson holds private keys. What they free is overwritten first.
 * Only the KMS worker uses either library, so no other process is slowed down.
 */
#ifndef KR_KMS_WIPING_H
#define KR_KMS_WIPING_H

#include <stddef.h>

extern void *kr_kms_wiping_malloc(size_t size);
extern void *kr_kms_wiping_calloc(size_t count, size_t size);
extern void *kr_kms_wiping_realloc(void *memory, size_t size);
extern char *kr_kms_wiping_strdup(const char *text);
extern void kr_kms_wiping_free(void *memory);

#endif
