/*
 * src/kms/gcp_token.h
 *
 * Answers of those who hand out access tokens of Google Cloud: the token endpoint, which is asked with an assertion, and
 * the metadata server of a machine. They come from the network as any answer does, and are believed as little.
 */
#ifndef KR_KMS_GCP_TOKEN_H
#define KR_KMS_GCP_TOKEN_H

#include "kms/gcp_account.h"

#define KR_GCP_TOKENMAX 4096
#define KR_GCP_TOKEN_SECONDSMAX 86400

typedef struct KrGcpToken
{
	char bearer[KR_GCP_TOKENMAX + 8]; /* "Bearer ...", fit for a header */
	int seconds;                      /* that it is good for, at least 1 */
} KrGcpToken;

typedef enum KrGcpIssuer
{
	KR_GCP_ENDPOINT,
	KR_GCP_METADATA
} KrGcpIssuer;

/* On failure out is empty, and the report, which is empty before, says why. */
extern KrStatus kr_kms_gcp_token_read(KrGcpToken *out, const KrHttpAnswer *answer, KrGcpIssuer issuer,
									  KrKmsReport *report) KR_MUST_CHECK;

/* The metadata server's word on who the machine is; "" when it is not an address. On failure as above. */
extern KrStatus kr_kms_gcp_email_read(char out[KR_GCP_EMAILMAX], const KrHttpAnswer *answer,
									  KrKmsReport *report) KR_MUST_CHECK;

#endif
