/*
 * src/reencrypt/row.c
 *
 * Values are told apart by their headers: only a row with an old one is made anew.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "keys/ring.h"
#include "pg/errcodes.h"
#include "reencrypt/attempt.h"
#include "reencrypt/header.h"
#include "reencrypt/row.h"
#include "reencrypt/store.h"
#include "reencrypt/unmoved.h"
#include "utils/rel.h"

/* A value that is not under the target key, or will not be: one for each column. */
typedef struct KrOld
{
	bool move;
	uint32 tag;
} KrOld;

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

static void
record(KrTarget *target, int column, TupleTableSlot *row, uint32 tag, const char *reason, const ErrorData *error)
{
	kr_reencrypt_record(target->job, target->relation, target->attnums[column], row, tag, reason, error);
	target->recorded = true;
}

/* A value of one column, and what is to be learned about it or done to it. */
typedef struct KrSubject
{
	const KrTarget *target;
	int column;
	Datum value;
	KrValueState state;
	uint32 tag;
} KrSubject;

static void
reseal_subject(void *arg)
{
	KrSubject *subject = arg;

	subject->value = reseal(subject->target->types[subject->column], subject->value, subject->target->typmods[subject->column]);
}

static void
look_at_subject(void *arg)
{
	KrSubject *subject = arg;

	subject->state = kr_reencrypt_value_state(subject->value, subject->target->typmods[subject->column],
											  subject->target->tag, &subject->tag);
}

/* False, and recorded under the tag, when the work fails because of the value. */
static bool
try_value(KrTarget *target, TupleTableSlot *row, KrSubject *subject, uint32 tag, void (*work)(void *))
{
	bool skip = target->job->skip_unavailable;
	ErrorData *error = kr_reencrypt_attempt(work, subject, skip);

	if (error == NULL)
		return true;
	record(target, subject->column, row, tag, kr_reencrypt_reason(error, skip), error);
	FreeErrorData(error);
	return false;
}

static bool
reseal_carefully(KrTarget *target, int column, TupleTableSlot *row, uint32 tag, Datum *value)
{
	KrSubject subject = { .target = target, .column = column, .value = *value };

	if (!try_value(target, row, &subject, tag, reseal_subject))
		return false;
	*value = subject.value;
	return true;
}

/* An index expression, which is the owner's, may throw: then all that was to be moved is recorded. */
static void
store_carefully(KrTarget *target, TupleTableSlot *row, const KrOld *old)
{
	ErrorData *error;

	if (kr_reencrypt_store_carefully(target, &error))
		return;
	for (int i = 0; i < target->ncolumns; i++)
	{
		if (old[i].move)
			record(target, i, row, old[i].tag, "row refused", error);
	}
	FreeErrorData(error);
}

static TupleTableSlot *
copy_of(KrTarget *target, TupleTableSlot *row)
{
	TupleDesc desc = RelationGetDescr(target->relation);
	TupleTableSlot *copy = kr_reencrypt_slot(target);

	slot_getallattrs(row);
	for (int i = 0; i < desc->natts; i++)
	{
		copy->tts_values[i] = row->tts_values[i];
		copy->tts_isnull[i] = row->tts_isnull[i] || TupleDescAttr(desc, i)->attisdropped;
	}
	return copy;
}

static bool
move(KrTarget *target, TupleTableSlot *row, KrOld *old)
{
	TupleTableSlot *moved = copy_of(target, row);
	int values = 0;
	Size bytes = 0;
	bool full;

	for (int i = 0; i < target->ncolumns; i++)
	{
		Datum *value = &moved->tts_values[target->attnums[i] - 1];

		if (!old[i].move)
			continue;
		if (!target->careful)
			*value = reseal(target->types[i], *value, target->typmods[i]);
		else if (!reseal_carefully(target, i, row, old[i].tag, value))
			old[i].move = false;
		if (!old[i].move)
			continue;
		values++;
		bytes += VARSIZE_ANY(DatumGetPointer(*value));
	}
	if (values == 0)
		return false;
	full = kr_reencrypt_add(target, row, values, bytes);
	if (target->careful)
		store_carefully(target, row, old);
	/* in memory that is freed now: no more than one row of long values at a time */
	return full || target->careful;
}

/* An envelope without a readable header names no key, so there is nothing to try. */
static void
report_damage(KrTarget *target, int column, TupleTableSlot *row)
{
	ErrorData error = {
		.sqlerrcode = KR_ERRCODE_ENVELOPE_DAMAGED,
		.message = pstrdup("could not open a value: the envelope is damaged")
	};

	record(target, column, row, 0, kr_reencrypt_reason(&error, false), &error);
}

/* The header of a value that is stored out of line, which may be damaged there: then false, and recorded. */
static bool
look_carefully(KrTarget *target, int column, TupleTableSlot *row, Datum value, KrValueState *state, uint32 *tag)
{
	KrSubject subject = { .target = target, .column = column, .value = value };

	if (!try_value(target, row, &subject, 0, look_at_subject))
		return false;
	*state = subject.state;
	*tag = subject.tag;
	return true;
}

bool
kr_reencrypt_row(KrTarget *target, TupleTableSlot *row)
{
	KrOld *old = NULL;

	target->recorded = false;
	for (int i = 0; i < target->ncolumns; i++)
	{
		bool isnull;
		Datum value = slot_getattr(row, target->attnums[i], &isnull);
		KrValueState state;
		uint32 tag;

		if (isnull)
			continue;
		target->counts.scanned++;
		if (!target->careful || !VARATT_IS_EXTERNAL(DatumGetPointer(value)))
			state = kr_reencrypt_value_state(value, target->typmods[i], target->tag, &tag);
		else if (!look_carefully(target, i, row, value, &state, &tag))
			continue;
		switch (state)
		{
			case KR_VALUE_CURRENT:
				target->counts.skipped++;
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
	return old != NULL && move(target, row, old);
}
