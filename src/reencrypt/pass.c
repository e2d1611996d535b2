/*
 * src/reencrypt/pass.c
 *
 * Rows are read by ranges of blocks, under a snapshot that does not show what the batch itself has
 * stored. What is added to the relation behind the range's end was written by others, or moved by
 * this pass: values that get there unmoved are found by the count after the pass.
 *
 * Functions that the owner has put into indexes run here, so the owner's rights are taken on,
 * and settings that such a function changes end with the batch.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "keys/census.h"
#include "miscadmin.h"
#include "pg/guc.h"
#include "reencrypt/page.h"
#include "reencrypt/pass.h"
#include "reencrypt/row.h"
#include "reencrypt/store.h"
#include "reencrypt/waiters.h"
#include "reencrypt/worklist.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "types/table_owner.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/*
 * A job that works for long at a time costs clients more than one that does the same work in small pieces: they find the
 * processor, the disk and the WAL's locks taken for as long as a piece lasts. So it rests after each, unless it is told to rest
 * never.
 */
#define KR_PIECE_US 500
#define KR_REST_MS 2

/* for the rows of a page, without asking the system each time */
#define KR_ROWS_MEMORY (64 * 1024)

/* The columns of a key that others may refer to are not moved while they hold on to it. */
static LockTupleMode
lock_for(Relation relation, const AttrNumber *attnums, int n)
{
	Bitmapset *key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_KEY);

	for (int i = 0; i < n; i++)
	{
		if (bms_is_member(attnums[i] - FirstLowInvalidHeapAttributeNumber, key))
			return LockTupleExclusive;
	}
	return LockTupleNoKeyExclusive;
}

static void
open_target(KrTarget *target, const List *columns)
{
	ListCell *cell;

	target->attnums = palloc(sizeof(AttrNumber) * list_length(columns));
	target->typmods = palloc(sizeof(int32) * list_length(columns));
	target->types = palloc(sizeof(KrEncryptedType *) * list_length(columns));
	foreach(cell, columns)
	{
		const KrEncryptedColumn *column = lfirst(cell);

		target->attnums[target->ncolumns] = column->attnum;
		target->typmods[target->ncolumns] = column->typmod;
		target->types[target->ncolumns] = kr_types_lookup(column->type);
		if (target->types[target->ncolumns++] == NULL)
			elog(ERROR, "type %u is not an encrypted type", column->type);
	}
	target->estate = CreateExecutorState();
	target->relinfo = makeNode(ResultRelInfo);
	InitResultRelInfo(target->relinfo, target->relation, 0, NULL, 0);
	ExecOpenIndices(target->relinfo, false);
	target->memory = CurrentMemoryContext;
	target->locked = table_slot_create(target->relation, NULL);
	target->lock = lock_for(target->relation, target->attnums, target->ncolumns);
	target->command = GetCurrentCommandId(true);
	target->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

static void
close_target(KrTarget *target)
{
	UnregisterSnapshot(target->snapshot);
	ExecDropSingleTupleTableSlot(target->locked);
	for (int i = 0; i < (int) lengthof(target->pending) && target->pending[i].moved != NULL; i++)
		ExecDropSingleTupleTableSlot(target->pending[i].moved);
	ExecCloseIndices(target->relinfo);
	FreeExecutorState(target->estate);
}

static void
store_pending(KrTarget *target, MemoryContext rows)
{
	if (target->npending > 0)
		kr_reencrypt_store(target);
	MemoryContextReset(rows);
}

static void
look_at(KrTarget *target, TupleTableSlot *row, MemoryContext rows)
{
	MemoryContext old = MemoryContextSwitchTo(rows);
	bool store = kr_reencrypt_row(target, row);

	MemoryContextSwitchTo(old);
	if (store)
		store_pending(target, rows);
}

static void
rest_after_piece(KrTarget *target)
{
	if (kr_guc_reencrypt_delay == 0 || GetCurrentTimestamp() < target->piece_began + KR_PIECE_US)
		return;
	kr_reencrypt_flush_wal(0);
	(void) WaitLatch(NULL, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, KR_REST_MS, kr_pg_wait_event("KeyringJobMain"));
	target->piece_began = GetCurrentTimestamp();
}

static bool
is_time_up(const KrTarget *target)
{
	return GetCurrentTimestamp() >= target->deadline || kr_reencrypt_is_waited_for(RelationGetRelid(target->relation));
}

/*
 * Looks at rows until the range or the time is up, or somebody waits for the batch. Returns the first block that was not
 * done. Two slots take turns, so that the one before keeps the page pinned whose rows are stored when the scan has come to
 * the next.
 */
static BlockNumber
walk_scan(KrTarget *target, TableScanDesc scan, TupleTableSlot *slots[2], BlockNumber from, BlockNumber end)
{
	MemoryContext rows = AllocSetContextCreate(CurrentMemoryContext, "keyring rows", 0, KR_ROWS_MEMORY, ALLOCSET_DEFAULT_MAXSIZE);
	BlockNumber at = from;

	for (int turn = 0; table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slots[turn]); turn = 1 - turn)
	{
		BlockNumber block = ItemPointerGetBlockNumber(&slots[turn]->tts_tid);

		if (block != at)
		{
			store_pending(target, rows);
			kr_reencrypt_flush_wal(KR_UNFLUSHED_WAL);
			CHECK_FOR_INTERRUPTS();
			rest_after_piece(target);
			if (is_time_up(target))
			{
				end = block;
				break;
			}
			at = block;
		}
		look_at(target, slots[turn], rows);
	}
	store_pending(target, rows);
	MemoryContextDelete(rows);
	return end;
}

