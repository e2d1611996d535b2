/*
 * src/keys/keys_sql.c
 *
 * The SQL-callable functions of keys: arguments, call, result. Who may call them is a
 * matter of EXECUTE privileges: each function is revoked from PUBLIC where it is created.
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "keys/counters.h"
#include "keys/kek_health.h"
#include "keys/lifecycle.h"
#include "keys/ring.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/report.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

KR_FUNCTION(keyring_create_key);
KR_FUNCTION(keyring_activate);
KR_FUNCTION(keyring_rewrap_key);
KR_FUNCTION(keyring_destroy_key);
KR_FUNCTION(keyring_flush_cache);
KR_FUNCTION(keyring_key_health);
KR_FUNCTION(keyring_statistics);

/* Before a KMS is asked: a transaction that cannot store the answer must not cause the question. */
static void
require_writable(const char *function)
{
	PreventCommandIfReadOnly(function);
	PreventCommandDuringRecovery(function);
}

static void
require_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument %s must not be NULL", name),
				 errhint("Leave the argument out to take its default.")));
}

static char *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

Datum
keyring_create_key(PG_FUNCTION_ARGS)
{
	require_writable("keyring_create_key()");
	require_argument(fcinfo, 0, "provider");
	PG_RETURN_INT32(kr_keys_create(text_argument(fcinfo, 0), text_argument(fcinfo, 1),
								   text_argument(fcinfo, 2)));
}

Datum
keyring_activate(PG_FUNCTION_ARGS)
{
	require_writable("keyring_activate()");
	kr_keys_activate(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
keyring_rewrap_key(PG_FUNCTION_ARGS)
{
	require_writable("keyring_rewrap_key()");
	kr_keys_rewrap(PG_GETARG_INT32(0));
	PG_RETURN_VOID();
}

Datum
keyring_destroy_key(PG_FUNCTION_ARGS)
{
	require_writable("keyring_destroy_key()");
	kr_keys_destroy(PG_GETARG_INT32(0), PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

Datum
keyring_flush_cache(PG_FUNCTION_ARGS)
{
	kr_keys_cache_flush();
	PG_RETURN_VOID();
}

/* What its owner did to the KEK version counts when nobody has unwrapped the key since: that fails sooner or later. */
static void
prefer_newer(KrKeyHealth *health, const KrKekHealth *kek, const char *version)
{
	if (!kr_keys_kek_is_gone(kek->description.version_status) ||
		(health->known && (health->status != KR_OK || health->verified_at > kek->asked_at)))
		return;
	health->known = true;
	health->status = kek->description.version_status;
	health->since = kek->since;
	strlcpy(health->message, psprintf("version %s of the wrapping key %s", version, kr_keys_kek_words(&kek->description)),
			sizeof(health->message));
}

static void
put_kek(Datum *values, bool *nulls, const KrKekHealth *kek)
{
	TimestampTz date;

	values[0] = CStringGetTextDatum(kek->description.current_version);
	nulls[0] = kek->description.current_version[0] == '\0';
	nulls[1] = !kr_keys_kek_date(&date, kek->description.next_rotation);
	values[1] = nulls[1] ? (Datum) 0 : TimestampTzGetDatum(date);
	nulls[2] = !kr_keys_kek_date(&date, kek->description.version_destroy_time);
	values[2] = nulls[2] ? (Datum) 0 : TimestampTzGetDatum(date);
	values[3] = TimestampTzGetDatum(kek->asked_at);
	nulls[3] = false;
}

/* What is known of one key's health, for the view keyring_keys. NULLs where nothing is known. */
Datum
keyring_key_health(PG_FUNCTION_ARGS)
{
	TupleDesc desc;
	KrKeyHealth health = { 0 };
	KrKey *key;
	KrKekHealth kek = { 0 };
	Datum values[9] = { 0 };
	bool nulls[9] = { true, true, true, true, true, true, true, true, true };

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	key = kr_keys_by_id(PG_GETARG_INT32(0));
	if (key != NULL && key->row.state != KR_KEY_DESTROYED)
	{
		kr_keys_cache_health(&health, &key->row.wrapped);
		if (kr_keys_kek_health(&kek, &key->row.wrapped))
		{
			prefer_newer(&health, &kek, key->row.wrapped.kek_version);
			put_kek(&values[5], &nulls[5], &kek);
		}
	}

	values[0] = BoolGetDatum(health.cached);
	nulls[0] = false;
	if (health.known)
	{
		values[1] = CStringGetTextDatum(kr_crypto_status_name(health.status));
		values[2] = TimestampTzGetDatum(health.since);
		values[3] = TimestampTzGetDatum(health.verified_at);
		values[4] = CStringGetTextDatum(health.message);
		nulls[1] = nulls[2] = false;
		nulls[3] = health.verified_at == 0;
		nulls[4] = health.message[0] == '\0';
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

static void
put_count(ReturnSetInfo *rsinfo, const char *name, uint64 value)
{
	Datum values[2] = { CStringGetTextDatum(name), Int64GetDatum((int64) value) };
	bool nulls[2] = { false, false };

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
keyring_statistics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	KrCacheStats cache;
	KrCounters counters;

	InitMaterializedSRF(fcinfo, 0);
	kr_keys_cache_stats(&cache);
	kr_keys_counters_read(&counters);
	put_count(rsinfo, "values_sealed", counters.seals);
	put_count(rsinfo, "values_opened", counters.opens);
	put_count(rsinfo, "tokens_computed", counters.tokens);
	put_count(rsinfo, "unwraps", cache.unwraps);
	put_count(rsinfo, "unwrap_failures", cache.unwrap_failures);
	put_count(rsinfo, "evictions", cache.evictions);
	put_count(rsinfo, "keys_cached", cache.cached);
	put_count(rsinfo, "cache_slots", cache.slots);
	PG_RETURN_VOID();
}
