/*
 * src/kms/json.c
 *
 * The few things that keyring wants of JSON.
 */
#include "kms/json.h"

#include <string.h>

#include "kms/wiping.h"

void
kr_kms_json_init(void)
{
	static bool done = false;

	if (done)
		return;
	json_set_alloc_funcs(kr_kms_wiping_malloc, kr_kms_wiping_free);
	done = true;
}

json_t *
kr_kms_json_object(const char *text, size_t len)
{
	json_error_t error; /* quotes the text: not for anybody's eyes */
	json_t *parsed;

	kr_kms_json_init();
	parsed = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	memset(&error, 0, sizeof(error));
	if (parsed != NULL && !json_is_object(parsed))
	{
		json_decref(parsed);
		parsed = NULL;
	}
	return parsed;
}

const char *
kr_kms_json_string(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text == NULL ? "" : text;
}

bool
kr_kms_json_number(uint64_t *out, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	const char *digits = json_string_value(value);
	size_t len;

	*out = 0;
	if (json_is_integer(value))
	{
		*out = (uint64_t) json_integer_value(value);
		return json_integer_value(value) >= 0;
	}
	len = digits == NULL ? 0 : strlen(digits);
	if (len == 0 || len > 18 || strspn(digits, "0123456789") != len)
		return false;
	for (size_t i = 0; i < len; i++)
		*out = *out * 10 + (uint64_t) (digits[i] - '0');
	return true;
}
