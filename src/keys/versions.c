/*
 * src/keys/versions.c
 *
 * A count under a snapshot shows what is there. It does not show a value that came and went while
 * somebody waited, and that a transaction has read in between; but its row version is still in the heap, as a registered
 * snapshot keeps it. (Not for ever where old_snapshot_threshold is set, which PostgreSQL 17 has given up.)
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "keys/census.h"
#include "keys/versions.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

bool
kr_keys_keeps_versions(Relation relation)
{
	return relation->rd_tableam == GetHeapamTableAmRoutine();
}

/* A deleter that the snapshot takes for running has ended after it, or runs still. */
static bool
was_visible_since(TupleTableSlot *slot, Snapshot since)
{
	BufferHeapTupleTableSlot *version = (BufferHeapTupleTableSlot *) slot;
	TransactionId deleter = InvalidTransactionId;
	HTSV_Result state;

	LockBuffer(version->buffer, BUFFER_LOCK_SHARE);
	state = HeapTupleSatisfiesVacuumHorizon(version->base.tuple, version->buffer, &deleter);
	LockBuffer(version->buffer, BUFFER_LOCK_UNLOCK);
	if (state == HEAPTUPLE_DEAD)
		return false;
	return state != HEAPTUPLE_RECENTLY_DEAD || XidInMVCCSnapshot(deleter, since);
}

static bool
has_tag(TupleTableSlot *slot, AttrNumber column, uint32 tag)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);
	uint32 found;

	return !isnull && kr_keys_stored_tag(value, &found) && found == tag;
}

static bool
is_external(TupleTableSlot *slot, AttrNumber column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);

	return !isnull && VARATT_IS_EXTERNAL(DatumGetPointer(value));
}

/* The chunks of a TOASTed value may be gone before its row version, so that is asked first. Of others the tag is cheaper. */
static bool
had_since(TupleTableSlot *slot, int ncolumns, const AttrNumber *columns, uint32 tag, Snapshot since)
{
	for (int i = 0; i < ncolumns; i++)
	{
		if (is_external(slot, columns[i]) && !was_visible_since(slot, since))
			return false;
		if (has_tag(slot, columns[i], tag) && was_visible_since(slot, since))
			return true;
	}
	return false;
}

bool
kr_keys_had_since(Relation relation, int ncolumns, const AttrNumber *columns, uint32 tag, Snapshot since)
{
	TableScanDesc scan = table_beginscan(relation, SnapshotAny, 0, NULL);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	bool found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		found = had_since(slot, ncolumns, columns, tag, since);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	return found;
}
