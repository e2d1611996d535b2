/*
 * src/pg/report.c
 *
 * KrStatus to error. Wrong key, moved header and flipped bit are one message:
 * a reader learns nothing about which.
 */
#include "postgres.h"

#include "pg/errcodes.h"
#include "pg/report.h"

typedef struct KrReport
{
	KrStatus status;
	int sqlstate;
	const char *why; /* completes "could not open a value: ..." */
	const char *hint;
} KrReport;

static const KrReport reports[] = {
	{ KR_ENVELOPE_DAMAGED, KR_ERRCODE_ENVELOPE_DAMAGED, "the envelope is damaged",
	  "Restore the row from a backup; keyring_inspect() shows which key the envelope names." },
	{ KR_TOO_LARGE, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the value is too large",
	  "Split the value, or store it outside of the database." },
	{ KR_CRYPTO_FAILED, ERRCODE_INTERNAL_ERROR, "OpenSSL reported a failure",
	  "Look for memory shortage, and check the OpenSSL configuration (openssl list -providers)." },
	{ KR_NOT_CACHED, KR_ERRCODE_KEY_UNAVAILABLE, "the key is not in memory, and nothing may wait here",
	  "Read a value under the key, or run keyring_check_key(), then try again." },
	{ KR_KMS_AUTH, KR_ERRCODE_KMS_UNREACHABLE, "the credential of this server was not accepted",
	  "Check the credential settings of keyring and the server's clock." },
	{ KR_KMS_DENIED, KR_ERRCODE_KMS_DENIED, "the owner of the key does not allow it",
	  "Ask the owner of the key to grant access; reading resumes by itself." },
	{ KR_KMS_DISABLED, KR_ERRCODE_KMS_DISABLED, "the key is disabled in its key management service",
	  "Ask the owner of the key to enable it; reading resumes by itself." },
	{ KR_KMS_DESTROY_SCHEDULED, KR_ERRCODE_KMS_DISABLED, "the key is scheduled for destruction",
	  "Ask the owner of the key to restore and enable it before it is destroyed." },
	{ KR_KMS_DESTROYED, KR_ERRCODE_KEY_DESTROYED, "the key has been destroyed",
	  "Values under it cannot be read any more; restore them from elsewhere." },
	{ KR_KMS_NOT_FOUND, KR_ERRCODE_KEY_UNAVAILABLE, "the wrapping key was not found",
	  "Check its name and whether this server may see it." },
	{ KR_KMS_BAD_CIPHERTEXT, KR_ERRCODE_KEY_UNAVAILABLE, "the wrapped key is not accepted",
	  "Check that the key belongs to this database; restore table keyring_key from a backup if it is damaged." },
	{ KR_KMS_INTEGRITY, KR_ERRCODE_KMS_UNREACHABLE, "the answer was damaged on its way", "Try again." },
	{ KR_KMS_THROTTLED, KR_ERRCODE_KMS_UNREACHABLE, "the key management service refused for load",
	  "Try again later, or ask for a higher quota." },
	{ KR_KMS_UNAVAILABLE, KR_ERRCODE_KMS_UNREACHABLE, "the key management service did not answer",
	  "Check the network; the key is tried again at the next use." },
	{ KR_KMS_CONFIG, KR_ERRCODE_KEY_UNAVAILABLE, "the configuration does not allow it",
	  "See SELECT * FROM keyring_doctor()." },
	{ KR_KMS_ABORTED, KR_ERRCODE_KEY_UNAVAILABLE, "the key management worker is stopping", "Try again." },
};

static const KrReport *
find_report(KrStatus status)
{
	for (size_t i = 0; i < lengthof(reports); i++)
	{
		if (reports[i].status == status)
			return &reports[i];
	}
	return &reports[2];
}

int
kr_pg_sqlstate(KrStatus status)
{
	return find_report(status)->sqlstate;
}

char *
kr_pg_key_words(int32 key_id, const char *label)
{
	if (label != NULL && label[0] != '\0')
		return psprintf("key %d (%s)", key_id, label);
	return psprintf("key %d", key_id);
}

/* Length without a full stop: words of a service often end as a sentence does, ours never do. */
static int
length_without_stop(const char *words)
{
	int len = (int) strlen(words);

	while (len > 0 && strchr(". ", words[len - 1]) != NULL)
		len--;
	return len;
}

char *
kr_pg_sentence(const char *words)
{
	return psprintf("%.*s.", length_without_stop(words), words);
}

char *
kr_pg_words_for_admin(const KrKmsReport *report)
{
	if (report->complaint[0] == '\0')
		return pnstrdup(report->message, length_without_stop(report->message));
	return psprintf("%s: %.*s", report->message, length_without_stop(report->complaint), report->complaint);
}

void
kr_pg_throw(const KrFailure *failure, const char *doing)
{
	const KrReport *report = find_report(failure->status);
	const char *hint = failure->hint != NULL && failure->hint[0] != '\0' ? failure->hint : report->hint;
	const char *at = failure->at != NULL && failure->at[0] != '\0' ? psprintf(" at %s", failure->at) : "";
	bool has_detail = failure->message != NULL && failure->message[0] != '\0';

	if (failure->key_id == 0)
		ereport(ERROR,
				(errcode(report->sqlstate),
				 errmsg("could not %s: %s%s", doing, report->why, at),
				 has_detail ? errdetail("%s", kr_pg_sentence(failure->message)) : 0,
				 errhint("%s", hint)));
	ereport(ERROR,
			(errcode(report->sqlstate),
			 errmsg("could not %s with %s: %s%s", doing,
					kr_pg_key_words(failure->key_id, failure->label), report->why, at),
			 has_detail ? errdetail("%s", kr_pg_sentence(failure->message)) : 0,
			 errhint("%s", hint)));
}
