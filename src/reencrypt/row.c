/*
 * src/reencrypt/row.c
 *
 * A concurrent writer wins: a row that somebody has changed, or is changing, is left to the
 * next pass. Nobody is waited for (but see lock_row), so that no batch lasts longer than it should and
 * its locks delay nobody.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "keys/ring.h"
#include "pg/errcodes.h"
#include "reencrypt/header.h"
#include "reencrypt/row.h"
#include "reencrypt/unmoved.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

/* A value that is not under the target key, or will not be: one for each column. */
typedef struct KrOld
{
	bool move;
	uint32 tag;
} KrOld;

/* What to return to after a subtransaction. */
typedef struct KrAttempt
{
	MemoryContext context;
	ResourceOwner owner;
} KrAttempt;

static void
begin_attempt(KrAttempt *attempt)
{
	attempt->context = CurrentMemoryContext;
	attempt->owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(attempt->context);
}

static void
end_attempt(const KrAttempt *attempt)
{
	ReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->context);
	CurrentResourceOwner = attempt->owner;
}

/* Returns the error, if it is about the value or the row; throws it again otherwise. */
static ErrorData *
fail_attempt(const KrAttempt *attempt, bool skip_unavailable)
{
	ErrorData *error;

	MemoryContextSwitchTo(attempt->context);
	error = CopyErrorData();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(attempt->context);
	CurrentResourceOwner = attempt->owner;
	if (kr_reencrypt_reason(error, skip_unavailable) == NULL)
		ReThrowError(error);
	return error;
}

/*
 * The value under the target key. The modifier of the base type is left alone: the value
 * has passed it once, and must stay what it is.
 */
static Datum
reseal(const KrEncryptedType *type, Datum value, int32 typmod)
{
	struct varlena *envelope = kr_types_detoast(value);
	Datum plain = type->base->open(type->base, envelope, KR_FOR_SYSTEM);
	struct varlena *result = type->base->seal(type->base, plain, KR_TYPMOD_MODE(typmod));

	kr_types_forget(type->base, plain);
	kr_types_free_detoasted(envelope, value);
	return PointerGetDatum(result);
}

/* False, and recorded, when the value cannot be opened. */
static bool
reseal_carefully(KrTarget *target, int column, TupleTableSlot *row, uint32 tag, Datum *value)
{
	KrAttempt attempt;
	ErrorData *volatile error = NULL;

	begin_attempt(&attempt);
	PG_TRY();
	{
		*value = reseal(target->types[column], *value, target->typmods[column]);
		end_attempt(&attempt);
	}
	PG_CATCH();
	{
		error = fail_attempt(&attempt, target->job->skip_unavailable);
	}
	PG_END_TRY();
	if (error == NULL)
		return true;
	kr_reencrypt_record(target->job, target->relation, target->attnums[column], row, tag,
						kr_reencrypt_reason(error, target->job->skip_unavailable), error);
	FreeErrorData(error);
	return false;
}

/* Whether a transaction has left its mark on the row, running or not. A glance without a lock, to save one where nobody is. */
static bool
is_marked(const TupleTableSlot *row)
{
	return !TTS_IS_BUFFERTUPLE(row) ||
		(((const BufferHeapTupleTableSlot *) row)->base.tuple->t_data->t_infomask & HEAP_XMAX_INVALID) == 0;
}

/*
 * Locks the row unless somebody else has. heap_update() itself cannot be told not to wait; when somebody
 * comes between this and that, it waits, and lock_timeout ends the step.
 */
static TM_Result
lock_row(KrTarget *target, TupleTableSlot *row, TM_FailureData *failure)
{
	TM_Result result;

	if (!is_marked(row))
		return TM_Ok;
	result = table_tuple_lock(target->relation, &row->tts_tid, target->snapshot, target->locked, target->command,
							  target->lock, LockWaitSkip, 0, failure);
	ExecClearTuple(target->locked);
	return result;
}

/* Stores target->moved in the place of row, with its index entries. */
static TM_Result
store(KrTarget *target, TupleTableSlot *row, TM_FailureData *failure)
{
	LockTupleMode lock;
	KR_INDEX_UPDATE indexes;
	TM_Result result = lock_row(target, row, failure);

	if (result != TM_Ok)
		return result;
	result = table_tuple_update(target->relation, &row->tts_tid, target->moved, target->command, target->snapshot,
								InvalidSnapshot, true, failure, &lock, &indexes);

	/*
	 * What a deferrable constraint wants to be checked again is not: the token is the one that was
	 * there, so there is no conflict that was not there before.
	 */
	if (result == TM_Ok && target->relinfo->ri_NumIndices > 0)
		(void) kr_pg_insert_index_entries(target->relinfo, target->moved, target->estate, indexes);
	ResetPerTupleExprContext(target->estate);
	return result;
}

