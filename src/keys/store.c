/*
 * src/keys/store.c
 *
 * Rows of keyring_key and keyring_event. See store.h for how they are read and
 * written.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "keys/owner.h"
#include "keys/store.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "pg/report.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

static const char *const state_names[] = { "staged", "primary", "deprecated", "destroyed" };

const char *
kr_keys_state_name(KrKeyState state)
{
	return state_names[state];
}

KrKeyState
kr_keys_state(const char *name)
{
	for (size_t i = 0; i < lengthof(state_names); i++)
	{
		if (strcmp(state_names[i], name) == 0)
			return (KrKeyState) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("table keyring_key holds an unknown state \"%s\"", name),
			 errhint("It was written by a newer version, or by hand: restore the row.")));
}

/* A column by its name: upgrades append columns, and numbers would shift under a restore. */
static Datum
column(HeapTuple tuple, Relation rel, const char *name, bool *isnull)
{
	AttrNumber attno = get_attnum(RelationGetRelid(rel), name);

	if (attno == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table keyring_key is missing", name),
				 errhint("Run ALTER EXTENSION keyring UPDATE.")));
	return heap_getattr(tuple, attno, RelationGetDescr(rel), isnull);
}

static void
read_text(char *out, Size size, HeapTuple tuple, Relation rel, const char *name)
{
	bool isnull;
	Datum value = column(tuple, rel, name, &isnull);

	if (!isnull)
		strlcpy(out, TextDatumGetCString(value), size);
}

/* Copies a bytea of at most size bytes; returns its length, 0 for NULL. */
static Size
read_bytes(uint8 *out, Size size, HeapTuple tuple, Relation rel, const char *name)
{
	bool isnull;
	Datum value = column(tuple, rel, name, &isnull);
	bytea *bytes;
	Size len;

	if (isnull)
		return 0;
	bytes = DatumGetByteaPP(value);
	len = VARSIZE_ANY_EXHDR(bytes);
	if (len > size)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of table keyring_key holds %zu bytes, more than %zu", name, len, size),
				 errhint("Restore the row from a backup.")));
	memcpy(out, VARDATA_ANY(bytes), len);
	return len;
}

static KrKeyRow *
read_row(HeapTuple tuple, Relation rel)
{
	KrKeyRow *row = palloc0(sizeof(KrKeyRow));
	char state[NAMEDATALEN] = "";
	uint8 tag[4] = { 0 };
	const pg_uuid_t *uuid;
	bool isnull;

	row->id = DatumGetInt32(column(tuple, rel, "id", &isnull));
	read_text(state, sizeof(state), tuple, rel, "state");
	row->state = kr_keys_state(state);
	read_bytes(tag, sizeof(tag), tuple, rel, "tag");
	row->tag = ((uint32) tag[0] << 24) | ((uint32) tag[1] << 16) | ((uint32) tag[2] << 8) | tag[3];
	uuid = DatumGetUUIDP(column(tuple, rel, "uuid", &isnull));
	if (!isnull)
		memcpy(row->wrapped.uuid, uuid->data, KR_ENVELOPE_UUIDBYTES);
	read_text(row->label, sizeof(row->label), tuple, rel, "label");
	read_text(row->wrapped.kek_version, sizeof(row->wrapped.kek_version), tuple, rel, "kek_version");
	read_text(row->protection, sizeof(row->protection), tuple, rel, "protection");
	read_text(row->wrapped.provider, sizeof(row->wrapped.provider), tuple, rel, "provider");
	read_text(row->wrapped.resource, sizeof(row->wrapped.resource), tuple, rel, "resource");
	read_bytes(row->wrapped.check_value, KR_HMACBYTES, tuple, rel, "check_value");
	read_bytes(row->token_key_id, KR_TOKEN_KEY_IDBYTES, tuple, rel, "token_key_id");
	row->wrapped.wrap_len = read_bytes(row->wrapped.wrap, KR_KMS_WRAPMAX, tuple, rel, "wrapped");
	return row;
}

static int
compare_ids(const ListCell *a, const ListCell *b)
{
	int32 ida = ((const KrKeyRow *) lfirst(a))->id;
	int32 idb = ((const KrKeyRow *) lfirst(b))->id;

	return ida < idb ? -1 : ida > idb;
}

