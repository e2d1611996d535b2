/*
 * src/keys/lifecycle.c
 *
 * Creating, activating and rewrapping keys. The order is always: look, ask the
 * KMS, lock, look again, write. Changes of keys are serialised per database by a lock
 * on keyring_key, which no reader or writer of values takes.
 */
#include "postgres.h"

#include "access/xact.h"
#include "crypto/random.h"
#include "keys/destroy.h"
#include "keys/lifecycle.h"
#include "keys/new_material.h"
#include "keys/request.h"
#include "keys/ring.h"
#include "kms/provider.h"
#include "miscadmin.h"
#include "pg/errcodes.h"
#include "pg/guc.h"
#include "pg/report.h"
#include "utils/inval.h"

/* how often creating a first key starts over because another session created one meanwhile */
#define KR_CREATE_ATTEMPTS 3

bool
kr_keys_may_move(KrKeyState from, KrKeyState to)
{
	static const bool legal[4][4] = {
		[KR_KEY_STAGED] = { [KR_KEY_PRIMARY] = true, [KR_KEY_DESTROYED] = true },
		[KR_KEY_PRIMARY] = { [KR_KEY_DEPRECATED] = true },
		[KR_KEY_DEPRECATED] = { [KR_KEY_DESTROYED] = true },
	};

	return legal[from][to];
}

static KrKeyRow *
require_in(List *rows, int32 id)
{
	KrKeyRow *row = kr_keys_store_find(rows, id);

	if (row == NULL)
		ereport(ERROR,
				(errcode(KR_ERRCODE_KEY_UNKNOWN),
				 errmsg("key %d does not exist in this database", id),
				 errhint("SELECT * FROM keyring_keys lists the keys.")));
	return row;
}

KrKeyRow *
kr_keys_require(int32 id)
{
	return require_in(kr_keys_store_read(), id);
}

bool
kr_keys_id_of_tag(uint32 tag, int32 *id)
{
	KrKey *key = kr_keys_by_tag(tag);

	if (key != NULL)
		*id = key->row.id;
	return key != NULL;
}

void
kr_keys_require_primary(void)
{
	if (kr_keys_primary() == NULL)
		ereport(ERROR,
				(errcode(KR_ERRCODE_NO_PRIMARY),
				 errmsg("this database has no primary key"),
				 errhint("Create a key with keyring_create_key() and activate it with keyring_activate().")));
}

static void
fail(const KrKeyRow *row, const KrRequestResult *result, const char *verb)
{
	KrFailure failure = {
		.status = result->status,
		.message = kr_pg_words_for_admin(&result->report),
		.hint = result->report.hint
	};

	kr_pg_throw(&failure, psprintf("%s %s", verb, kr_pg_key_words(row->id, row->label)));
}

static const KrKmsProvider *
require_provider(const char *name)
{
	const KrKmsProvider *provider = kr_kms_provider(name);

	if (provider == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown key provider \"%s\"", name),
				 errhint("Known providers: %s.", kr_kms_provider_names())));
	return provider;
}

/* Whether the name is on a list like "projects/acme/..., projects/other/" with a star at its end. */
static bool
is_listed(const char *list, const char *name)
{
	char *rest = pstrdup(list);
	char *item;

	while ((item = strtok_r(rest, ", \t\n", &rest)) != NULL)
	{
		Size len = strlen(item);

		if (item[len - 1] == '*' ? strncmp(item, name, len - 1) == 0 : strcmp(item, name) == 0)
			return true;
	}
	return false;
}

static void
require_allowed(const char *resource)
{
	const char *list = kr_guc_kms_allowed_resources;

	if (resource[0] == '\0' || list[strspn(list, ", \t\n")] == '\0' || is_listed(list, resource))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("wrapping key \"%s\" is not allowed in this database", resource),
			 errhint("A superuser can add it to keyring.kms_allowed_resources.")));
}

void
kr_keys_set_resource(KrWrapped *wrapped, const char *name, const char *resource)
{
	KrKmsReport report = { 0 };

	strlcpy(wrapped->provider, name, sizeof(wrapped->provider));
	if (require_provider(name)->check_resource(wrapped->resource, resource, &report) != KR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", report.message),
				 report.hint[0] ? errhint("%s", report.hint) : 0));
	require_allowed(wrapped->resource);
}

static void
random_bytes(void *out, Size len)
{
	if (kr_crypto_random(out, len) != KR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not get random bytes"),
				 errhint("Check the OpenSSL configuration, and that the kernel has getrandom().")));
}

void
kr_keys_random_uuid(uint8 *out)
{
	random_bytes(out, KR_ENVELOPE_UUIDBYTES);
	out[6] = (out[6] & 0x0f) | 0x40;
	out[8] = (out[8] & 0x3f) | 0x80;
}

