/*
 * src/kms/gcp_resource.c
 *
 * The grammar of key names in Google Cloud KMS. What passes here goes into the path
 * of a URL as it is: nothing but letters, digits and -_.: in its parts, so there is nothing to
 * escape and no way to leave the path.
 */
#include <stdio.h>
#include <string.h>

#include "kms/gcp_resource.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BLANKS " \t\r\n"

#define KEY_PARTS 8
#define VERSION_PARTS 10

typedef struct Part
{
	const char *text;
	size_t len;
} Part;

static bool
only(const char *text, size_t len, const char *allowed)
{
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] == '\0' || strchr(allowed, text[i]) == NULL)
			return false;
	}
	return true;
}

static bool
is_word(Part part, const char *word)
{
	return part.len == strlen(word) && memcmp(part.text, word, part.len) == 0;
}

static bool
is_id(Part part)
{
	return part.len >= 1 && part.len < KR_GCP_IDMAX && only(part.text, part.len, LOWER UPPER DIGITS "_-");
}

static bool
is_location(Part part)
{
	return part.len >= 1 && part.len < KR_GCP_IDMAX && only(part.text, part.len, LOWER DIGITS "-");
}

static bool
is_number(Part part)
{
	return part.len >= 1 && part.len <= 19 && part.text[0] != '0' && only(part.text, part.len, DIGITS);
}

/* New ids have at least 6 characters; a shorter one is the service's to refuse. */
static bool
is_project_id(Part part)
{
	return part.len >= 1 && part.len <= 30 && only(part.text, 1, LOWER) &&
		only(part.text, part.len, LOWER DIGITS "-") && part.text[part.len - 1] != '-';
}

/* example.com: at least two labels, none of them empty or with a hyphen at an end. */
static bool
is_domain(Part part)
{
	char previous = '.';
	int dots = 0;

	if (part.len > 100 || !only(part.text, part.len, LOWER DIGITS "-."))
		return false;
	for (size_t i = 0; i < part.len; i++)
	{
		if ((previous == '.' && strchr("-.", part.text[i]) != NULL) || (previous == '-' && part.text[i] == '.'))
			return false;
		previous = part.text[i];
		dots += previous == '.';
	}
	return dots > 0 && previous != '.' && previous != '-';
}

static bool
is_project(Part part)
{
	const char *colon = memchr(part.text, ':', part.len);
	size_t before;

	if (colon == NULL)
		return is_project_id(part) || is_number(part);
	before = (size_t) (colon - part.text);
	return is_domain((Part){ part.text, before }) &&
		is_project_id((Part){ colon + 1, part.len - before - 1 });
}

/* Past the service's address, which documentation and gcloud print before a name. */
static const char *
skip_address(const char *name)
{
	const char *host = name;
	const char *slash;

	if (strncmp(name, "https://", 8) == 0)
		host += 8;
	else if (strncmp(name, "//", 2) == 0)
		host += 2;
	else
		return name[0] == '/' ? name + 1 : name;

	/* another host's name is a mistake, and not ours to guess about */
	slash = strchr(host, '/');
	if (slash == NULL || strncmp(host, "cloudkms.", 9) != 0)
		return name;
	if (strncmp(slash, "/v1/", 4) == 0)
		slash += 3;
	return slash + 1;
}

/* Number of parts between slashes; more than max is as bad as max + 1. */
static int
split(Part *parts, int max, const char *text, size_t len)
{
	const char *end = text + len;
	int count = 0;

	for (;;)
	{
		const char *slash = memchr(text, '/', (size_t) (end - text));
		const char *stop = slash == NULL ? end : slash;

		if (count == max)
			return max + 1;
		parts[count++] = (Part){ text, (size_t) (stop - text) };
		if (slash == NULL)
			return count;
		text = slash + 1;
	}
}

