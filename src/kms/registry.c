/*
 * src/kms/registry.c
 *
 * The providers by name. A new one adds a line here and nothing elsewhere.
 */
#include <string.h>

#include "kms/gcp_kms.h"
#include "kms/managed.h"
#include "kms/provider.h"

static const KrKmsProvider *const providers[] = {
	&kr_kms_managed,
	&kr_kms_gcp,
};

#define PROVIDERS (sizeof(providers) / sizeof(providers[0]))

const KrKmsProvider *
kr_kms_provider(const char *name)
{
	if (name == NULL)
		return NULL;
	for (size_t i = 0; i < PROVIDERS; i++)
	{
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	}
	return NULL;
}

const char *
kr_kms_provider_names(void)
{
	static char names[128];

	if (names[0] == '\0')
	{
		size_t used = 0;

		for (size_t i = 0; i < PROVIDERS && used < sizeof(names); i++)
		{
			kr_kms_say(names + used, sizeof(names) - used, "%s%s", i == 0 ? "" : ", ", providers[i]->name);
			used += strlen(names + used);
		}
	}
	return names;
}
