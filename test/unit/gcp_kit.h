/*
 * test/unit/gcp_kit.h
 *
 * A service account with a key of its own, for tests of what talks to Google Cloud.
 */
#ifndef KR_UNIT_GCP_KIT_H
#define KR_UNIT_GCP_KIT_H

#include "kms/provider.h"

#define KIT_EMAIL "db@acme-prod.iam.gserviceaccount.com"

/* The text of its key file. The result lives until the next call. */
extern const char *kit_gcp_account(const char *type, const char *email, const char *token_url);

/* The private key in PEM, as it stands in the file. */
extern const char *kit_gcp_pem(void);

/* Whether a JSON web token is signed with it. */
extern bool kit_gcp_signed(const char *assertion);

/* One part of a JSON web token, 0 or 1, as text. The result lives until the next call. */
extern const char *kit_gcp_part(const char *assertion, int part);

/* A host for calls at this endpoint, with this key file ("": the metadata server). */
extern KrKmsHost kit_gcp_host(const char *endpoint, const char *file);

#endif
