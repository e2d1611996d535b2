/*
 * src/kms/gcp_permissions.c
 *
 * Asking Cloud KMS what is granted on a key: the names of the permissions, and the roles that have them.
 */
#include <string.h>

#include "kms/gcp_permissions.h"
#include "kms/json.h"

#define ENCRYPT "cloudkms.cryptoKeyVersions.useToEncrypt"
#define DECRYPT "cloudkms.cryptoKeyVersions.useToDecrypt"
#define GET "cloudkms.cryptoKeys.get"

/* The service answers with some of what it was asked about: many more are no answer of it. */
#define NAMES_MAX 16

const char *const kr_kms_gcp_probe_body = "{\"permissions\":[\"" ENCRYPT "\",\"" DECRYPT "\",\"" GET "\"]}";

/* In the order of the question. */
static const struct
{
	const char *name;
	const char *role;
} wanted[] = {
	{ ENCRYPT, KR_GCP_USE_ROLE },
	{ DECRYPT, KR_GCP_USE_ROLE },
	{ GET, KR_GCP_VIEW_ROLE },
};

#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

_Static_assert(sizeof(ENCRYPT ", " DECRYPT ", " GET) <= KR_KMS_PERMISSIONSMAX, "all names fit");

/* What is granted of what is wanted; names that nobody asked for are passed over. NULL, or what is wrong. */
static const char *
read_names(bool granted[WANTED], const json_t *body)
{
	const json_t *names = json_object_get(body, "permissions");
	const json_t *name;
	size_t i;

	/* it leaves out what is empty */
	if (names == NULL)
		return json_object_size(body) == 0 ? NULL : "it has no permissions in it";
	if (!json_is_array(names) || json_array_size(names) > NAMES_MAX)
		return "its permissions are no list, or too many";
	json_array_foreach(names, i, name)
	{
		if (!json_is_string(name))
			return "a permission in it is no name";
		for (size_t w = 0; w < WANTED; w++)
			granted[w] = granted[w] || strcmp(json_string_value(name), wanted[w].name) == 0;
	}
	return NULL;
}

static void
add(char *list, const char *name)
{
	size_t len = strlen(list);

	kr_kms_say(list + len, KR_KMS_PERMISSIONSMAX - len, "%s%s", len > 0 ? ", " : "", name);
}

/* The roles that are missing; one command has room for the first, and the second differs in nothing else. */
static void
hint_roles(KrKmsReport *report, const bool granted[WANTED], const KrGcpContext *context)
{
	const char *first = NULL;

	for (size_t w = 0; w < WANTED; w++)
	{
		size_t len = strlen(report->hint);

		if (granted[w] || (first != NULL && strcmp(wanted[w].role, first) == 0))
			continue;
		if (first != NULL)
		{
			kr_kms_say(report->hint + len, sizeof(report->hint) - len, " Likewise --role=%s.", wanted[w].role);
			return;
		}
		first = wanted[w].role;
		kr_kms_gcp_hint_grant(report, context, first);
	}
}

KrStatus
kr_kms_gcp_read_permissions(KrKmsPermissions *out, const KrHttpAnswer *answer, const KrGcpContext *context,
							KrKmsReport *report)
{
	json_t *body = kr_kms_json_object(answer->body, answer->len);
	bool granted[WANTED] = { false };
	const char *wrong = body == NULL ? "it is not JSON" : read_names(granted, body);

	json_decref(body);
	memset(out, 0, sizeof(*out));
	if (wrong != NULL)
		return kr_kms_gcp_damaged(report, wrong);
	out->known = true;
	for (size_t w = 0; w < WANTED; w++)
		add(granted[w] ? out->granted : out->missing, wanted[w].name);
	hint_roles(report, granted, context);
	return KR_OK;
}