static uint32
unused_tag(List *rows)
{
	uint32 tag;
	bool used;

	do
	{
		ListCell *lc;

		random_bytes(&tag, sizeof(tag));
		used = false;
		foreach(lc, rows)
			used = used || ((KrKeyRow *) lfirst(lc))->tag == tag;
	} while (used);
	return tag;
}

/* False when another session created the database's first key meanwhile, with a token key of its own. */
static bool
store_staged(KrKeyRow *row)
{
	List *rows;
	KrKeyRow *last;

	kr_keys_store_lock();
	rows = kr_keys_store_read();
	if (!kr_keys_share_token_key(rows, row->token_key_id))
		return false;

	last = rows == NIL ? NULL : llast(rows);
	row->id = last == NULL ? 1 : last->id + 1;
	row->tag = unused_tag(rows);
	kr_keys_store_insert(row);
	kr_keys_store_event(row->id, "create",
						psprintf("provider %s, KEK version %s", row->wrapped.provider, row->wrapped.kek_version));
	return true;
}

int32
kr_keys_create(const char *provider, const char *resource, const char *label)
{
	KrKeyRow *row = palloc0(sizeof(KrKeyRow));
	int attempts = 0;

	if (label != NULL && strlcpy(row->label, label, sizeof(row->label)) >= sizeof(row->label))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the label of a key is longer than %d bytes", KR_LABELMAX - 1),
				 errhint("Choose a shorter label.")));
	kr_keys_set_resource(&row->wrapped, provider, resource);
	kr_keys_random_uuid(row->wrapped.uuid);
	do
	{
		if (attempts++ == KR_CREATE_ATTEMPTS)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not create a key: other sessions created keys at the same time"),
					 errhint("Try again.")));
		kr_keys_new_material(row, kr_keys_store_read());
	} while (!store_staged(row));
	return row->id;
}

static void
check_live(const KrKeyRow *row, const char *verb)
{
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));

	request->op = KR_REQUEST_CHECK;
	request->key = row->wrapped;
	kr_keys_request(result, request);
	if (result->status != KR_OK)
		fail(row, result, verb);
	kr_keys_warn_of_metadata(result);
}

static void
refuse_move(const KrKeyRow *row, const char *verb, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot %s %s: it is %s", verb, kr_pg_key_words(row->id, row->label),
					kr_keys_state_name(row->state)),
			 errhint("%s", hint)));
}

static void
check_activable(const KrKeyRow *row)
{
	if (row->state != KR_KEY_PRIMARY && !kr_keys_may_move(row->state, KR_KEY_PRIMARY))
		refuse_move(row, "activate", "Only a staged key can be activated: create one with keyring_create_key().");
}

static void
move(KrKeyRow *row, KrKeyState to, const char *action)
{
	kr_keys_store_set_state(row->id, to);
	kr_keys_store_event(row->id, action, NULL);
}

void
kr_keys_activate(int32 id)
{
	KrKeyRow *row = kr_keys_require(id);
	List *rows;
	ListCell *lc;

	check_activable(row);
	check_live(row, "activate");
	if (row->state == KR_KEY_PRIMARY)
		return;

	kr_keys_store_lock();
	rows = kr_keys_store_read();
	row = require_in(rows, id);
	check_activable(row);
	if (row->state == KR_KEY_PRIMARY)
		return;
	foreach(lc, rows)
	{
		KrKeyRow *other = lfirst(lc);

		if (other->state == KR_KEY_PRIMARY)
			move(other, KR_KEY_DEPRECATED, "deprecate");
	}
	move(row, KR_KEY_PRIMARY, "activate");

	/* inlined functions may have left constants under the old key in cached plans */
	CacheInvalidateRelcacheAll();
}

void
kr_keys_rewrap(int32 id)
{
	KrKeyRow *row = kr_keys_require(id);
	KrKeyRow *now;
	KrRequest *request = palloc0(sizeof(KrRequest));
	KrRequestResult *result = palloc(sizeof(KrRequestResult));

	if (row->state == KR_KEY_DESTROYED)
		refuse_move(row, "rewrap", "The data key is gone; there is nothing left to wrap.");
	request->op = KR_REQUEST_REWRAP;
	request->key = row->wrapped;
	kr_keys_request(result, request);
	if (result->status != KR_OK)
		fail(row, result, "rewrap");

	kr_keys_store_lock();
	now = kr_keys_require(id);
	if (now->wrapped.wrap_len != row->wrapped.wrap_len ||
		memcmp(now->wrapped.wrap, row->wrapped.wrap, row->wrapped.wrap_len) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not rewrap %s: another session changed it at the same time",
						kr_pg_key_words(row->id, row->label)),
				 errhint("Try again.")));
	kr_keys_store_set_wrap(id, &result->wrap, result->description.protection);
	kr_keys_evict_at_commit(&row->wrapped); /* or what becomes of the old version would still be watched */
	kr_keys_store_event(id, "rewrap", psprintf("KEK version %s", result->wrap.kek_version));
}
