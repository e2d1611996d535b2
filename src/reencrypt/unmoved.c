/*
 * src/reencrypt/unmoved.c
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "keys/lifecycle.h"
#include "keys/owner.h"
#include "lib/stringinfo.h"
#include "pg/errcodes.h"
#include "pg/extension.h"
#include "reencrypt/unmoved.h"
#include "types/armor.h"
#include "types/basetype.h"
#include "types/envelope.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* order of columns in keyring_unmoved, as its index has them */
enum
{
	UNMOVED_RELATION = 1,
	UNMOVED_ATTNUM,
	UNMOVED_PLACE,
	UNMOVED_JOB
};

/* in place of a row's number, which is 1 or more */
#define KR_PAGE_ITSELF 0

#define KR_ENVELOPE_DAMAGED "envelope damaged"

struct KrRecorded
{
	Relation table;
	Oid index;
	Oid relation;
	int64 job;
};

static bool
is_unavailable(int code)
{
	return code == KR_ERRCODE_KEY_UNAVAILABLE || code == KR_ERRCODE_KMS_DENIED || code == KR_ERRCODE_KMS_DISABLED ||
		code == KR_ERRCODE_KMS_UNREACHABLE;
}

/* What has nothing to do with the row at hand: of the server, or of somebody else. */
static bool
is_of_the_server(int code)
{
	switch (ERRCODE_TO_CATEGORY(code))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_CONNECTION_EXCEPTION:
			return true;
		default:
			return false;
	}
}

/*
 * Nor has what the file system refuses. PostgreSQL has no class of errors of its own for a quota, a limit on
 * files or one that was mounted anew for reading only, which would otherwise blame every row of a table.
 */
static bool
is_of_the_file_system(const ErrorData *error)
{
	switch (error->saved_errno)
	{
		case EDQUOT:
		case EFBIG:
		case EROFS:
			return error->sqlerrcode == ERRCODE_INTERNAL_ERROR || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE;
		default:
			return false;
	}
}

const char *
kr_reencrypt_reason(const ErrorData *error, bool skip_unavailable)
{
	int code = error->sqlerrcode;

	if (code == KR_ERRCODE_KEY_DESTROYED)
		return "key destroyed";
	if (code == KR_ERRCODE_KEY_UNKNOWN)
		return "key unknown";
	/* of a value that is stored out of line, parts are missing */
	if (code == KR_ERRCODE_ENVELOPE_DAMAGED || code == ERRCODE_DATA_CORRUPTED)
		return KR_ENVELOPE_DAMAGED;
	if (is_unavailable(code))
		return skip_unavailable ? "key unavailable" : NULL;
	if (code == KR_ERRCODE_NO_PRIMARY || is_of_the_server(code) || is_of_the_file_system(error))
		return NULL;
	return "row refused";
}

static void
append_value(StringInfo json, Oid type, Datum value)
{
	Oid output;
	bool is_varlena;
	char *printed;

	if (kr_types_lookup(type) != NULL)
		printed = kr_types_armor(kr_types_detoast(value));
	else
	{
		getTypeOutputInfo(type, &output, &is_varlena);
		printed = OidOutputFunctionCall(output, value);
	}
	if (type == INT2OID || type == INT4OID || type == INT8OID)
		appendStringInfoString(json, printed);
	else
		escape_json(json, printed);
}

