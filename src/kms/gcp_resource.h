/*
 * src/kms/gcp_resource.h
 *
 * Names of keys in Google Cloud KMS:
 *
 *   projects/P/locations/L/keyRings/R/cryptoKeys/K
 *
 * P is a project id, a project number or an id within a domain (example.com:my-project).
 * A colon is legal in it, so a name is split at its slashes and never at a colon.
 */
#ifndef KR_KMS_GCP_RESOURCE_H
#define KR_KMS_GCP_RESOURCE_H

#include "kms/provider.h"

#define KR_GCP_IDMAX 64       /* of a location, a key ring, a key; with the terminating zero */
#define KR_GCP_PROJECTMAX 132 /* a domain of 100 characters, a colon, an id */

typedef struct KrGcpResource
{
	char project[KR_GCP_PROJECTMAX];
	char location[KR_GCP_IDMAX];
	char ring[KR_GCP_IDMAX];
	char key[KR_GCP_IDMAX];
} KrGcpResource;

/*
 * Takes a name apart: blanks around it, a slash at its end, and the address of the service
 * before it (https://cloudkms.googleapis.com/v1/ and its like) are forgiven. KR_KMS_CONFIG
 * with the form in the hint when it is no name of a key; out is then empty.
 */
extern KrStatus kr_kms_gcp_resource_parse(KrGcpResource *out, const char *name, KrKmsReport *report) KR_MUST_CHECK;

/* The canonical form. */
extern void kr_kms_gcp_resource_print(char out[KR_KMS_RESOURCEMAX], const KrGcpResource *resource);

/* The number of a version of this key, from the version's full name; NULL when it is not one. Points into version. */
extern const char *kr_kms_gcp_resource_version(const char *version, const char *key);

#endif
