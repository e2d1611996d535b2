/*
 * src/reencrypt/store.c
 *
 * A concurrent writer wins: a row that somebody has changed, or is changing, is left to the
 * next pass, which looks at its page. Nobody is waited for (but see lock_row), so that no batch lasts longer than it should and
 * its locks delay nobody.
 *
 * A page's rows are sealed one after the other, then stored, then entered into the indexes. Each of the three is much
 * code, which the processor would fetch again for each row if they took turns.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "reencrypt/attempt.h"
#include "reencrypt/store.h"
#include "reencrypt/unmoved.h"
#include "utils/rel.h"

/* when so much is sealed, it is stored, though the page has more */
#define KR_PENDING_BYTES (256 * 1024)

TupleTableSlot *
kr_reencrypt_slot(KrTarget *target)
{
	KrPending *pending = &target->pending[target->npending];
	MemoryContext old;

	if (pending->moved == NULL)
	{
		old = MemoryContextSwitchTo(target->memory);
		pending->moved = MakeSingleTupleTableSlot(RelationGetDescr(target->relation), &TTSOpsVirtual);
		MemoryContextSwitchTo(old);
	}
	return ExecClearTuple(pending->moved);
}

bool
kr_reencrypt_add(KrTarget *target, TupleTableSlot *row, int values, Size bytes)
{
	KrPending *pending = &target->pending[target->npending++];

	pending->place = row->tts_tid;
	pending->stored = TTS_IS_BUFFERTUPLE(row) ? ((const BufferHeapTupleTableSlot *) row)->base.tuple->t_data : NULL;
	pending->values = values;
	pending->recorded = target->recorded;
	pending->indexes = 0;
	ExecStoreVirtualTuple(pending->moved);
	pending->moved->tts_tableOid = RelationGetRelid(target->relation);
	target->pending_bytes += bytes;
	/* where rows are not in buffers, the slot is all that holds this one's values */
	return pending->stored == NULL || target->npending == (int) lengthof(target->pending) ||
		target->pending_bytes >= KR_PENDING_BYTES;
}

/* Whether a transaction has left its mark on the row, running or not. A glance without a lock, to save one where nobody is. */
static bool
is_marked(const KrPending *pending)
{
	return pending->stored == NULL || (pending->stored->t_infomask & HEAP_XMAX_INVALID) == 0;
}

/*
 * Locks the row unless somebody else has. heap_update() itself cannot be told not to wait; when somebody
 * comes between this and that, it waits, and lock_timeout ends the step.
 */
static TM_Result
lock_row(KrTarget *target, KrPending *pending, TM_FailureData *failure)
{
	TM_Result result;

	if (!is_marked(pending))
		return TM_Ok;
	result = table_tuple_lock(target->relation, &pending->place, target->snapshot, target->locked, target->command,
							  target->lock, LockWaitSkip, 0, failure);
	ExecClearTuple(target->locked);
	return result;
}

static void
note_page(KrTarget *target, const ItemPointerData *place)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(place);

	kr_reencrypt_note(&target->left->places, RelationGetRelid(target->relation), block, block + 1);
}

/*
 * A row stays where it is, or it has gone to another page, or will when its writer commits. Of one that goes to another
 * partition nothing is known here: the count finds it.
 */
static void
note_left(KrTarget *target, const KrPending *pending, TM_Result result, TM_FailureData *failure)
{
	if (result != TM_Updated)
		note_page(target, &pending->place);
	if (ItemPointerIsValid(&failure->ctid) && !ItemPointerIndicatesMovedPartitions(&failure->ctid))
		note_page(target, &failure->ctid);
	if (TransactionIdIsValid(failure->xmax))
		target->left->holder = failure->xmax;
}

static void
count_result(KrTarget *target, const KrPending *pending, TM_Result result, TM_FailureData *failure)
{
	switch (result)
	{
		case TM_Ok:
			target->counts.moved += pending->values;
			break;
		case TM_Updated:
		case TM_BeingModified:
		case TM_WouldBlock:
			note_left(target, pending, result, failure);
			break;
		default: /* deleted */
			break;
	}
}

static void
update_row(KrTarget *target, KrPending *pending)
{
	TM_FailureData failure = { 0 };
	LockTupleMode lock;
	TM_Result result = lock_row(target, pending, &failure);

	if (result == TM_Ok)
		result = table_tuple_update(target->relation, &pending->place, pending->moved, target->command, target->snapshot,
									InvalidSnapshot, true, &failure, &lock, &pending->indexes);
	if (result != TM_Ok)
		pending->indexes = 0;
	else if (pending->recorded)
		kr_reencrypt_move_record(target->job, target->relation, &pending->place, &pending->moved->tts_tid);
	count_result(target, pending, result, &failure);
}

/*
 * What a deferrable constraint wants to be checked again is not: the token is the one that was
 * there, so there is no conflict that was not there before.
 */
static void
enter_row(KrTarget *target, KrPending *pending)
{
	(void) kr_pg_insert_index_entries(target->relinfo, pending->moved, target->estate, pending->indexes);
	ResetPerTupleExprContext(target->estate);
}

void
kr_reencrypt_store(KrTarget *target)
{
	int n = target->npending;

	target->npending = 0;
	target->pending_bytes = 0;
	for (int i = 0; i < n; i++)
		update_row(target, &target->pending[i]);
	for (int i = 0; i < n && target->relinfo->ri_NumIndices > 0; i++)
		enter_row(target, &target->pending[i]);
}

static void
store(void *arg)
{
	kr_reencrypt_store(arg);
}

bool
kr_reencrypt_store_carefully(KrTarget *target, ErrorData **error)
{
	KrRowCounts counts = target->counts;

	*error = kr_reencrypt_attempt(store, target, target->job->skip_unavailable);
	/* it was counted before an index refused it */
	if (*error != NULL)
		target->counts = counts;
	return *error == NULL;
}
