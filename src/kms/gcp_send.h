/*
 * src/kms/gcp_send.h
 *
 * Requests to Google Cloud KMS.
 */
#ifndef KR_KMS_GCP_SEND_H
#define KR_KMS_GCP_SEND_H

#include "kms/gcp_resource.h"
#include "kms/http.h"

/* The name of a key or of one of its versions, with the terminating zero. */
#define KR_GCP_PATHMAX (KR_KMS_RESOURCEMAX + 48)

/* Whether what the call sends is of a size that kr_kms_gcp_send has room for. */
extern bool kr_kms_gcp_fits(const KrKmsCall *call);

/* Sends the call's request about a key or version, with the access token that is there. NULL when libcurl fails. */
extern KrHttpRequest *kr_kms_gcp_send(const KrKmsCall *call, const char *name, int timeout_ms);

#endif
