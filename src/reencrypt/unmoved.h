/*
 * src/reencrypt/unmoved.h
 *
 * Rows of keyring_unmoved: values that could not be moved. A pass writes each anew that it
 * finds, and drops at its end those it has not found again: moved, changed or deleted since.
 */
#ifndef KR_REENCRYPT_UNMOVED_H
#define KR_REENCRYPT_UNMOVED_H

#include "executor/tuptable.h"
#include "reencrypt/jobs.h"
#include "utils/relcache.h"

/*
 * Whether an error is about the value itself: then it is recorded, and the job goes on. Where it is
 * not (no connection, no space, cancelled), the job waits. Reason is a word of the table's CHECK.
 */
extern const char *kr_reencrypt_reason(const ErrorData *error, bool skip_unavailable);

/* Records one value of a row. tag 0: no header could be read. */
extern void kr_reencrypt_record(const KrJob *job, Relation relation, AttrNumber attnum, TupleTableSlot *row, uint32 tag,
								const char *reason, const ErrorData *error);

/* A row of which this pass has recorded values was moved for its other ones: they are elsewhere now. */
extern void kr_reencrypt_move_record(const KrJob *job, Relation relation, ItemPointer from, ItemPointer to);

/* Records a page that cannot be read, which may hold values of this column. */
extern void kr_reencrypt_record_page(const KrJob *job, Relation relation, AttrNumber attnum, BlockNumber block,
									 const ErrorData *error);

/*
 * Drops what this pass has not found in the columns of a relation, which it has done between two blocks. What
 * earlier jobs have recorded there goes altogether: the first pass of this one has been to all of it.
 */
extern void kr_reencrypt_forget_others(const KrJob *job, Oid relation, BlockNumber from, BlockNumber end);

/* Drops what is about relations that are gone. */
extern void kr_reencrypt_forget_gone(void);

/* A look at what a job has recorded of one relation, by place. What an earlier job has recorded is to be tried again. */
typedef struct KrRecorded KrRecorded;
extern KrRecorded *kr_reencrypt_recorded_begin(const KrJob *job, Oid relation);
extern List *kr_reencrypt_recorded_pages(const KrRecorded *recorded); /* block numbers, ascending */
extern bool kr_reencrypt_is_recorded(KrRecorded *recorded, AttrNumber attnum, ItemPointer place);
extern void kr_reencrypt_recorded_end(KrRecorded *recorded);

#endif
