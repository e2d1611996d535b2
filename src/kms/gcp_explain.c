/*
 * src/kms/gcp_explain.c
 *
 * Words about problems with Google Cloud KMS: what could not be done, and what its owner or
 * this server's administrator can do about it. Roles are granted on the key, not on the project.
 */
#include <string.h>

#include "kms/gcp_answer.h"

static const char *
verb(KrGcpAsked asked)
{
	switch (asked)
	{
		case KR_GCP_ENCRYPT:
			return "encrypt with";
		case KR_GCP_DECRYPT:
			return "decrypt with";
		case KR_GCP_GET:
			return "read the metadata of";
		case KR_GCP_PROBE:
			return "ask for permissions on";
	}
	return "use";
}

static void
hint(KrKmsReport *report, const char *text)
{
	kr_kms_say(report->hint, sizeof(report->hint), "%s", text);
}

/* A denial and a key that does not exist look the same from outside. */
void
kr_kms_gcp_hint_grant(KrKmsReport *report, const KrGcpContext *context, const char *role)
{
	const KrGcpResource *r = context->resource;

	kr_kms_say(report->hint, sizeof(report->hint),
			   "If the name is right, the key's owner can run: gcloud kms keys add-iam-policy-binding %s --keyring=%s --location=%s "
			   "--project=%s --member=%s --role=%s (a grant takes a few minutes to work).",
			   r->key, r->ring, r->location, r->project,
			   context->member[0] != '\0' ? context->member : "serviceAccount:EMAIL", role);
}

/* Asking for permissions needs none, so nothing that could be granted is missing then. */
static void
hint_denied(KrKmsReport *report, const KrGcpContext *context)
{
	if (context->asked == KR_GCP_PROBE)
		hint(report, "No role is needed for that: a policy or a gateway forbids it. The other steps tell what this server may do.");
	else
		kr_kms_gcp_hint_grant(report, context, context->asked == KR_GCP_GET ? KR_GCP_VIEW_ROLE : KR_GCP_USE_ROLE);
}

static void
hint_versions(KrKmsReport *report, const KrGcpContext *context, const char *action, const char *version)
{
	const KrGcpResource *r = context->resource;

	kr_kms_say(report->hint, sizeof(report->hint),
			   "The key's owner can run: gcloud kms keys versions %s %s --key=%s --keyring=%s --location=%s --project=%s",
			   action, version[0] != '\0' ? version : "VERSION", r->key, r->ring, r->location, r->project);
}

static void
hint_api(KrKmsReport *report, const KrGcpContext *context)
{
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Enable it in the project that the service says, or else the key's: gcloud services enable cloudkms.googleapis.com "
			   "--project=%s (it takes a few minutes).",
			   context->resource->project);
}

/* What the reason tells; NULL when the class has to. */
static const char *
explain_reason(KrKmsReport *report, const KrGcpProblem *problem, const KrGcpContext *context)
{
	switch (problem->reason)
	{
		case KR_GCP_PLAIN:
			return NULL;
		case KR_GCP_API_DISABLED:
			hint_api(report, context);
			return "the Cloud KMS API is not enabled";
		case KR_GCP_QUOTA_PROJECT:
			hint(report, "The service account's project is charged: let it use services there (roles/serviceusage.serviceUsageConsumer).");
			return "the project that is charged refuses";
		case KR_GCP_BILLING:
			hint(report, "Billing is off in the key's project: its owner has to turn it on.");
			return "billing is disabled";
		case KR_GCP_PERIMETER:
			hint(report, "A VPC Service Controls perimeter keeps this server out: its administrator has to let it in.");
			return "a service perimeter forbids it";
		case KR_GCP_SCOPE:
			hint(report, "Give the virtual machine the access scope cloud-platform, or set keyring.gcp_credentials_file.");
			return "the access token of this server is not for Cloud KMS";
		case KR_GCP_NOT_KMS:
			hint(report, "Check keyring.gcp_endpoint, and what stands between this server and the service.");
			return "whatever answered is not Cloud KMS";
		case KR_GCP_TLS:
			hint(report, "Check keyring.gcp_endpoint; a certificate of your own needs keyring.kms_ca_file, others the package ca-certificates.");
			return "the certificate of the service is not accepted";
		case KR_GCP_PENDING:
			hint(report, "Try again when the key version is ready.");
			return "the key version is not ready yet";
		case KR_GCP_EXTERNAL:
			hint(report, "The key is in an external key manager: its administrator has to look there.");
			return "its external key manager does not work";
		case KR_GCP_PURPOSE:
			hint(report, "Name a key of purpose ENCRYPT_DECRYPT: gcloud kms keys create KEY --purpose=encryption makes one.");
			return "the key is not for encrypting and decrypting";
	}
	return NULL;
}

