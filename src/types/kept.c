/*
 * src/types/kept.c
 *
 * One list of all that is kept. The hooks of src/search empty it around each outermost
 * statement; the end of the transaction does where there is no statement, as in a logical
 * replication worker, or where the statement goes on, as CALL does.
 */
#include "postgres.h"

#include "access/xact.h"
#include "types/kept.h"

static dlist_head all = DLIST_STATIC_INIT(all);

static void
context_is_reset(void *arg)
{
	KrKept *kept = arg;

	kept->wipe(kept->owner);
	dlist_delete(&kept->node);
}

void
kr_types_keep(KrKept *kept, MemoryContext context, void (*wipe)(void *owner), void *owner)
{
	kept->wipe = wipe;
	kept->owner = owner;
	kept->callback.func = context_is_reset;
	kept->callback.arg = kept;
	dlist_push_head(&all, &kept->node);
	MemoryContextRegisterResetCallback(context, &kept->callback);
}

void
kr_types_wipe_kept(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &all)
	{
		KrKept *kept = dlist_container(KrKept, node, iter.cur);

		kept->wipe(kept->owner);
	}
}

static void
transaction_ends(XactEvent event, void *arg)
{
	kr_types_wipe_kept();
}

void
kr_types_kept_init(void)
{
	RegisterXactCallback(transaction_ends, NULL);
}