static KrStatus
refuse(KrKmsReport *report, const char *name, const char *why)
{
	kr_kms_say(report->message, sizeof(report->message), "\"%.*s\" is not the name of a Cloud KMS key: %s",
			   (int) strnlen(name, 200), name, why);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "The form is projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY. This prints the exact name: "
			   "gcloud kms keys describe KEY --keyring=RING --location=LOCATION --project=PROJECT --format=\"value(name)\"");
	return KR_KMS_CONFIG;
}

static KrStatus
refuse_version(KrKmsReport *report, const char *name, size_t key_len, const char *text)
{
	kr_kms_say(report->message, sizeof(report->message), "\"%.*s\" names one version of a Cloud KMS key",
			   (int) strnlen(name, 300), name);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Name the key itself, so that it can be rotated: %.*s", (int) key_len, text);
	return KR_KMS_CONFIG;
}

static void
keep(char *out, Part part)
{
	memcpy(out, part.text, part.len);
	out[part.len] = '\0';
}

static const char *
what_is_wrong(const Part *parts, int count)
{
	static const char *const words[KEY_PARTS] = { "projects", NULL, "locations", NULL, "keyRings", NULL, "cryptoKeys", NULL };

	if (count < KEY_PARTS)
		return "parts are missing";
	for (int i = 0; i < KEY_PARTS; i += 2)
	{
		if (!is_word(parts[i], words[i]))
			return i == 0 ? "it does not begin with projects/" :
				i == 2    ? "locations/ does not follow the project" :
				i == 4    ? "keyRings/ does not follow the location" :
							"cryptoKeys/ does not follow the key ring";
	}
	if (!is_project(parts[1]))
		return "a project is an id of at most 30 lower-case letters, digits and hyphens, or a number";
	if (!is_location(parts[3]))
		return "a location has lower-case letters, digits and hyphens, as europe-west3 or global";
	if (!is_id(parts[5]))
		return "the id of a key ring has 1 to 63 letters, digits, _ and -";
	if (!is_id(parts[7]))
		return "the id of a key has 1 to 63 letters, digits, _ and -";
	return NULL;
}

KrStatus
kr_kms_gcp_resource_parse(KrGcpResource *out, const char *name, KrKmsReport *report)
{
	Part parts[VERSION_PARTS];
	const char *text = name + strspn(name, BLANKS);
	const char *wrong;
	size_t len;
	int count;

	memset(out, 0, sizeof(*out));
	if (*text == '\0')
		return refuse(report, name, "it is empty");
	text = skip_address(text);
	len = strlen(text);
	while (len > 0 && strchr(BLANKS "/", text[len - 1]) != NULL)
		len--;

	count = split(parts, VERSION_PARTS, text, len);
	wrong = what_is_wrong(parts, count);
	if (wrong != NULL)
		return refuse(report, name, wrong);
	if (count == VERSION_PARTS && is_word(parts[8], "cryptoKeyVersions"))
		return refuse_version(report, name, (size_t) (parts[7].text + parts[7].len - text), text);
	if (count != KEY_PARTS)
		return refuse(report, name, "something follows the key");

	keep(out->project, parts[1]);
	keep(out->location, parts[3]);
	keep(out->ring, parts[5]);
	keep(out->key, parts[7]);
	return KR_OK;
}

void
kr_kms_gcp_resource_print(char out[KR_KMS_RESOURCEMAX], const KrGcpResource *resource)
{
	kr_kms_say(out, KR_KMS_RESOURCEMAX, "projects/%s/locations/%s/keyRings/%s/cryptoKeys/%s",
			   resource->project, resource->location, resource->ring, resource->key);
}

const char *
kr_kms_gcp_resource_version(const char *version, const char *key)
{
	static const char infix[] = "/cryptoKeyVersions/";
	size_t len = strlen(key);
	const char *number;

	if (strncmp(version, key, len) != 0 || strncmp(version + len, infix, sizeof(infix) - 1) != 0)
		return NULL;
	number = version + len + sizeof(infix) - 1;
	return is_number((Part){ number, strlen(number) }) ? number : NULL;
}
