/*
 * src/kms/gcp_answer.h
 *
 * What answers of Google Cloud KMS mean. Pure functions over an answer, for tests and
 * fuzzing: nothing here sends anything.
 */
#ifndef KR_KMS_GCP_ANSWER_H
#define KR_KMS_GCP_ANSWER_H

#include "kms/gcp_resource.h"
#include "kms/http.h"

#define KR_GCP_USE_ROLE "roles/cloudkms.cryptoKeyEncrypterDecrypter"
#define KR_GCP_VIEW_ROLE "roles/cloudkms.viewer"

typedef enum KrGcpAsked
{
	KR_GCP_ENCRYPT,
	KR_GCP_DECRYPT,
	KR_GCP_GET,
	KR_GCP_PROBE
} KrGcpAsked;

/* Why, where the class alone does not tell what to do. */
typedef enum KrGcpReason
{
	KR_GCP_PLAIN, /* the class says it */
	KR_GCP_API_DISABLED,
	KR_GCP_QUOTA_PROJECT,
	KR_GCP_BILLING,
	KR_GCP_PERIMETER,
	KR_GCP_SCOPE,    /* the access token is not for Cloud KMS */
	KR_GCP_NOT_KMS,  /* whatever answers there, it does not speak as the service does */
	KR_GCP_TLS,      /* its certificate is not accepted */
	KR_GCP_PENDING,  /* the version is not ready yet */
	KR_GCP_EXTERNAL, /* an external key manager fails */
	KR_GCP_PURPOSE   /* the key is not for encrypting and decrypting */
} KrGcpReason;

typedef struct KrGcpProblem
{
	KrStatus status; /* KR_OK: there is none */
	KrGcpReason reason;
	long code;        /* 0 = there is no answer */
	long retry_after; /* s, -1 = not said */
	char version[24]; /* number of the key version that it is about, if it says so */
	char state[64];   /* the version's state, in the service's word */
	char words[256];  /* the service's own, printable: for the log and for admins */
} KrGcpProblem;

/* Classifies an answer that is no success; what succeeds, but is no answer of the service, is a problem too. */
extern void kr_kms_gcp_classify(KrGcpProblem *out, const KrHttpAnswer *answer, KrGcpAsked asked);

/* Who asked what of which key, for words about a problem. */
typedef struct KrGcpContext
{
	KrGcpAsked asked;
	const KrGcpResource *resource;
	const char *member;  /* "serviceAccount:..." or "" when it is not known */
	const char *setting; /* value of keyring.gcp_endpoint */
} KrGcpContext;

extern void kr_kms_gcp_explain(KrKmsReport *report, const KrGcpProblem *problem, const KrGcpContext *context);

/* The command that grants this server a role on the key, as the hint. */
extern void kr_kms_gcp_hint_grant(KrKmsReport *report, const KrGcpContext *context, const char *role);

/* Words about a success that is not as it must be; KR_KMS_INTEGRITY. */
extern KrStatus kr_kms_gcp_damaged(KrKmsReport *report, const char *what) KR_MUST_CHECK;

/*
 * Read a success. key is the canonical name that was asked for. KR_KMS_INTEGRITY when anything in it is not
 * as it must be, with words in report; out is then empty.
 */
extern KrStatus kr_kms_gcp_read_encrypt(KrKmsWrap *out, const KrHttpAnswer *answer, const char *key,
										KrKmsReport *report) KR_MUST_CHECK;
extern KrStatus kr_kms_gcp_read_decrypt(KrSecret *out, const KrHttpAnswer *answer, KrKmsReport *report) KR_MUST_CHECK;

/* A key that cannot wrap is a problem, whose class is returned; out is filled as far as it goes. */
extern KrStatus kr_kms_gcp_read_key(KrKmsDescription *out, KrGcpProblem *problem, const KrHttpAnswer *answer,
									const char *key, KrKmsReport *report) KR_MUST_CHECK;

/* One version of the key, by number: the class of its state, and when it is destroyed. The rest of out is left alone. */
extern KrStatus kr_kms_gcp_read_version(KrKmsDescription *out, KrGcpProblem *problem, const KrHttpAnswer *answer,
										const char *key, const char *number, KrKmsReport *report) KR_MUST_CHECK;

#endif
