/*
 * src/kms/provider.h
 *
 * What a provider is: code that wraps, unwraps and describes through one kind of
 * key management service. Only the KMS worker calls it. No PostgreSQL here, so
 * nothing can jump past a secret: every call returns a KrStatus and fills a
 * KrKmsReport with words for people.
 */
#ifndef KR_KMS_PROVIDER_H
#define KR_KMS_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/secret.h"

#define KR_KMS_RESOURCEMAX 512 /* with the terminating zero */
#define KR_KMS_WRAPMAX 4096
#define KR_KMS_VERSIONMAX 256
#define KR_KMS_IDENTITYMAX 300
#define KR_KMS_PERMISSIONSMAX 200

/*
 * What the caller of a provider lends it. The strings must last until the call has ended,
 * though what they hold may change between two steps of it.
 */
typedef struct KrKmsHost
{
	bool (*should_abort)(void *arg); /* asked at least every 100 ms while waiting */
	void *arg;
	int timeout_ms; /* of the whole call */
	int connect_timeout_ms;
	const char *root_key_file;    /* absolute path; never NULL */
	const char *root_key_command; /* "" = use the file */
	const char *gcp_endpoint;
	const char *gcp_credentials_file; /* "" = the metadata server */
	const char *kms_ca_file;          /* "" = the system's */
	bool may_create_root_key;         /* no wrap by a root key exists where the request comes from */
} KrKmsHost;

/*
 * Words about how a call ended. The provider empties it first, so it tells of the
 * last call only. Strings are always terminated and hold no secret.
 */
typedef struct KrKmsReport
{
	char message[384];   /* what could not be done, lower case, no period: "could not read root key file \"...\": ..." */
	char hint[800];      /* what to do next, a sentence; may be empty. The longest command of a provider has room */
	char complaint[260]; /* what an operator's program said of itself, which goes on from message; may be empty. Whatever
						  * it holds, it is not for those who merely read a value: only for the log and for admins */
	char notice[384];    /* something the user must be told although the call went well; may be empty */
	long retry_after;    /* s that the service wants not to be asked again; 0 = it did not say */
} KrKmsReport;

typedef struct KrKmsWrap
{
	size_t len;
	uint8_t bytes[KR_KMS_WRAPMAX];
	char kek_version[KR_KMS_VERSIONMAX]; /* names the KEK's version; for root keys the fingerprint in hex */
} KrKmsWrap;

typedef struct KrKmsDescription
{
	char current_version[KR_KMS_VERSIONMAX];
	char protection[32];    /* protection level, e.g. "file", "command", "HSM" */
	char next_rotation[40]; /* RFC 3339; "" where it is not known or there is none */
	char destroy_time[40];  /* of the current version, likewise */
	char purpose[40];       /* with state: what the service says; "" where it has no such thing, or was not asked */
	char state[64];

	/* the version that the call asked about, where it has versions: KR_OK, disabled and so on, or why that is not known */
	KrStatus version_status;
	char version_destroy_time[40];
	uint64_t device; /* st_dev of the file that holds the KEK; 0 where it is in no file here */
} KrKmsDescription;

/*
 * What the owner of the KEK lets us do, in the service's names of permissions, comma separated. A service may tell what
 * was true a while ago: this explains a failure, and only a wrap that was unwrapped again proves anything.
 */
typedef struct KrKmsPermissions
{
	bool known; /* false: not asked, no answer, or there is nobody who grants anything */
	char granted[KR_KMS_PERMISSIONSMAX];
	char missing[KR_KMS_PERMISSIONSMAX]; /* of those that a provider makes use of */
} KrKmsPermissions;

typedef struct KrKmsCall KrKmsCall;

/*
 * A provider has either wrap, unwrap and describe, which return when all is done, or start, step and cancel, for
 * calls that run beside each other. kms/call.c makes one of both for the worker.
 */
typedef struct KrKmsProvider
{
	const char *name;

	/* Whether describe tells of each version of a KEK, which its owner may take away one by one. */
	bool has_versions;

	/*
	 * Checks a resource name and writes its canonical form to out
	 * (KR_KMS_RESOURCEMAX bytes; "" where the provider has no names). resource is
	 * NULL when the user gave none. No I/O: also called in backends. KR_KMS_CONFIG otherwise.
	 */
	KrStatus (*check_resource)(char *out, const char *resource, KrKmsReport *report);

	/* Wraps a secret under the KEK's current version. The caller unwraps and compares before it trusts the result. */
	KrStatus (*wrap)(KrKmsWrap *out, const KrSecret *secret, const char *aad, size_t aad_len,
					 const char *resource, const KrKmsHost *host, KrKmsReport *report);

	/* Unwraps; on failure out is empty. */
	KrStatus (*unwrap)(KrSecret *out, const uint8_t *wrap, size_t wrap_len, const char *aad, size_t aad_len,
					   const char *resource, const KrKmsHost *host, KrKmsReport *report);

	/* Metadata of the KEK. Failure here is a warning for the caller, not an obstacle. */
	KrStatus (*describe)(KrKmsDescription *out, const char *resource, const KrKmsHost *host, KrKmsReport *report);

	/*
	 * Begins a call, and goes on with it; neither waits for anything. step sets call->status to how it
	 * ended and returns true, having filled the outputs and released all it held; until then
	 * it says in call->wake_ms when it wants to be called again, though nothing on the network has moved.
	 */
	void (*start)(KrKmsCall *call);
	bool (*step)(KrKmsCall *call);
	void (*cancel)(KrKmsCall *call);
} KrKmsProvider;

typedef enum KrKmsOp
{
	KR_KMS_WRAP,
	KR_KMS_UNWRAP,
	KR_KMS_DESCRIBE,
	KR_KMS_PROBE,   /* what its owner lets us do with the KEK; report has a hint where something is missing */
	KR_KMS_IDENTIFY /* our own credential, and who it says we are */
} KrKmsOp;

/* One call of a provider. The caller fills in the first part; what it points to must last until the call has ended. */
struct KrKmsCall
{
	const KrKmsProvider *provider;
	KrKmsOp op;
	KrKmsHost host;
	const char *resource;
	const char *aad;
	size_t aad_len;
	const KrSecret *secret; /* WRAP */
	const uint8_t *wrap;    /* UNWRAP */
	size_t wrap_len;
	const char *version; /* DESCRIBE: one that is told about too; NULL or "" = none */
	KrKmsReport *report; /* outputs: always, and the one of the operation */
	KrKmsWrap *wrapped;
	KrSecret *unwrapped;
	KrKmsDescription *description;
	KrKmsPermissions *permissions;
	char *identity; /* KR_KMS_IDENTITYMAX bytes: whom a key's owner must grant, e.g. "serviceAccount:..."; "" = nobody */

	bool ended; /* read only from here on */
	KrStatus status;
	int wake_ms; /* -1 = only when the network moves */
	void *state; /* the provider's */
};

/* kms/call.c: begins; goes on, true when it has ended; stops a call that has not ended. */
extern void kr_kms_call_start(KrKmsCall *call);
extern bool kr_kms_call_step(KrKmsCall *call);
extern void kr_kms_call_cancel(KrKmsCall *call);

/* kms/registry.c: the table of a provider, or NULL for an unknown name; and all names, comma separated, for hints. */
extern const KrKmsProvider *kr_kms_provider(const char *name);
extern const char *kr_kms_provider_names(void);

/* Formats into one of a report's strings; cuts what does not fit. */
extern void kr_kms_say(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
