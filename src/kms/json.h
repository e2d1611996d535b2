/*
 * src/kms/json.h
 *
 * JSON of services and of credential files: parsed by jansson into memory that is
 * overwritten when it is freed.
 */
#ifndef KR_KMS_JSON_H
#define KR_KMS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An object, to be given back with json_decref; NULL for anything else, also for a name that stands twice. */
extern json_t *kr_kms_json_object(const char *text, size_t len);

/* Before anything else is made by jansson. */
extern void kr_kms_json_init(void);

/* The string at a name; "" when there is none. Lives as long as the object, which may be NULL. */
extern const char *kr_kms_json_string(const json_t *object, const char *name);

/* A number as services write 64-bit ones, which is in quotes, or a plain one. False when it is neither, or is negative. */
extern bool kr_kms_json_number(uint64_t *out, const json_t *object, const char *name);

#endif
