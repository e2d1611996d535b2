/*
 * src/keys/destroy.c
 *
 * Destroying a key, which nobody can undo. What makes it safe is the order:
 *
 * 1. a first count, so that an obvious refusal comes at once and disturbs nobody;
 * 2. every transaction that runs now must end, since it may hold an old envelope in
 *    memory or see row versions under the key. No lock is held meanwhile: whoever is
 *    waited for must be able to finish;
 * 3. the key is locked against ciphertext input, every encrypted column's relation
 *    against writers, until commit;
 * 4. the count that decides, under a snapshot taken after the locks, and of the values that were there since the waiting
 *    of step 2 began: a transaction that began meanwhile, and has read what an earlier one stored, was not waited for.
 *
 * Order of locks: keyring_key, the key, relations by Oid.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "keys/census.h"
#include "keys/destroy.h"
#include "keys/holders.h"
#include "keys/kek_health.h"
#include "keys/lifecycle.h"
#include "keys/ring.h"
#include "keys/versions.h"
#include "miscadmin.h"
#include "pg/report.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct KrPending
{
	uint8 digest[KR_DIGESTBYTES];
	struct KrPending *next;
} KrPending;

/* keys whose destruction waits for this transaction's commit; in TopTransactionContext */
static KrPending *pending = NULL;

static void
refuse_in_use(const KrKeyRow *row, Oid relid, int64 values)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot destroy %s: values still need it", kr_pg_key_words(row->id, row->label)),
			 errdetail("Table \"%s\" holds %lld of them.", get_rel_name(relid), (long long) values),
			 errhint("Move them to the primary key with keyring_reencrypt() first; SELECT * FROM keyring_census() counts them.")));
}

static void
refuse_temporary(const KrKeyRow *row, Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot destroy %s: a temporary table of another session has an encrypted column",
					kr_pg_key_words(row->id, row->label)),
			 errdetail("It is \"%s.%s\", whose rows only its session can read.",
					   get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)),
			 errhint("Wait until that session ends, or drop the table there.")));
}

static void
refuse_held(const KrKeyRow *row)
{
	int pid = kr_keys_cursor_holder();

	if (pid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot destroy %s: a cursor WITH HOLD keeps encrypted values", kr_pg_key_words(row->id, row->label)),
				 errdetail("It is one of process %d, whose rows only its session can read.", pid),
				 errhint("Close it, or end its session.")));
	pid = kr_keys_procedure_holder();
	if (pid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot destroy %s: a procedure that has ended a transaction may keep encrypted values",
						kr_pg_key_words(row->id, row->label)),
				 errdetail("It is run by process %d, whose variables and loops only its session can read.", pid),
				 errhint("Wait until its CALL or DO has ended, or end its session.")));
}

static void
refuse_read_meanwhile(const KrKeyRow *row, Relation relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("cannot destroy %s: values were under it until a moment ago", kr_pg_key_words(row->id, row->label)),
			 errdetail("Table \"%s\" held some after keyring_destroy_key() had begun. A transaction that runs may have read one, "
					   "and store it again.",
					   RelationGetRelationName(relation)),
			 errhint("Call keyring_destroy_key() again, in a transaction of its own.")));
}

static int
columns_of(Oid relid, List *columns, AttrNumber attnums[MaxHeapAttributeNumber])
{
	int n = 0;
	ListCell *lc;

	foreach(lc, columns)
	{
		KrEncryptedColumn *column = lfirst(lc);

		if (column->relation == relid)
			attnums[n++] = column->attnum;
	}
	return n;
}

static int64
count_in(Relation relation, int n, const AttrNumber *attnums, uint32 tag, Snapshot snapshot)
{
	int64 values = 0;
	ListCell *lc;

	foreach(lc, kr_keys_census(relation, n, attnums, snapshot))
	{
		KrKeyCount *count = lfirst(lc);

		if (!count->damaged && count->tag == tag)
			values += count->values;
	}
	return values;
}

/* since: NULL before the waiting. */
static void
refuse_if_found(const KrKeyRow *row, Relation relation, List *columns, Snapshot snapshot, Snapshot since)
{
	AttrNumber attnums[MaxHeapAttributeNumber];
	int n = columns_of(RelationGetRelid(relation), columns, attnums);
	bool had = since != NULL && kr_keys_keeps_versions(relation) && kr_keys_had_since(relation, n, attnums, row->tag, since);
	int64 values;

	/* what is there now is found by the other look too */
	if (since != NULL && kr_keys_keeps_versions(relation) && !had)
		return;
	values = count_in(relation, n, attnums, row->tag, snapshot);
	if (values > 0)
		refuse_in_use(row, RelationGetRelid(relation), values);
	if (had)
		refuse_read_meanwhile(row, relation);
}