static const char *
explain_class(KrKmsReport *report, const KrGcpProblem *problem, const KrGcpContext *context)
{
	switch (problem->status)
	{
		case KR_KMS_AUTH:
			hint(report, "Check keyring.gcp_credentials_file, that the service account and its key are still there, and the server's clock.");
			return "the credential of this server is not accepted";
		case KR_KMS_DENIED:
			hint_denied(report, context);
			return "permission denied, or there is no such key";
		case KR_KMS_NOT_FOUND:
			hint_denied(report, context);
			return "there is no such key";
		case KR_KMS_DISABLED:
			hint_versions(report, context, "enable", problem->version);
			return problem->version[0] != '\0' ? "the key version is disabled" : "it has no enabled primary version";
		case KR_KMS_DESTROY_SCHEDULED:
			hint_versions(report, context, "restore", problem->version);
			return "the key version is scheduled for destruction";
		case KR_KMS_DESTROYED:
			hint(report, "What was encrypted with a destroyed key version cannot be decrypted by anybody.");
			return "the key version has been destroyed";
		case KR_KMS_BAD_CIPHERTEXT:
			hint(report, "The wrapped key is damaged or belongs to another key: restore table keyring_key from a backup.");
			return "the service does not accept the wrapped key";
		case KR_KMS_INTEGRITY:
			hint(report, "Try again.");
			return "the request was damaged on its way";
		case KR_KMS_THROTTLED:
			hint(report, "Try again later, or ask for a higher quota of Cloud KMS requests.");
			return "the quota is used up";
		case KR_KMS_UNAVAILABLE:
			hint(report, "Check the network and the status of the service; the key is tried again by itself.");
			return problem->code == 0 ? "no answer" : "the service cannot answer";
		default:
			hint(report, "The server log has the words of the service.");
			return "the service refuses the request";
	}
}

void
kr_kms_gcp_explain(KrKmsReport *report, const KrGcpProblem *problem, const KrGcpContext *context)
{
	char name[KR_KMS_RESOURCEMAX];
	char wait[48] = "";
	const char *why = explain_reason(report, problem, context);

	if (why == NULL)
		why = explain_class(report, problem, context);
	kr_kms_gcp_resource_print(name, context->resource);
	if (problem->retry_after > 0)
		kr_kms_say(wait, sizeof(wait), ", retry after %ld s", problem->retry_after);
	if (problem->code != 0)
		kr_kms_say(report->message, sizeof(report->message), "could not %s Cloud KMS key %s: %s (HTTP %ld%s%s%s%s%s)",
				   verb(context->asked), name, why, problem->code,
				   problem->version[0] != '\0' ? ", version " : "", problem->version,
				   problem->state[0] != '\0' ? ", " : "", problem->state, wait);
	else
		kr_kms_say(report->message, sizeof(report->message), "could not %s Cloud KMS key %s at %s: %s",
				   verb(context->asked), name, context->setting, why);
	kr_kms_say(report->complaint, sizeof(report->complaint), "%s", problem->words);
	report->retry_after = problem->retry_after > 0 ? problem->retry_after : 0;
}
