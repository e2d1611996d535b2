/*
 * src/kms/gcp_kms.h
 *
 * The provider for keys in Google Cloud KMS. A wrap is the ciphertext of the service as it is; its
 * kek_version is the number of the key version that made it.
 */
#ifndef KR_KMS_GCP_KMS_H
#define KR_KMS_GCP_KMS_H

#include "kms/provider.h"

#define KR_GCP_ENDPOINT "https://cloudkms.googleapis.com"

extern const KrKmsProvider kr_kms_gcp;

#endif
