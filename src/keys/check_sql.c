/*
 * src/keys/check_sql.c
 *
 * Checks step by step, for people: what fails is a row with a hint, not an error.
 */
#include "postgres.h"

#include "funcapi.h"
#include "keys/lifecycle.h"
#include "keys/request.h"
#include "pg/compat.h"
#include "pg/report.h"
#include "utils/builtins.h"

KR_FUNCTION(keyring_check_key);
KR_FUNCTION(keyring_check_resource);
KR_FUNCTION(keyring_service_account);

static void
put_row(ReturnSetInfo *rsinfo, const char *step, NullableDatum ok, const char *detail, const char *hint)
{
	Datum values[4] = { CStringGetTextDatum(step), ok.value, CStringGetTextDatum(detail), CStringGetTextDatum(hint) };
	bool nulls[4] = { false, ok.isnull, detail[0] == '\0', hint[0] == '\0' };

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_step(ReturnSetInfo *rsinfo, const char *step, KrStatus status, const char *detail, const char *hint)
{
	put_row(rsinfo, step, (NullableDatum){ .value = BoolGetDatum(status == KR_OK) }, detail, hint);
}

/* Neither good nor bad. */
static void
put_unknown(ReturnSetInfo *rsinfo, const char *step, const char *detail, const char *hint)
{
	put_row(rsinfo, step, (NullableDatum){ .isnull = true }, detail, hint);
}

/* Why it failed, as far as anybody said. */
static const char *
words_of(KrStatus status, const KrKmsReport *report)
{
	return report->message[0] ? kr_pg_words_for_admin(report) : kr_crypto_status_name(status);
}

static void
put_report(ReturnSetInfo *rsinfo, const char *step, KrStatus status, const char *good, const KrKmsReport *report)
{
	if (status == KR_OK)
		put_step(rsinfo, step, KR_OK, good, "");
	else
		put_step(rsinfo, step, status, words_of(status, report), report->hint);
}

/* Who this server is to the service. False: nobody, and nothing else was tried. */
static bool
put_credentials(ReturnSetInfo *rsinfo, const KrRequestResult *result)
{
	bool good = result->reached != KR_TRY_CREDENTIALS;

	put_report(rsinfo, "credentials", good ? KR_OK : result->status,
			   result->identity[0] ? result->identity : "none are needed", &result->report);
	return good;
}

/*
 * What the service says of the wrapping key. Its purpose and state are steps of their own where there are such
 * things: a state that does not allow wrapping fails there, and not the reading of it.
 */
static void
put_metadata(ReturnSetInfo *rsinfo, const KrRequestResult *result, const char *good, const char *hint)
{
	const KrKmsDescription *description = &result->description;
	bool suits = strcmp(description->purpose, "ENCRYPT_DECRYPT") == 0;

	if (result->describe_status != KR_OK && description->purpose[0] == '\0')
	{
		put_report(rsinfo, "metadata", result->describe_status, "", &result->describe_report);
		return;
	}
	put_step(rsinfo, "metadata", KR_OK, good, hint);
	if (description->purpose[0] == '\0')
		return;
	put_report(rsinfo, "purpose", suits ? KR_OK : result->describe_status, description->purpose, &result->describe_report);
	if (suits)
		put_report(rsinfo, "state", result->describe_status, description->state, &result->describe_report);
}

/*
 * What the owner grants. No such step where nobody grants anything; where the service does not tell, ok is NULL: the check has
 * not failed by that.
 */
static void
put_permissions(ReturnSetInfo *rsinfo, const KrRequestResult *result)
{
	const KrKmsPermissions *p = &result->permissions;
	const KrKmsReport *report = &result->probe_report;
	const char *granted = p->granted[0] ? p->granted : "nothing";

	if (p->known)
		put_step(rsinfo, "permissions", p->missing[0] ? KR_KMS_DENIED : KR_OK,
				 p->missing[0] ? psprintf("granted: %s; missing: %s", granted, p->missing) : psprintf("granted: %s", granted),
				 report->hint);
	else if (result->probe_status != KR_OK)
		put_unknown(rsinfo, "permissions", psprintf("not known: %s", words_of(result->probe_status, report)), report->hint);
}

static char *
describe(const KrKmsDescription *description)
{
	return psprintf("current KEK version %s%s%s%s%s%s",
					description->current_version[0] ? description->current_version : "unknown",
					description->protection[0] ? " (" : "", description->protection, description->protection[0] ? ")" : "",
					description->next_rotation[0] ? ", next rotation " : "", description->next_rotation);
}

/* Something made up, wrapped and unwrapped again; nobody tries it where unwrapping the key got no answer. */
static void
put_wrap(ReturnSetInfo *rsinfo, const KrRequestResult *result)
{
	const char *version = result->wrap.kek_version;

	if (result->reached < KR_TRY_WRAP)
		return;
	if (result->reached == KR_TRY_UNWRAP && result->wrap_status != KR_OK)
		put_step(rsinfo, "wrap", result->wrap_status,
				 psprintf("wrapped by KEK version %s, but that does not open: %s", version,
						  words_of(result->wrap_status, &result->wrap_report)),
				 result->wrap_report.hint);
	else
		put_report(rsinfo, "wrap", result->wrap_status,
				   psprintf("wrapped by KEK version %s and unwrapped again, and the same came out", version),
				   &result->wrap_report);
}

static void
put_check(ReturnSetInfo *rsinfo, const KrKeyRow *row, const KrRequestResult *result)
{
	bool current = strcmp(result->description.current_version, row->wrapped.kek_version) == 0;

	if (!put_credentials(rsinfo, result))
		return;
	put_metadata(rsinfo, result,
				 psprintf("%s; this key is wrapped by %s", describe(&result->description), row->wrapped.kek_version),
				 current ? "" : psprintf("SELECT keyring_rewrap_key(%d) wraps it by the current version.", row->id));
	put_permissions(rsinfo, result);
	put_report(rsinfo, "unwrap", result->status, "unwrapped, and the check value is right", &result->report);
	put_wrap(rsinfo, result);
}

Datum
keyring_check_key(PG_FUNCTION_ARGS)
{
	KrKeyRow *row;
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	row = kr_keys_require(PG_GETARG_INT32(0));
	if (row->state == KR_KEY_DESTROYED)
	{
		put_step(rsinfo, "unwrap", KR_KMS_DESTROYED, "the key has been destroyed",
				 "Values under it cannot be read any more.");
		PG_RETURN_VOID();
	}
	request->op = KR_REQUEST_CHECK;
	request->in_full = true;
	request->key = row->wrapped;
	kr_keys_request(result, request);
	put_check(rsinfo, row, result);
	PG_RETURN_VOID();
}

/* The name itself, caught as a row: the other steps need a good one. */
static bool
check_name(ReturnSetInfo *rsinfo, KrWrapped *key, const char *provider, const char *resource)
{
	KrKmsReport report = { 0 };
	char canonical[KR_KMS_RESOURCEMAX];
	const KrKmsProvider *table = kr_kms_provider(provider);
	KrStatus status;

	if (table != NULL)
	{
		status = table->check_resource(canonical, resource, &report);
		if (status != KR_OK)
		{
			put_report(rsinfo, "name", status, "", &report);
			return false;
		}
	}
	kr_keys_set_resource(key, provider, resource);
	put_step(rsinfo, "name", KR_OK, key->resource, "");
	return true;
}

Datum
keyring_check_resource(PG_FUNCTION_ARGS)
{
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument provider must not be NULL"),
				 errhint("Known providers: %s.", kr_kms_provider_names())));
	if (!check_name(rsinfo, &request->key, text_to_cstring(PG_GETARG_TEXT_PP(0)),
					PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))))
		PG_RETURN_VOID();

	request->op = KR_REQUEST_TRY;
	kr_keys_random_uuid(request->key.uuid);
	kr_keys_request(result, request);
	if (!put_credentials(rsinfo, result))
		PG_RETURN_VOID();
	put_metadata(rsinfo, result, describe(&result->description), "");
	put_permissions(rsinfo, result);
	put_report(rsinfo, "wrap", result->reached == KR_TRY_WRAP ? result->status : KR_OK,
			   psprintf("wrapped by KEK version %s", result->wrap.kek_version), &result->report);
	if (result->reached == KR_TRY_UNWRAP)
		put_report(rsinfo, "unwrap", result->status, "unwrapped, and the same came out", &result->report);
	PG_RETURN_VOID();
}

Datum
keyring_service_account(PG_FUNCTION_ARGS)
{
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));
	char *provider = text_to_cstring(PG_GETARG_TEXT_PP(0));
	KrFailure failure = { 0 };

	if (kr_kms_provider(provider) == NULL || strlen(provider) >= sizeof(request->key.provider))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown key provider \"%s\"", provider),
				 errhint("Known providers: %s.", kr_kms_provider_names())));
	strlcpy(request->key.provider, provider, sizeof(request->key.provider));
	request->op = KR_REQUEST_IDENTIFY;
	kr_keys_request(result, request);
	if (result->status != KR_OK)
	{
		failure.status = result->status;
		failure.message = kr_pg_words_for_admin(&result->report);
		failure.hint = result->report.hint;
		kr_pg_throw(&failure, "find out the service account of this server");
	}
	if (result->identity[0] == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result->identity));
}
