/*
 * src/reencrypt/row.h
 *
 * One row: old values are opened and sealed anew; store.h puts them into the table.
 */
#ifndef KR_REENCRYPT_ROW_H
#define KR_REENCRYPT_ROW_H

#include "access/htup_details.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "reencrypt/pass.h"
#include "types/basetype.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

typedef struct KrRowCounts
{
	int64 scanned;
	int64 moved;
	int64 skipped;
} KrRowCounts;

/* A row that is to be stored: of the page that the scan is at. */
typedef struct KrPending
{
	ItemPointerData place;
	HeapTupleHeader stored;  /* as it is in the page; NULL where the table's access method has no pages of heap */
	TupleTableSlot *moved;   /* virtual; made when first needed */
	int values;              /* how many of it are sealed anew */
	bool recorded;           /* others of it are recorded, and the record is to follow the row */
	KR_INDEX_UPDATE indexes; /* to be made, once it is stored */
} KrPending;

/* A relation being worked on: opened and locked, its owner's rights taken on. */
typedef struct KrTarget
{
	const KrJob *job;
	Relation relation;
	MemoryContext memory; /* of the batch */
	int ncolumns;
	AttrNumber *attnums; /* ascending */
	int32 *typmods;
	const KrEncryptedType **types;
	uint32 tag; /* of the key to move to */
	bool careful;
	TimestampTz deadline;
	TimestampTz piece_began; /* when it last began to work after a rest */
	Snapshot snapshot;
	CommandId command;
	EState *estate;
	ResultRelInfo *relinfo;
	TupleTableSlot *locked; /* for the table's access method */
	LockTupleMode lock;     /* as an UPDATE of these columns would take it */
	KrPending pending[MaxHeapTuplesPerPage];
	int npending;
	Size pending_bytes;
	bool recorded; /* a value of the row that is looked at */
	KrRowCounts counts;
	KrLeft *left;
} KrTarget;

/* Looks at one row. True when it is time for kr_reencrypt_store(); until then, the memory it was called in is used. */
extern bool kr_reencrypt_row(KrTarget *target, TupleTableSlot *row);

#endif
