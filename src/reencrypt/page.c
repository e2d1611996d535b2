/*
 * src/reencrypt/page.c
 *
 * Nobody knows how many values such a page holds. An entry of it has no row's place, which begins with 1, but (block,0).
 * The count passes these pages over; keyring_destroy_key() does not, and fails as any query that comes upon them.
 */
#include "postgres.h"

#include "reencrypt/attempt.h"
#include "reencrypt/page.h"
#include "reencrypt/unmoved.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* In a disk that does not answer there is hope: then the job waits. */
static void
record(KrTarget *target, BlockNumber block, ErrorData *error)
{
	if (error->sqlerrcode != ERRCODE_DATA_CORRUPTED)
		ReThrowError(error);
	for (int i = 0; i < target->ncolumns; i++)
		kr_reencrypt_record_page(target->job, target->relation, target->attnums[i], block, error);
}

typedef struct KrPage
{
	Relation relation;
	BlockNumber block;
} KrPage;

static void
read_page(void *arg)
{
	const KrPage *page = arg;

	ReleaseBuffer(ReadBuffer(page->relation, page->block));
}

bool
kr_reencrypt_try_page(KrTarget *target, BlockNumber block)
{
	KrPage page = { target->relation, block };
	ErrorData *error = kr_reencrypt_attempt(read_page, &page, target->job->skip_unavailable);

	if (error == NULL)
		return true;
	record(target, block, error);
	FreeErrorData(error);
	return false;
}
