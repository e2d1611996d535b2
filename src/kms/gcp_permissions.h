/*
 * src/kms/gcp_permissions.h
 *
 * What a key's owner lets this server do, as Cloud KMS answers to testIamPermissions. Asking needs no permission, and a
 * key that does not exist is answered like one on which nothing is granted. The service calls the answer
 * no ground for a decision, since it may be out of date or say too much: it explains a failure, and decides nothing here.
 */
#ifndef KR_KMS_GCP_PERMISSIONS_H
#define KR_KMS_GCP_PERMISSIONS_H

#include "kms/gcp_answer.h"

/* The body of the request. */
extern const char *const kr_kms_gcp_probe_body;

/*
 * Reads a success: {"permissions":[...]}, or {} when nothing is granted. What is missing has the command that grants it
 * as the report's hint. KR_KMS_INTEGRITY for anything else, with words in report; out is then empty.
 */
extern KrStatus kr_kms_gcp_read_permissions(KrKmsPermissions *out, const KrHttpAnswer *answer, const KrGcpContext *context,
											KrKmsReport *report) KR_MUST_CHECK;

#endif
