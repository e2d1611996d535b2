/*
 * src/reencrypt/completion.c
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "keys/census.h"
#include "keys/owner.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "reencrypt/completion.h"
#include "reencrypt/header.h"
#include "reencrypt/unmoved.h"
#include "reencrypt/worklist.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

void
kr_reencrypt_earlier_reset(KrEarlier *earlier)
{
	if (earlier->running != NULL)
		pfree(earlier->running);
	memset(earlier, 0, sizeof(*earlier));
}

static void
note_running(KrEarlier *earlier)
{
	int count;
	VirtualTransactionId *running = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
														  PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &count);

	earlier->running = MemoryContextAlloc(TopMemoryContext, sizeof(VirtualTransactionId) * Max(count, 1));
	memcpy(earlier->running, running, sizeof(VirtualTransactionId) * count);
	earlier->count = count;
	earlier->since = GetCurrentTimestamp();
	earlier->known = true;
}

/* The process that runs a transaction; 0 for a prepared one, which has none. */
static int
process_of(VirtualTransactionId transaction)
{
	PGPROC *proc = kr_pg_proc_of(transaction);

	return proc != NULL && kr_pg_lxid_of(proc) == transaction.localTransactionId ? proc->pid : 0;
}

/* Waits for none. One of those noted that has not ended; those that have are dropped from the list. */
static bool
still_running(KrEarlier *earlier, KrObstacle *obstacle)
{
	while (earlier->count > 0)
	{
		VirtualTransactionId last = earlier->running[earlier->count - 1];

		if (VirtualXactLock(last, false))
		{
			earlier->count--;
			continue;
		}
		obstacle->reason = pstrdup("an earlier transaction, which may hold values under another key, has not ended");
		obstacle->pid = process_of(last);
		obstacle->transaction = psprintf("%d/%u", (int) kr_pg_number_of(last), last.localTransactionId);
		return true;
	}
	return false;
}

static void
take_name(HeapTuple row, TupleDesc desc, void *arg)
{
	*(char **) arg = SPI_getvalue(row, desc, 1);
}

/*
 * Prepared transactions are among those noted, but known by name to people. The extension's
 * schema stands in a comment: the view is PostgreSQL's.
 */
static bool
still_prepared(KrEarlier *earlier, KrObstacle *obstacle)
{
	Oid types[] = { TIMESTAMPTZOID };
	Datum values[] = { TimestampTzGetDatum(earlier->since) };
	char *name = NULL;

	kr_keys_rows_as_owner("SELECT gid FROM pg_catalog.pg_prepared_xacts"
						  " WHERE database = pg_catalog.current_database() AND prepared <= $1 /* %s */ LIMIT 1",
						  lengthof(types), types, values, NULL, take_name, &name);
	if (name == NULL)
		return false;
	obstacle->reason = pstrdup("a prepared transaction, which may hold values under another key, has not ended");
	obstacle->pid = 0;
	obstacle->transaction = name;
	return true;
}

bool
kr_reencrypt_earlier_run(KrEarlier *earlier, KrObstacle *obstacle)
{
	if (!earlier->known)
		note_running(earlier);
	return still_prepared(earlier, obstacle) || still_running(earlier, obstacle);
}

/* Such a value may be one that cannot be read at all. */
static bool
is_recorded_outside(Datum value, const KrEncryptedColumn *column, TupleTableSlot *row, KrRecorded *recorded)
{
	return VARATT_IS_EXTERNAL(DatumGetPointer(value)) && kr_reencrypt_is_recorded(recorded, column->attnum, &row->tts_tid);
}

/* Whether a row has a value that is neither current nor recorded. */
static bool
has_old(TupleTableSlot *row, const List *columns, uint32 target_tag, KrRecorded *recorded)
{
	ListCell *cell;

	foreach(cell, columns)
	{
		const KrEncryptedColumn *column = lfirst(cell);
		bool isnull;
		Datum value = slot_getattr(row, column->attnum, &isnull);
		uint32 tag;

		if (isnull || is_recorded_outside(value, column, row, recorded) ||
			kr_reencrypt_value_state(value, column->typmod, target_tag, &tag) == KR_VALUE_CURRENT)
			continue;
		if (!kr_reencrypt_is_recorded(recorded, column->attnum, &row->tts_tid))
			return true;
	}
	return false;
}