List *
kr_keys_store_read(void)
{
	Relation rel = table_open(kr_pg_relation("keyring_key"), AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	List *rows = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rows = lappend(rows, read_row(tuple, rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	list_sort(rows, compare_ids);
	return rows;
}

KrKeyRow *
kr_keys_store_find(List *rows, int32 id)
{
	ListCell *lc;

	foreach(lc, rows)
	{
		if (((KrKeyRow *) lfirst(lc))->id == id)
			return lfirst(lc);
	}
	return NULL;
}

void
kr_keys_store_lock(void)
{
	LockRelationOid(kr_pg_relation("keyring_key"), ShareRowExclusiveLock);
}

void
kr_keys_store_lock_key(int32 id, LOCKMODE mode)
{
	LockDatabaseObject(kr_pg_relation("keyring_key"), (Oid) id, 0, mode);
}

static Datum
bytes_datum(const uint8 *bytes, Size len)
{
	bytea *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

static Datum
text_datum(const char *value)
{
	return CStringGetTextDatum(value);
}

void
kr_keys_store_insert(const KrKeyRow *row)
{
	uint8 tag[4] = { row->tag >> 24, (row->tag >> 16) & 0xff, (row->tag >> 8) & 0xff, row->tag & 0xff };
	pg_uuid_t uuid;
	Oid types[] = { INT4OID, BYTEAOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, BYTEAOID, BYTEAOID,
					TEXTOID };
	Datum values[lengthof(types)];
	char nulls[lengthof(types) + 1] = "           ";

	memcpy(uuid.data, row->wrapped.uuid, UUID_LEN);
	values[0] = Int32GetDatum(row->id);
	values[1] = bytes_datum(tag, sizeof(tag));
	values[2] = UUIDPGetDatum(&uuid);
	values[3] = text_datum(row->label);
	if (row->label[0] == '\0')
		nulls[3] = 'n';
	values[4] = text_datum(row->wrapped.provider);
	values[5] = text_datum(row->wrapped.resource);
	values[6] = bytes_datum(row->wrapped.wrap, row->wrapped.wrap_len);
	values[7] = text_datum(row->wrapped.kek_version);
	values[8] = bytes_datum(row->wrapped.check_value, KR_HMACBYTES);
	values[9] = bytes_datum(row->token_key_id, KR_TOKEN_KEY_IDBYTES);
	values[10] = text_datum(row->protection);
	if (row->protection[0] == '\0')
		nulls[10] = 'n';
	kr_keys_as_owner("INSERT INTO %s.keyring_key"
					 " (id, tag, uuid, label, provider, resource, wrapped, kek_version, check_value, token_key_id,"
					 " protection)"
					 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
					 lengthof(types), types, values, nulls);
}

/*
 * Changes one row. Keys are found by a fresh snapshot, but SQL in a REPEATABLE READ or SERIALIZABLE
 * transaction goes by an older one, which may not have the row: to change nothing there and say
 * nothing would leave a database without a primary, or a key that was said to be destroyed.
 */
static void
update_one(const char *command, int32 id, int nargs, Oid *types, Datum *values)
{
	if (kr_keys_as_owner(command, nargs, types, values, NULL) == 1)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not change %s: it is not in this transaction's snapshot", kr_pg_key_words(id, NULL)),
			 errhint("Try again in a new transaction.")));
}

void
kr_keys_store_set_state(int32 id, KrKeyState state)
{
	static const char *const commands[] = {
		[KR_KEY_STAGED] = NULL,
		[KR_KEY_PRIMARY] = "UPDATE %s.keyring_key SET state = 'primary', activated_at = now() WHERE id = $1",
		[KR_KEY_DEPRECATED] = "UPDATE %s.keyring_key SET state = 'deprecated', deprecated_at = now() WHERE id = $1",
		[KR_KEY_DESTROYED] = "UPDATE %s.keyring_key SET state = 'destroyed', wrapped = NULL, destroyed_at = now()"
							 " WHERE id = $1",
	};
	Oid types[] = { INT4OID };
	Datum values[] = { Int32GetDatum(id) };

	Assert(commands[state] != NULL);
	update_one(commands[state], id, lengthof(types), types, values);
}

void
kr_keys_store_set_wrap(int32 id, const KrKmsWrap *wrap, const char *protection)
{
	Oid types[] = { INT4OID, BYTEAOID, TEXTOID, TEXTOID };
	Datum values[] = { Int32GetDatum(id), bytes_datum(wrap->bytes, wrap->len), text_datum(wrap->kek_version),
					   text_datum(protection) };

	update_one("UPDATE %s.keyring_key SET wrapped = $2, kek_version = $3,"
			   " protection = coalesce(nullif($4, ''), protection), rewrapped_at = now() WHERE id = $1",
			   id, lengthof(types), types, values);
}

void
kr_keys_store_event(int32 key_id, const char *action, const char *detail)
{
	Oid types[] = { INT4OID, TEXTOID, TEXTOID, TEXTOID };
	char *actor = GetUserNameFromId(GetUserId(), false);
	Datum values[] = { Int32GetDatum(key_id), text_datum(action), text_datum(actor),
					   detail ? text_datum(detail) : (Datum) 0 };

	kr_keys_as_owner("INSERT INTO %s.keyring_event (key_id, action, actor, detail) VALUES ($1, $2, $3, $4)",
					 lengthof(types), types, values, detail ? NULL : "   n");
	ereport(LOG,
			(errmsg("keyring: %s key %d in database \"%s\" by role \"%s\"%s%s", action, key_id,
					get_database_name(MyDatabaseId), actor, detail ? ": " : "", detail ? detail : ""),
			 errhidestmt(true)));
}
