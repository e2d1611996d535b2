/*
 * src/kms/gcp_auth.h
 *
 * The access token of this process for Google Cloud: from a service account's key file, or from the metadata server of a
 * virtual machine, a Kubernetes node or Cloud Run. One token serves all calls; it
 * is renewed ahead of its end, when the file changes, and when a call asks for a fresh one.
 */
#ifndef KR_KMS_GCP_AUTH_H
#define KR_KMS_GCP_AUTH_H

#include <stdint.h>

#include "kms/provider.h"

typedef enum KrGcpTokenState
{
	KR_GCP_TOKEN_READY,
	KR_GCP_TOKEN_PENDING, /* ask again when the network has moved */
	KR_GCP_TOKEN_FAILED
} KrGcpTokenState;

/* One caller's wish, all zeros at first; fresh may be set again later, once for each refusal. */
typedef struct KrGcpWish
{
	bool fresh; /* rather a new token, if one is to be had; ignored when that which there is is a few seconds old */
	uint64_t attempt;
} KrGcpWish;

/* Never waits. FAILED: *status and report say how. */
extern KrGcpTokenState kr_kms_gcp_token(KrGcpWish *wish, const KrKmsHost *host, KrStatus *status, KrKmsReport *report);

/* "Bearer ...", after READY and until the next call of these. */
extern const char *kr_kms_gcp_bearer(void);

/* "serviceAccount:...", or "" while it is not known. */
extern const char *kr_kms_gcp_member(void);

/* The service did not accept the token: it is used no more, unless it is only a few seconds old. */
extern void kr_kms_gcp_token_refused(void);

/* Wipes all of it. */
extern void kr_kms_gcp_auth_forget(void);

#endif