/* A scan, of the whole relation or of a range. */
typedef struct KrCount
{
	Relation relation;
	Snapshot snapshot;
	List *columns;
	KrRecorded *recorded;
	uint32 target_tag;
	bool whole;
	KrPlaces *places;
} KrCount;

/* False when nothing more needs to be found in the relation. */
static bool
note_old(const KrCount *count, BlockNumber block)
{
	Oid relation = RelationGetRelid(count->relation);
	bool last = count->whole || kr_reencrypt_has_many(count->places, relation);
	BlockNumber end = last ? RelationGetNumberOfBlocks(count->relation) : block + 1;

	kr_reencrypt_note(count->places, relation, count->whole ? 0 : block, end);
	return !last;
}

/* False when nothing more needs to be found in the relation. */
static bool
find_in_scan(const KrCount *count, TableScanDesc scan, bool (*next)(TableScanDesc, ScanDirection, TupleTableSlot *))
{
	TupleTableSlot *slot = table_slot_create(count->relation, NULL);
	bool more = true;

	while (more && next(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (has_old(slot, count->columns, count->target_tag, count->recorded))
			more = note_old(count, ItemPointerGetBlockNumber(&slot->tts_tid));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return more;
}

static bool
next_row(TableScanDesc scan, ScanDirection direction, TupleTableSlot *slot)
{
	return table_scan_getnextslot(scan, direction, slot);
}

static bool
next_row_in_range(TableScanDesc scan, ScanDirection direction, TupleTableSlot *slot)
{
	return table_scan_getnextslot_tidrange(scan, direction, slot);
}

/* From one page to another, both included. False as find_in_scan(). */
static bool
find_in_range(const KrCount *count, BlockNumber from, BlockNumber last)
{
	ItemPointerData first_row;
	ItemPointerData last_row;

	ItemPointerSet(&first_row, from, FirstOffsetNumber);
	ItemPointerSet(&last_row, last, MaxOffsetNumber);
	return find_in_scan(count, table_beginscan_tidrange(count->relation, count->snapshot, &first_row, &last_row),
						next_row_in_range);
}

/* Between the pages that cannot be read. */
static void
find_in_rest(const KrCount *count, const List *unreadable)
{
	BlockNumber from = 0;
	ListCell *cell;

	foreach(cell, unreadable)
	{
		BlockNumber page = (BlockNumber) lfirst_int(cell);

		if (page > from && !find_in_range(count, from, page - 1))
			return;
		from = page + 1;
	}
	(void) find_in_range(count, from, MaxBlockNumber);
}

static void
find_in_relation(const KrJob *job, KrCount *count)
{
	Oid relation = RelationGetRelid(count->relation);
	List *unreadable;

	count->columns = kr_reencrypt_columns_of(job, relation);
	count->recorded = kr_reencrypt_recorded_begin(job, relation);
	unreadable = kr_reencrypt_recorded_pages(count->recorded);
	/* the whole has a ring of buffers of its own, a range has not */
	if (unreadable == NIL)
		(void) find_in_scan(count, table_beginscan(count->relation, count->snapshot, 0, NULL), next_row);
	else
		find_in_rest(count, unreadable);
	kr_reencrypt_recorded_end(count->recorded);
}

/* Relations to count, locked: a list of Oids. *locked: one that cannot be locked now. */
static List *
lock_relations(const KrJob *job, Oid *locked)
{
	List *columns = kr_reencrypt_columns(job, NULL);
	List *relations = NIL;
	Oid relation = InvalidOid;

	*locked = InvalidOid;
	while (OidIsValid(relation = kr_reencrypt_next_relation(columns, relation)))
	{
		if (!ConditionalLockRelationOid(relation, AccessShareLock))
		{
			*locked = relation;
			break;
		}
		relations = lappend_oid(relations, relation);
	}
	return relations;
}

void
kr_reencrypt_find_old(const KrJob *job, uint32 target_tag, bool whole, KrPlaces *places, Oid *locked)
{
	List *relations = lock_relations(job, locked);
	KrCount count = { .target_tag = target_tag, .whole = whole, .places = places };
	ListCell *cell;

	if (OidIsValid(*locked))
		return;
	count.snapshot = RegisterSnapshot(GetLatestSnapshot());
	foreach(cell, relations)
	{
		count.relation = try_relation_open(lfirst_oid(cell), NoLock);
		if (count.relation == NULL)
			continue;
		find_in_relation(job, &count);
		relation_close(count.relation, NoLock);
	}
	UnregisterSnapshot(count.snapshot);
}
