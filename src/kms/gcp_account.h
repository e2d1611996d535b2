/*
 * src/kms/gcp_account.h
 *
 * Service account key files of Google Cloud, and the assertions that are signed with them (RFC 7523):
 * a token endpoint gives an access token for one.
 */
#ifndef KR_KMS_GCP_ACCOUNT_H
#define KR_KMS_GCP_ACCOUNT_H

#include <time.h>

#include "kms/http.h"

#define KR_GCP_EMAILMAX 256
#define KR_GCP_FILEMAX 16384
#define KR_GCP_ASSERTIONMAX 4096
#define KR_GCP_SCOPE_KMS "https://www.googleapis.com/auth/cloudkms"

typedef struct KrGcpAccount
{
	char email[KR_GCP_EMAILMAX];
	char token_url[KR_HTTP_URLMAX];
} KrGcpAccount;

/*
 * Reads the text of a key file and signs an assertion for its token endpoint, valid from a little before now
 * for an hour. assertion may be NULL: the file is only read. KR_KMS_CONFIG when it is no such file, or names an endpoint that is
 * neither Google's nor where keyring.gcp_endpoint is; source names the file in messages, which hold
 * nothing of what is in it but the type. On failure both outputs are empty.
 */
extern KrStatus kr_kms_gcp_account_read(KrGcpAccount *out, char assertion[KR_GCP_ASSERTIONMAX], const char *text, size_t len,
										time_t now, const char *endpoint, const char *source,
										KrKmsReport *report) KR_MUST_CHECK;

/* Whether text is an email address that may stand in a command line. */
extern bool kr_kms_gcp_is_email(const char *text);

#endif
