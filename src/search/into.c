/*
 * src/search/into.c
 *
 * CREATE TABLE AS and SELECT INTO are rewritten so that the query makes fresh envelopes
 * (created.c). Not all can be: EXECUTE has a plan that was made for reading, and a
 * WITH that modifies data must stay outermost, so no query can be put around it. There the
 * executor's rows are treated, between the plan and the table, as the coercion would treat them.
 *
 * A column that the plan coerces itself is left alone: an envelope that was given as such
 * is to keep its key.
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "nodes/plannodes.h"
#include "search/expr.h"
#include "search/into.h"
#include "tcop/dest.h"
#include "utils/memutils.h"

typedef struct IntoColumn
{
	int position;
	int32 typmod;
	FmgrInfo coerce;
} IntoColumn;

typedef struct IntoReceiver
{
	DestReceiver own; /* first, as the server sees nothing else of it */
	DestReceiver *next;
	TupleTableSlot *slot;
	MemoryContext row_context;
	int ncolumns;
	IntoColumn columns[FLEXIBLE_ARRAY_MEMBER];
} IntoReceiver;

/* Whether the plan's own output for a column is a coercion to its typmod. */
static bool
is_fresh(const QueryDesc *query, const KrEncryptedType *type, int position, int32 typmod)
{
	List *targets = query->plannedstmt->planTree->targetlist;
	TargetEntry *target = position < list_length(targets) ? list_nth(targets, position) : NULL;

	return target != NULL && !target->resjunk && kr_search_is_sealed_for(type, (Node *) target->expr, typmod);
}

/* What the coercion returns may point into the row that it was given, which is there until the next one. */
static void
make_fresh(IntoReceiver *self, const IntoColumn *column)
{
	Datum *value = &self->slot->tts_values[column->position];

	if (!self->slot->tts_isnull[column->position])
		*value = FunctionCall3(unconstify(FmgrInfo *, &column->coerce), *value, Int32GetDatum(column->typmod),
							   BoolGetDatum(false));
}

static bool
receive_row(TupleTableSlot *row, DestReceiver *receiver)
{
	IntoReceiver *self = (IntoReceiver *) receiver;
	int natts = self->slot->tts_tupleDescriptor->natts;
	MemoryContext old;

	MemoryContextReset(self->row_context);
	ExecClearTuple(self->slot);
	slot_getallattrs(row);
	memcpy(self->slot->tts_values, row->tts_values, natts * sizeof(Datum));
	memcpy(self->slot->tts_isnull, row->tts_isnull, natts * sizeof(bool));

	old = MemoryContextSwitchTo(self->row_context);
	for (int i = 0; i < self->ncolumns; i++)
		make_fresh(self, &self->columns[i]);
	MemoryContextSwitchTo(old);
	ExecStoreVirtualTuple(self->slot);
	return self->next->receiveSlot(self->slot, self->next);
}

static void
start(DestReceiver *receiver, int operation, TupleDesc rows)
{
	IntoReceiver *self = (IntoReceiver *) receiver;

	self->slot = MakeSingleTupleTableSlot(rows, &TTSOpsVirtual);
	self->row_context = AllocSetContextCreate(CurrentMemoryContext, "keyring row into table", ALLOCSET_DEFAULT_SIZES);
	self->next->rStartup(self->next, operation, rows);
}

static void
stop(DestReceiver *receiver)
{
	IntoReceiver *self = (IntoReceiver *) receiver;

	self->next->rShutdown(self->next);
	ExecDropSingleTupleTableSlot(self->slot);
	MemoryContextDelete(self->row_context);
}

/* The server destroys the receiver that it made, which this one has been in front of. */
static void
destroy(DestReceiver *receiver)
{
	pfree(receiver);
}

DestReceiver *
kr_search_into(const QueryDesc *query)
{
	TupleDesc rows = query->tupDesc;
	IntoReceiver *self = palloc0(offsetof(IntoReceiver, columns) + rows->natts * sizeof(IntoColumn));

	for (int i = 0; i < rows->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(rows, i);
		const KrEncryptedType *type = kr_types_lookup(attribute->atttypid);
		IntoColumn *column = &self->columns[self->ncolumns];

		/* the guard refuses a table with a column that has no mode */
		if (type == NULL || attribute->atttypmod < 0 || is_fresh(query, type, i, attribute->atttypmod))
			continue;
		column->position = i;
		column->typmod = attribute->atttypmod;
		fmgr_info(type->coerce, &column->coerce);
		self->ncolumns++;
	}
	if (self->ncolumns == 0)
	{
		pfree(self);
		return query->dest;
	}
	self->next = query->dest;
	self->own.receiveSlot = receive_row;
	self->own.rStartup = start;
	self->own.rShutdown = stop;
	self->own.rDestroy = destroy;
	self->own.mydest = query->dest->mydest;
	return &self->own;
}
