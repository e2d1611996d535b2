/*
 * src/reencrypt/row.h
 *
 * One row: old values are opened, sealed anew and stored. No trigger, rule, constraint or
 * foreign key check runs: what the values mean has not changed.
 */
#ifndef KR_REENCRYPT_ROW_H
#define KR_REENCRYPT_ROW_H

#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "reencrypt/pass.h"
#include "types/basetype.h"
#include "utils/snapshot.h"

/* A relation being worked on: opened and locked, its owner's rights taken on. */
typedef struct KrTarget
{
	const KrJob *job;
	Relation relation;
	int ncolumns;
	AttrNumber *attnums; /* ascending */
	int32 *typmods;
	const KrEncryptedType **types;
	uint32 tag; /* of the key to move to */
	bool careful;
	Snapshot snapshot;
	CommandId command;
	EState *estate;
	ResultRelInfo *relinfo;
	TupleTableSlot *moved;  /* virtual */
	TupleTableSlot *locked; /* for the table's access method */
	LockTupleMode lock;     /* as an UPDATE of these columns would take it */
} KrTarget;

typedef struct KrRowCounts
{
	int64 scanned;
	int64 moved;
	int64 skipped;
} KrRowCounts;

/* Looks at one row, in a memory context that is reset afterwards. */
extern void kr_reencrypt_row(KrTarget *target, TupleTableSlot *row, KrRowCounts *counts, KrLeft *left);

#endif