static BlockNumber
walk_range(KrTarget *target, BlockNumber from, BlockNumber end)
{
	TupleTableSlot *slots[2] = { table_slot_create(target->relation, NULL), table_slot_create(target->relation, NULL) };
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, from, FirstOffsetNumber);
	ItemPointerSet(&last, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(target->relation, target->snapshot, &first, &last);
	end = walk_scan(target, scan, slots, from, end);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slots[0]);
	ExecDropSingleTupleTableSlot(slots[1]);
	return end;
}

/* Careful: page by page, and past those that cannot be read. */
static BlockNumber
walk(KrTarget *target, BlockNumber from, BlockNumber end)
{
	target->piece_began = GetCurrentTimestamp();
	target->deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kr_guc_reencrypt_batch_time);
	if (!target->careful)
		return walk_range(target, from, end);
	do
	{
		CHECK_FOR_INTERRUPTS();
		if (kr_reencrypt_try_page(target, from))
			(void) walk_range(target, from, from + 1);
		from++;
	} while (from < end && !is_time_up(target));
	return from;
}

/* Publishing a change without a replica identity would stop the subscriber: PostgreSQL refuses such an UPDATE too. */
static void
work(KrTarget *target, KrJob *job, BlockNumber end)
{
	KrIdentity caller = kr_types_enter_owner(RelationGetRelid(target->relation));
	int nest_level = NewGUCNestLevel();
	BlockNumber from = job->next_block;

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (target->relation->rd_rel->relkind != RELKIND_MATVIEW)
		CheckCmdReplicaIdentity(target->relation, CMD_UPDATE);
	open_target(target, kr_reencrypt_columns_of(job, RelationGetRelid(target->relation)));
	if (target->ncolumns > 0 && from < end)
		job->next_block = walk(target, from, end);
	else
		job->next_block = end;
	close_target(target);
	AtEOXact_GUC(false, nest_level);
	kr_types_leave_owner(caller);

	job->done_blocks += job->next_block - Min(from, job->next_block);
	job->scanned += target->counts.scanned;
	job->moved += target->counts.moved;
	job->skipped += target->counts.skipped;
}

KrBatchResult
kr_reencrypt_batch(KrJob *job, uint32 target_tag, bool careful, KrLeft *left)
{
	KrTarget *target = palloc0(sizeof(KrTarget));
	BlockNumber end;

	target->job = job;
	target->tag = target_tag;
	target->careful = careful;
	target->left = left;

	if (!ConditionalLockRelationOid(job->current, RowExclusiveLock))
		return KR_BATCH_LOCKED;
	target->relation = try_relation_open(job->current, NoLock);
	if (target->relation == NULL)
	{
		job->next_block = job->end_block;
		return KR_BATCH_DONE;
	}
	/* truncated or rewritten since the pass came to it */
	end = Min(job->end_block, RelationGetNumberOfBlocks(target->relation));
	work(target, job, end);
	if (job->next_block >= end)
		job->next_block = job->end_block;
	relation_close(target->relation, NoLock);
	return KR_BATCH_DONE;
}