/* The row's primary key as the text of a JSON object, or NULL. */
static char *
primary_key_of(Relation relation, TupleTableSlot *row)
{
	TupleDesc desc = RelationGetDescr(relation);
	Bitmapset *columns = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	StringInfoData json;
	int member = -1;

	if (bms_is_empty(columns))
		return NULL;
	initStringInfo(&json);
	while ((member = bms_next_member(columns, member)) >= 0)
	{
		AttrNumber attnum = member + FirstLowInvalidHeapAttributeNumber;
		bool isnull;
		Datum value = slot_getattr(row, attnum, &isnull);

		appendStringInfoChar(&json, json.len == 0 ? '{' : ',');
		escape_json(&json, NameStr(TupleDescAttr(desc, attnum - 1)->attname));
		appendStringInfoChar(&json, ':');
		append_value(&json, TupleDescAttr(desc, attnum - 1)->atttypid, value);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* The words of what is neither keyring's own error nor PostgreSQL's about its files may quote a value. */
static char *
safe_message(const ErrorData *error, const char *reason)
{
	char *code = unpack_sql_state(error->sqlerrcode);

	if (strncmp(code, "KR", 2) == 0 || strcmp(reason, KR_ENVELOPE_DAMAGED) == 0)
		return pstrdup(error->message);
	return psprintf("storing the row failed with SQLSTATE %s", code);
}

/* key NULL: not known. tag 0: likewise. */
static void
record(const KrJob *job, Relation relation, AttrNumber attnum, ItemPointer place, const char *key, uint32 tag,
	   const char *reason, const char *message)
{
	Oid types[] = { OIDOID, INT2OID, TIDOID, INT8OID, INT4OID, TEXTOID, INT4OID, TEXTOID, TEXTOID };
	int32 key_id = 0;
	bool known = tag != 0 && kr_keys_id_of_tag(tag, &key_id);
	Datum values[] = { ObjectIdGetDatum(RelationGetRelid(relation)), Int16GetDatum(attnum), PointerGetDatum(place),
					   Int64GetDatum(job->id), Int32GetDatum(job->pass), key != NULL ? CStringGetTextDatum(key) : (Datum) 0,
					   Int32GetDatum(key_id), CStringGetTextDatum(reason), CStringGetTextDatum(message) };
	char nulls[] = "         ";

	if (key == NULL)
		nulls[5] = 'n';
	if (!known)
		nulls[6] = 'n';
	kr_keys_as_owner("INSERT INTO %s.keyring_unmoved AS u"
					 " (relation, attnum, place, job_id, pass, primary_key, key_id, reason, message)"
					 " VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9)"
					 " ON CONFLICT (relation, attnum, place) DO UPDATE"
					 " SET job_id = excluded.job_id, pass = excluded.pass, primary_key = excluded.primary_key,"
					 " key_id = excluded.key_id, reason = excluded.reason, message = excluded.message,"
					 " tries = u.tries + 1, last_tried_at = clock_timestamp()",
					 lengthof(types), types, values, nulls);
}

void
kr_reencrypt_record(const KrJob *job, Relation relation, AttrNumber attnum, TupleTableSlot *row, uint32 tag,
					const char *reason, const ErrorData *error)
{
	record(job, relation, attnum, &row->tts_tid, primary_key_of(relation, row), tag, reason, safe_message(error, reason));
}

void
kr_reencrypt_record_page(const KrJob *job, Relation relation, AttrNumber attnum, BlockNumber block, const ErrorData *error)
{
	ItemPointerData place;

	ItemPointerSet(&place, block, KR_PAGE_ITSELF);
	record(job, relation, attnum, &place, NULL, 0, "page unreadable", error->message);
}

/* Where the row goes to there may be an entry about one that is gone. */
void
kr_reencrypt_move_record(const KrJob *job, Relation relation, ItemPointer from, ItemPointer to)
{
	Oid types[] = { OIDOID, TIDOID, TIDOID, INT8OID, INT4OID };
	Datum values[] = { ObjectIdGetDatum(RelationGetRelid(relation)), PointerGetDatum(to), PointerGetDatum(from),
					   Int64GetDatum(job->id), Int32GetDatum(job->pass) };

	kr_keys_as_owner("DELETE FROM %s.keyring_unmoved WHERE relation = $1 AND place = $2", 2, types, values, NULL);
	kr_keys_as_owner("UPDATE %s.keyring_unmoved SET place = $2 WHERE relation = $1 AND place = $3 AND job_id = $4 AND pass = $5",
					 lengthof(types), types, values, NULL);
}

void
kr_reencrypt_forget_others(const KrJob *job, Oid relation, BlockNumber from, BlockNumber end)
{
	Oid types[] = { INT8OID, INT4OID, OIDOID, NAMEOID, TIDOID, TIDOID };
	NameData name;
	ItemPointerData first;
	ItemPointerData behind;
	Datum values[] = { Int64GetDatum(job->id), Int32GetDatum(job->pass), ObjectIdGetDatum(relation), NameGetDatum(&name),
					   PointerGetDatum(&first), PointerGetDatum(&behind) };
	char nulls[] = "      ";

	ItemPointerSet(&first, from, KR_PAGE_ITSELF);
	ItemPointerSet(&behind, end, KR_PAGE_ITSELF);
	namestrcpy(&name, job->column != NULL ? job->column : "");
	if (job->column == NULL)
		nulls[3] = 'n';
	kr_keys_as_owner("DELETE FROM %s.keyring_unmoved WHERE relation = $3"
					 " AND (job_id <> $1 OR (pass <> $2 AND place >= $5 AND place < $6))"
					 " AND ($4 IS NULL OR attnum IN (SELECT a.attnum FROM pg_catalog.pg_attribute a"
					 " WHERE a.attrelid = $3 AND a.attname = $4))",
					 lengthof(types), types, values, nulls);
}

void
kr_reencrypt_forget_gone(void)
{
	kr_keys_as_owner("DELETE FROM %s.keyring_unmoved WHERE relation NOT IN (SELECT oid FROM pg_catalog.pg_class)",
					 0, NULL, NULL, NULL);
}

KrRecorded *
kr_reencrypt_recorded_begin(const KrJob *job, Oid relation)
{
	KrRecorded *recorded = palloc(sizeof(KrRecorded));

	recorded->table = table_open(kr_pg_relation("keyring_unmoved"), AccessShareLock);
	recorded->index = kr_pg_relation("keyring_unmoved_pkey");
	recorded->relation = relation;
	recorded->job = job->id;
	return recorded;
}

static void
take_page(HeapTuple row, TupleDesc desc, void *arg)
{
	bool isnull;
	ItemPointer place = (ItemPointer) DatumGetPointer(SPI_getbinval(row, desc, 1, &isnull));

	*(List **) arg = lappend_int(*(List **) arg, (int) ItemPointerGetBlockNumberNoCheck(place));
}

List *
kr_reencrypt_recorded_pages(const KrRecorded *recorded)
{
	Oid types[] = { OIDOID, INT8OID };
	Datum values[] = { ObjectIdGetDatum(recorded->relation), Int64GetDatum(recorded->job) };
	List *pages = NIL;

	kr_keys_rows_as_owner("SELECT DISTINCT place FROM %s.keyring_unmoved"
						  " WHERE relation = $1 AND job_id = $2 AND reason = 'page unreadable' ORDER BY 1",
						  lengthof(types), types, values, NULL, take_page, &pages);
	return pages;
}

bool
kr_reencrypt_is_recorded(KrRecorded *recorded, AttrNumber attnum, ItemPointer place)
{
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;
	bool isnull;

	ScanKeyInit(&keys[0], UNMOVED_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(recorded->relation));
	ScanKeyInit(&keys[1], UNMOVED_ATTNUM, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attnum));
	ScanKeyInit(&keys[2], UNMOVED_PLACE, BTEqualStrategyNumber, F_TIDEQ, PointerGetDatum(place));
	scan = systable_beginscan(recorded->table, recorded->index, true, NULL, lengthof(keys), keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		found = DatumGetInt64(heap_getattr(tuple, UNMOVED_JOB, RelationGetDescr(recorded->table), &isnull)) == recorded->job;
	systable_endscan(scan);
	return found;
}

void
kr_reencrypt_recorded_end(KrRecorded *recorded)
{
	table_close(recorded->table, AccessShareLock);
	pfree(recorded);
}
