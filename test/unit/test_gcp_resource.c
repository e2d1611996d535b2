/*
 * test/unit/test_gcp_resource.c
 *
 * Names of Cloud KMS keys: what is taken, what is forgiven, what is refused and with which words.
 */
#include <string.h>

#include "kms/gcp_resource.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

#define KEY "projects/acme-prod/locations/europe-west3/keyRings/main_Ring/cryptoKeys/db-key"
#define ID_63 "a23456789012345678901234567890123456789012345678901234567890123"

static KrGcpResource resource;
static KrKmsReport report;

static KrStatus
parse(const char *name)
{
	memset(&report, 0, sizeof(report));
	memset(&resource, 0xA5, sizeof(resource));
	return kr_kms_gcp_resource_parse(&resource, name, &report);
}

static void
taken(const char *name, const char *canonical, const char *what)
{
	char printed[KR_KMS_RESOURCEMAX] = "";
	KrStatus status = parse(name);

	if (status == KR_OK)
		kr_kms_gcp_resource_print(printed, &resource);
	tap_ok(status == KR_OK && strcmp(printed, canonical) == 0, "taken: %s", what);
}

static void
refused(const char *name, const char *message, const char *what)
{
	KrStatus status = parse(name);

	tap_ok(status == KR_KMS_CONFIG && tap_all_zero(&resource, sizeof(resource)), "refused: %s", what);
	kit_contains(report.message, message, "message: %s", what);
	kit_contains(report.hint, "projects/", "the hint shows the form: %s", what);
}

static void
test_taken(void)
{
	taken(KEY, KEY, "a plain name");
	tap_ok(strcmp(resource.project, "acme-prod") == 0 && strcmp(resource.location, "europe-west3") == 0 &&
			   strcmp(resource.ring, "main_Ring") == 0 && strcmp(resource.key, "db-key") == 0,
		   "and its parts");
	taken("projects/acme/locations/global/keyRings/r/cryptoKeys/k",
		  "projects/acme/locations/global/keyRings/r/cryptoKeys/k", "a short project id");
	taken("projects/123456789012/locations/global/keyRings/r/cryptoKeys/k",
		  "projects/123456789012/locations/global/keyRings/r/cryptoKeys/k", "a project number");
	taken("projects/example.com:my-project/locations/us/keyRings/r/cryptoKeys/k",
		  "projects/example.com:my-project/locations/us/keyRings/r/cryptoKeys/k", "a project within a domain");
	taken("projects/abcdef/locations/eur4/keyRings/" ID_63 "/cryptoKeys/" ID_63,
		  "projects/abcdef/locations/eur4/keyRings/" ID_63 "/cryptoKeys/" ID_63, "the longest ids");
	taken(" \t" KEY "\r\n", KEY, "blanks around it");
	taken(KEY "/", KEY, "a slash at its end");
	taken("/" KEY, KEY, "a slash at its start");
	taken("//cloudkms.googleapis.com/" KEY, KEY, "a full resource name");
	taken("https://cloudkms.googleapis.com/v1/" KEY "/ ", KEY, "a URL");
	taken("https://cloudkms.europe-west3.rep.googleapis.com/v1/" KEY, KEY, "a URL of a region");
}

static void
test_refused(void)
{
	refused("", "it is empty", "nothing");
	refused("  ", "it is empty", "blanks");
	refused("db-key", "parts are missing", "the key's id alone");
	refused("projects/acme-prod/locations/global/keyRings/r", "parts are missing", "a key ring");
	refused("project/acme-prod/locations/global/keyRings/r/cryptoKeys/k", "does not begin with projects/", "project");
	refused("projects/acme-prod/location/global/keyRings/r/cryptoKeys/k", "locations/ does not follow", "location");
	refused("projects/acme-prod/locations/global/keyrings/r/cryptoKeys/k", "keyRings/ does not follow", "keyrings");
	refused("projects/acme-prod/locations/global/keyRings/r/cryptokeys/k", "cryptoKeys/ does not follow", "cryptokeys");
	refused("projects/Acme-prod/locations/global/keyRings/r/cryptoKeys/k", "a project is", "a capital in the project");
	refused("projects/a234567890123456789012345678901/locations/global/keyRings/r/cryptoKeys/k", "a project is", "a project of 31 letters");
	refused("projects/acme-prod-/locations/global/keyRings/r/cryptoKeys/k", "a project is", "a hyphen at the end");
	refused("projects/012345/locations/global/keyRings/r/cryptoKeys/k", "a project is", "a number with a zero in front");
	refused("projects/example:my-project/locations/global/keyRings/r/cryptoKeys/k", "a project is", "a domain of one label");
	refused("projects/example..com:my-project/locations/us/keyRings/r/cryptoKeys/k", "a project is", "an empty label");
	refused("projects/a.com:b.com:my-project/locations/us/keyRings/r/cryptoKeys/k", "a project is", "two colons");
	refused("projects/../locations/global/keyRings/r/cryptoKeys/k", "a project is", "dots");
	refused("projects/acme-prod/locations/EU/keyRings/r/cryptoKeys/k", "a location has", "a capital in the location");
	refused("projects/acme-prod/locations//keyRings/r/cryptoKeys/k", "a location has", "no location");
	refused("projects/acme-prod/locations/global/keyRings/r r/cryptoKeys/k", "key ring has", "a blank in the key ring");
	refused("projects/acme-prod/locations/global/keyRings/r/cryptoKeys/k%2f", "of a key has", "a per cent sign");
	refused("projects/acme-prod/locations/global/keyRings/r/cryptoKeys/k?x=1", "of a key has", "a question mark");
	refused("projects/acme-prod/locations/global/keyRings/r/cryptoKeys/k:encrypt", "of a key has", "a verb");
	refused("projects/acme-prod/locations/global/keyRings/r/cryptoKeys/" ID_63 "4", "of a key has", "64 letters");
	refused(KEY "/labels", "something follows", "a ninth part");
	refused(KEY "/a/b/c/d", "something follows", "many more parts");
	refused("https://evil.example/v1/" KEY, "does not begin", "another host's URL");
	refused("http://cloudkms.googleapis.com/v1/" KEY, "does not begin", "a plain http URL");
	kit_contains(report.hint, "gcloud kms keys describe", "the hint has the command");
	kit_contains(report.hint, "--format=\"value(name)\"", "and what it prints");
}

static void
test_versions(void)
{
	const char *number;

	refused(KEY "/cryptoKeyVersions/3", "names one version", "a version");
	kit_contains(report.hint, "Name the key itself, so that it can be rotated: " KEY, "the hint names the key");
	tap_ok(strstr(report.hint, "cryptoKeyVersions") == NULL, "and not the version");

	number = kr_kms_gcp_resource_version(KEY "/cryptoKeyVersions/12", KEY);
	tap_ok(number != NULL && strcmp(number, "12") == 0, "the number of a version");
	tap_ok(kr_kms_gcp_resource_version(KEY "2/cryptoKeyVersions/12", KEY) == NULL, "not of another key's version");
	tap_ok(kr_kms_gcp_resource_version(KEY, KEY) == NULL, "nor of a key");
	tap_ok(kr_kms_gcp_resource_version(KEY "/cryptoKeyVersions/0", KEY) == NULL &&
			   kr_kms_gcp_resource_version(KEY "/cryptoKeyVersions/", KEY) == NULL &&
			   kr_kms_gcp_resource_version(KEY "/cryptoKeyVersions/1x", KEY) == NULL,
		   "nor what is no number");
}

int
main(void)
{
	test_taken();
	test_refused();
	test_versions();
	return tap_done();
}
