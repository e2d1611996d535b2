/*
 * src/kms/encode.h
 *
 * Bytes as the services' JSON carries them: base64, and CRC32C over the raw bytes.
 */
#ifndef KR_KMS_ENCODE_H
#define KR_KMS_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of len bytes, with the terminating zero. */
#define KR_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

/* Standard alphabet, with padding. out has KR_BASE64_SIZE(len). */
extern void kr_kms_base64(char *out, const uint8_t *bytes, size_t len);

/* For JSON web tokens: the other alphabet, without padding. Same size. */
extern void kr_kms_base64url(char *out, const uint8_t *bytes, size_t len);

/*
 * Back from the standard form, and from nothing else: no blanks, no missing padding, no
 * bits left over. False, and out wiped, if it is not that or longer than size.
 */
extern bool kr_kms_unbase64(uint8_t *out, size_t size, size_t *len, const char *text);

/* Castagnoli's polynomial. */
extern uint32_t kr_kms_crc32c(const uint8_t *bytes, size_t len);

#endif