/* An index expression, which is the owner's, may throw: then all that was to be moved is recorded. */
static TM_Result
store_carefully(KrTarget *target, TupleTableSlot *row, TM_FailureData *failure, const KrOld *old)
{
	KrAttempt attempt;
	ErrorData *volatile error = NULL;
	volatile TM_Result result = TM_Ok;

	begin_attempt(&attempt);
	PG_TRY();
	{
		result = store(target, row, failure);
		end_attempt(&attempt);
	}
	PG_CATCH();
	{
		error = fail_attempt(&attempt, target->job->skip_unavailable);
	}
	PG_END_TRY();
	if (error == NULL)
		return result;
	for (int i = 0; i < target->ncolumns; i++)
	{
		if (old[i].move)
			kr_reencrypt_record(target->job, target->relation, target->attnums[i], row, old[i].tag, "row refused", error);
	}
	FreeErrorData(error);
	return TM_Invisible;
}

static void
count_result(TM_Result result, const TM_FailureData *failure, int values, KrRowCounts *counts, KrLeft *left)
{
	switch (result)
	{
		case TM_Ok:
			counts->moved += values;
			break;
		case TM_Updated:
		case TM_BeingModified:
		case TM_WouldBlock:
			left->values += values;
			left->holder = failure->xmax;
			break;
		default: /* deleted, or recorded */
			break;
	}
}

static void
prepare_moved(KrTarget *target, TupleTableSlot *row)
{
	TupleDesc desc = RelationGetDescr(target->relation);

	slot_getallattrs(row);
	ExecClearTuple(target->moved);
	for (int i = 0; i < desc->natts; i++)
	{
		target->moved->tts_values[i] = row->tts_values[i];
		target->moved->tts_isnull[i] = row->tts_isnull[i] || TupleDescAttr(desc, i)->attisdropped;
	}
}

static void
move(KrTarget *target, TupleTableSlot *row, KrOld *old, KrRowCounts *counts, KrLeft *left)
{
	TM_FailureData failure = { 0 };
	TM_Result result;
	int values = 0;

	prepare_moved(target, row);
	for (int i = 0; i < target->ncolumns; i++)
	{
		Datum *value = &target->moved->tts_values[target->attnums[i] - 1];

		if (!old[i].move)
			continue;
		if (!target->careful)
			*value = reseal(target->types[i], *value, target->typmods[i]);
		else if (!reseal_carefully(target, i, row, old[i].tag, value))
			old[i].move = false;
		values += old[i].move ? 1 : 0;
	}
	if (values == 0)
		return;
	ExecStoreVirtualTuple(target->moved);
	target->moved->tts_tableOid = RelationGetRelid(target->relation);
	result = target->careful ? store_carefully(target, row, &failure, old) : store(target, row, &failure);
	count_result(result, &failure, values, counts, left);
}

/* An envelope without a readable header names no key, so there is nothing to try. */
static void
report_damage(KrTarget *target, int column, TupleTableSlot *row)
{
	ErrorData error = {
		.sqlerrcode = KR_ERRCODE_ENVELOPE_DAMAGED,
		.message = pstrdup("could not open a value: the envelope is damaged")
	};

	kr_reencrypt_record(target->job, target->relation, target->attnums[column], row, 0,
						kr_reencrypt_reason(&error, false), &error);
}

void
kr_reencrypt_row(KrTarget *target, TupleTableSlot *row, KrRowCounts *counts, KrLeft *left)
{
	KrOld *old = NULL;

	for (int i = 0; i < target->ncolumns; i++)
	{
		bool isnull;
		Datum value = slot_getattr(row, target->attnums[i], &isnull);
		uint32 tag;

		if (isnull)
			continue;
		counts->scanned++;
		switch (kr_reencrypt_value_state(value, target->typmods[i], target->tag, &tag))
		{
			case KR_VALUE_CURRENT:
				counts->skipped++;
				break;
			case KR_VALUE_DAMAGED:
				report_damage(target, i, row);
				break;
			case KR_VALUE_OLD:
				if (old == NULL)
					old = palloc0(sizeof(KrOld) * target->ncolumns);
				old[i].move = true;
				old[i].tag = tag;
				break;
		}
	}
	if (old != NULL)
		move(target, row, old, counts, left);
}
