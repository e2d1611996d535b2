/*
 * src/keys/key_trigger.c
 *
 * The trigger of keyring_key. It holds whoever writes the table, a restore
 * and a superuser with SQL included, to the life cycle; and it tells every backend,
 * at commit, that the rows have changed.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/spi.h"
#include "keys/lifecycle.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "utils/inval.h"
#include "utils/rel.h"

KR_FUNCTION(keyring_key_guard);

/* columns that no step of the life cycle touches */
static const char *const fixed_columns[] = {
	"id", "tag", "uuid", "provider", "resource", "check_value", "token_key_id"
};

static void
refuse(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s", what),
			 errhint("%s", hint)));
}

static KrKeyState
state_of(HeapTuple tuple, TupleDesc desc)
{
	char *word = SPI_getvalue(tuple, desc, SPI_fnumber(desc, "state"));

	/* the column's NOT NULL comes after this trigger */
	if (word == NULL)
		refuse("a key's state must not be NULL", "Use keyring_activate() and keyring_destroy_key().");
	return kr_keys_state(word);
}

static void
check_move(HeapTuple before, HeapTuple after, TupleDesc desc)
{
	KrKeyState from = state_of(before, desc);
	KrKeyState to = state_of(after, desc);

	if (from != to && !kr_keys_may_move(from, to))
		refuse(psprintf("a key cannot go from %s to %s", kr_keys_state_name(from), kr_keys_state_name(to)),
			   "The way back from an activation is to create and activate another key.");
	for (size_t i = 0; i < lengthof(fixed_columns); i++)
	{
		int attno = SPI_fnumber(desc, fixed_columns[i]);
		char *old_value = SPI_getvalue(before, desc, attno);
		char *new_value = SPI_getvalue(after, desc, attno);

		if (old_value == NULL || new_value == NULL || strcmp(old_value, new_value) != 0)
			refuse(psprintf("column \"%s\" of a key cannot change", fixed_columns[i]),
				   "Values are bound to it. Create another key instead.");
	}
}

/*
 * keyring's own functions insert with the owner's rights; every other row comes from a
 * dump or a publisher, together with envelopes. Were those read as plaintext, they would
 * be sealed again without a word: so the rows are refused, and without a key so are they.
 */
static void
check_restoring(void)
{
	if (!InLocalUserIdChange() && kr_pg_input_format() != KR_FORMAT_CIPHERTEXT)
		refuse("keys are restored together with ciphertext, but keyring.input_format is plaintext",
			   "SET keyring.input_format = ciphertext, for the values that belong to the keys too.");
}

/* A row from elsewhere fits only if it shares this database's token key: equality would silently fail otherwise. */
static void
check_token_key(HeapTuple tuple, TupleDesc desc)
{
	bool isnull;
	Datum value = SPI_getbinval(tuple, desc, SPI_fnumber(desc, "token_key_id"), &isnull);
	bytea *id = isnull ? NULL : DatumGetByteaPP(value);
	ListCell *lc;

	foreach(lc, kr_keys_store_read())
	{
		KrKeyRow *row = lfirst(lc);

		if (row->state == KR_KEY_DESTROYED)
			continue;
		if (id == NULL || VARSIZE_ANY_EXHDR(id) != KR_TOKEN_KEY_IDBYTES ||
			memcmp(VARDATA_ANY(id), row->token_key_id, KR_TOKEN_KEY_IDBYTES) != 0)
			refuse("the key belongs to a database with another token key",
				   "Restore keys into a database that has none of its own yet.");
	}
}

Datum
keyring_key_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc desc;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function keyring_key_guard() was not called by a trigger")));
	desc = RelationGetDescr(trigger->tg_relation);
	CacheInvalidateRelcache(trigger->tg_relation);

	if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event) || TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		refuse("keys cannot be deleted", "keyring_destroy_key() erases a key; its row stays, for the record.");
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		check_restoring();
		check_token_key(trigger->tg_trigtuple, desc);
		return PointerGetDatum(trigger->tg_trigtuple);
	}
	check_move(trigger->tg_trigtuple, trigger->tg_newtuple, desc);
	return PointerGetDatum(trigger->tg_newtuple);
}
