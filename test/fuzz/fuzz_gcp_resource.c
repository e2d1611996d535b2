/*
 * test/fuzz/fuzz_gcp_resource.c
 *
 * Any text as the name of a Cloud KMS key: what is taken prints as a name that is taken
 * again and is the same, and holds nothing that a URL would read otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "kms/gcp_resource.h"

static void
check_taken(const KrGcpResource *resource)
{
	char printed[KR_KMS_RESOURCEMAX];
	char again[KR_KMS_RESOURCEMAX];
	KrGcpResource second;
	KrKmsReport report = { 0 };

	kr_kms_gcp_resource_print(printed, resource);
	check(strpbrk(printed, " \t\r\n%?#@\\\"'") == NULL && strstr(printed, "..") == NULL && strstr(printed, "//") == NULL);
	check(kr_kms_gcp_resource_parse(&second, printed, &report) == KR_OK);
	kr_kms_gcp_resource_print(again, &second);
	check(strcmp(printed, again) == 0);
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *name = malloc(len + 1);
	KrKmsReport report = { 0 };
	KrGcpResource resource;

	check(name != NULL);
	memcpy(name, data, len);
	name[len] = '\0';
	if (kr_kms_gcp_resource_parse(&resource, name, &report) == KR_OK)
		check_taken(&resource);
	else
		check(resource.project[0] == '\0' && report.message[0] != '\0' && report.hint[0] != '\0');
	(void) kr_kms_gcp_resource_version(name, "projects/p");
	free(name);
	return 0;
}
