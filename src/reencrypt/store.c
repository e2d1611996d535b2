/*
 * src/reencrypt/store.c
 *
 * A concurrent writer wins: a row that somebody has changed, or is changing, is left to the
 * next pass. Nobody is waited for (but see lock_row), so that no batch lasts longer than it should and
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
count_result(KrTarget *target, TM_Result result, const TM_FailureData *failure, int values)
{
	switch (result)
	{
		case TM_Ok:
			target->counts.moved += values;
			break;
		case TM_Updated:
		case TM_BeingModified:
		case TM_WouldBlock:
			target->left->values += values;
			target->left->holder = failure->xmax;
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
	count_result(target, result, &failure, pending->values);
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

bool
kr_reencrypt_store_carefully(KrTarget *target, ErrorData **error)
{
	KrRowCounts counts = target->counts;
	KrAttempt attempt;
	ErrorData *volatile caught = NULL;

	kr_reencrypt_begin_attempt(&attempt);
	PG_TRY();
	{
		kr_reencrypt_store(target);
		kr_reencrypt_end_attempt(&attempt);
	}
	PG_CATCH();
	{
		caught = kr_reencrypt_fail_attempt(&attempt, target->job->skip_unavailable);
	}
	PG_END_TRY();
	*error = caught;
	/* it was counted before an index refused it */
	if (caught != NULL)
		target->counts = counts;
	return caught == NULL;
}
