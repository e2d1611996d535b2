/*
 * src/keys/new_material.c
 *
 * Every key holds the database's token key, and a new one takes it over from another, which must be unwrapped for
 * that. Any key does. So a primary that its owner has revoked, or whose service is away, does not stand in the way
 * of the key that is to succeed it: the others are asked too. This takes nothing from an owner, since the token key is not
 * theirs but the database's, and each key that yields it is one that may be used.
 */
#include "postgres.h"

#include "keys/new_material.h"
#include "keys/request.h"
#include "keys/sources.h"
#include "lib/stringinfo.h"
#include "pg/report.h"

/* keys whose failure an error tells */
#define KR_NAMED_KEYS 5

static KrFailedSource *
failed_source(const KrKeyRow *row, const KrRequestResult *result)
{
	KrFailedSource *failed = palloc(sizeof(KrFailedSource));

	failed->row = row;
	failed->status = result->status;
	failed->words = kr_pg_words_for_admin(&result->report);
	failed->hint = pstrdup(result->report.hint);
	return failed;
}

/* Its row is wrong, and the wrapped key right: whoever believed the row would mix two token keys. */
static KrFailedSource *
contradiction(const KrKeyRow *row)
{
	KrFailedSource *failed = palloc(sizeof(KrFailedSource));

	failed->row = row;
	failed->status = KR_KMS_BAD_CIPHERTEXT;
	failed->words = pstrdup("it holds another token key than table keyring_key says");
	failed->hint = pstrdup("Restore table keyring_key from a backup.");
	return failed;
}

static char *
list_failures(List *failures, int untried)
{
	StringInfoData text;
	ListCell *lc;

	initStringInfo(&text);
	appendStringInfoString(&text, "The new key has to hold the token key of this database, and no other key yields it");
	foreach(lc, failures)
	{
		const KrFailedSource *failed = lfirst(lc);

		if (foreach_current_index(lc) < KR_NAMED_KEYS)
			appendStringInfo(&text, "%s %s: %s", foreach_current_index(lc) == 0 ? ":" : ";",
							 kr_pg_key_words(failed->row->id, failed->row->label), failed->words);
	}
	if (list_length(failures) > KR_NAMED_KEYS)
		appendStringInfo(&text, "; %d more", list_length(failures) - KR_NAMED_KEYS);
	if (untried > 0)
		appendStringInfo(&text, "; not tried, as the same wrapping keys wrap them: %d more", untried);
	return text.data;
}

/* What is wrong with the primary matters most to whoever reads it. */
pg_noreturn static void
refuse(List *failures, int untried)
{
	const KrFailedSource *told = NULL;
	KrFailure failure = { 0 };
	ListCell *lc;

	foreach(lc, failures)
	{
		if (told == NULL || ((KrFailedSource *) lfirst(lc))->row->state == KR_KEY_PRIMARY)
			told = lfirst(lc);
	}
	if (told == NULL)
		elog(ERROR, "no key was asked for the token key");
	failure.status = told->status;
	failure.message = list_failures(failures, untried);
	failure.hint = told->hint[0] == '\0' || list_length(failures) + untried == 1 ?
		told->hint :
		psprintf("One of these keys is enough. For %s: %s", kr_pg_key_words(told->row->id, told->row->label), told->hint);
	kr_pg_throw(&failure, "create a key");
}

/* Asks key after key, until one yields the token key; without any key the new one gets a token key of its own. */
static void
ask_sources(KrRequestResult *result, KrRequest *request, List *sources)
{
	List *failures = NIL;
	int untried = 0;
	ListCell *lc;

	request->has_other = sources != NIL;
	if (sources == NIL)
		kr_keys_request(result, request);
	foreach(lc, sources)
	{
		KrSource *source = lfirst(lc);

		if (kr_keys_is_hopeless(source, failures))
		{
			untried++;
			continue;
		}
		request->other = source->row->wrapped;
		kr_keys_request(result, request);
		if (result->other_failed)
			failures = lappend(failures, failed_source(source->row, result));
		else if (result->status == KR_OK &&
				 memcmp(result->token_key_id, source->row->token_key_id, KR_TOKEN_KEY_IDBYTES) != 0)
			failures = lappend(failures, contradiction(source->row));
		else
			return;
	}
	if (failures != NIL)
		refuse(failures, untried);
}

/* A root key may be made only where nothing is wrapped by one yet: a second one would hide that the first is lost. */
static bool
has_managed(List *rows)
{
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);

		if (row->state != KR_KEY_DESTROYED && strcmp(row->wrapped.provider, "managed") == 0)
			return true;
	}
	return false;
}

static void
warn(const KrRequestResult *result)
{
	if (result->report.notice[0] != '\0')
		ereport(WARNING, (errmsg("%s", result->report.notice)));
	kr_keys_warn_of_metadata(result);
}

static void
require_wrapped(const KrRequestResult *result)
{
	KrFailure failure = {
		.status = result->status,
		.message = kr_pg_words_for_admin(&result->report),
		.hint = result->report.hint
	};

	if (result->status != KR_OK)
		kr_pg_throw(&failure, "create a key");
}

void
kr_keys_new_material(KrKeyRow *row, List *rows)
{
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));

	request->op = KR_REQUEST_CREATE;
	request->key = row->wrapped;
	request->may_create_root_key = !has_managed(rows);
	ask_sources(result, request, kr_keys_sources(rows));
	require_wrapped(result);
	warn(result);

	row->wrapped.wrap_len = result->wrap.len;
	memcpy(row->wrapped.wrap, result->wrap.bytes, result->wrap.len);
	memcpy(row->wrapped.check_value, result->check_value, KR_HMACBYTES);
	memcpy(row->token_key_id, result->token_key_id, KR_TOKEN_KEY_IDBYTES);
	strlcpy(row->wrapped.kek_version, result->wrap.kek_version, sizeof(row->wrapped.kek_version));
	strlcpy(row->protection, result->description.protection, sizeof(row->protection));
}

bool
kr_keys_share_token_key(List *rows, const uint8 *token_key_id)
{
	ListCell *lc;

	foreach(lc, rows)
	{
		KrKeyRow *row = lfirst(lc);

		if (row->state != KR_KEY_DESTROYED && memcmp(row->token_key_id, token_key_id, KR_TOKEN_KEY_IDBYTES) != 0)
			return false;
	}
	return true;
}