static void
look_into(const KrKeyRow *row, Oid relid, List *columns, Snapshot snapshot, Snapshot since)
{
	LOCKMODE lock = since == NULL ? AccessShareLock : ShareLock;
	Relation relation = try_relation_open(relid, lock);

	/* it may be gone */
	if (relation == NULL)
		return;
	refuse_if_found(row, relation, columns, snapshot, since);
	/* of the first count nothing is held: a transaction that is waited for may want to alter the table */
	relation_close(relation, since == NULL ? lock : NoLock);
}

static void
refuse_if_used(const KrKeyRow *row, List *columns, Snapshot since)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Oid last = InvalidOid;
	ListCell *lc;

	refuse_held(row);
	foreach(lc, columns)
	{
		KrEncryptedColumn *column = lfirst(lc);

		if (column->other_temp)
			refuse_temporary(row, column->relation);
		if (!column->stored || column->relation == last)
			continue;
		last = column->relation;
		look_into(row, column->relation, columns, snapshot, since);
	}
	UnregisterSnapshot(snapshot);
}

static void
wait_for(VirtualTransactionId vxid)
{
	PGPROC *proc;

	if (VirtualXactLock(vxid, false))
		return;
	proc = kr_pg_proc_of(vxid);
	ereport(NOTICE,
			(errmsg("waiting for the transaction of process %d to end", proc != NULL ? proc->pid : 0),
			 errdetail("It began earlier and may still hold values under the key.")));
	VirtualXactLock(vxid, true);
}

static void
wait_for_transactions(void)
{
	int n;
	VirtualTransactionId *running = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
														  PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);

	for (int i = 0; i < n; i++)
		wait_for(running[i]);
}

static void
lock_relation(Oid relid)
{
	if (ConditionalLockRelationOid(relid, ShareLock))
		return;
	ereport(NOTICE,
			(errmsg("waiting for transactions that write to table \"%s\" to end", get_rel_name(relid)),
			 errhint("Prepared transactions count too: see pg_locks and pg_prepared_xacts.")));
	LockRelationOid(relid, ShareLock);
}

/* Locks every relation that has an encrypted column, also those made while we waited for others. */
static List *
lock_columns(void)
{
	List *locked = NIL;

	for (;;)
	{
		List *columns = kr_keys_encrypted_columns(InvalidOid);
		bool grown = false;
		ListCell *lc;

		foreach(lc, columns)
		{
			KrEncryptedColumn *column = lfirst(lc);

			if (!column->stored || column->other_temp || list_member_oid(locked, column->relation))
				continue;
			lock_relation(column->relation);
			locked = lappend_oid(locked, column->relation);
			grown = true;
		}
		if (!grown)
			return columns;
	}
}

static void
check_destroyable(const KrKeyRow *row)
{
	if (kr_keys_may_move(row->state, KR_KEY_DESTROYED))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot destroy %s: it is %s", kr_pg_key_words(row->id, row->label),
					kr_keys_state_name(row->state)),
			 row->state == KR_KEY_PRIMARY ?
				 errhint("Create and activate another key first.") :
				 errhint("There is nothing left to destroy.")));
}

static void
check_force(bool force)
{
	if (force && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to destroy a key by force"),
				 errhint("Only a superuser may give up values that still need the key.")));
	if (!force && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot destroy a key in a REPEATABLE READ or SERIALIZABLE transaction"),
				 errdetail("Its snapshot does not show what others wrote since."),
				 errhint("Use READ COMMITTED.")));
}

/* For others the wrap goes when this transaction commits, and only then may the cache forget the key. */
void
kr_keys_evict_at_commit(const KrWrapped *wrapped)
{
	KrPending *entry = MemoryContextAlloc(TopTransactionContext, sizeof(KrPending));

	kr_keys_digest(entry->digest, wrapped);
	entry->next = pending;
	pending = entry;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT)
	{
		for (; pending != NULL; pending = pending->next)
		{
			kr_keys_cache_evict(pending->digest);
			kr_keys_kek_forget(pending->digest);
		}
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending = NULL;
}

/* The two counts stand on either side of the waiting; since is of its beginning. */
static Snapshot
wait_until_unused(const KrKeyRow *row)
{
	Snapshot since;

	refuse_if_used(row, kr_keys_encrypted_columns(InvalidOid), NULL);
	since = RegisterSnapshot(GetLatestSnapshot());
	wait_for_transactions();
	return since;
}

void
kr_keys_destroy(int32 id, bool force)
{
	KrKeyRow *row = kr_keys_require(id);
	Snapshot since = NULL;

	check_destroyable(row);
	check_force(force);
	if (!force)
		since = wait_until_unused(row);

	kr_keys_store_lock();
	kr_keys_store_lock_key(id, AccessExclusiveLock);
	row = kr_keys_require(id);
	check_destroyable(row);
	if (!force)
	{
		refuse_if_used(row, lock_columns(), since);
		UnregisterSnapshot(since);
	}

	kr_keys_store_set_state(id, KR_KEY_DESTROYED);
	kr_keys_store_event(id, "destroy", force ? "by force, without a count" : NULL);
	kr_keys_evict_at_commit(&row->wrapped);
	CacheInvalidateRelcacheAll();
}

void
kr_keys_destroy_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}
