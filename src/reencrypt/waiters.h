/*
 * src/reencrypt/waiters.h
 *
 * Those who wait for a batch to commit.
 */
#ifndef KR_REENCRYPT_WAITERS_H
#define KR_REENCRYPT_WAITERS_H

/*
 * Whether somebody waits for this transaction, or for a lock on the relation that its RowExclusiveLock
 * keeps from him. Cheap enough for once a page.
 */
extern bool kr_reencrypt_is_waited_for(Oid relation);

/* This transaction shall not wait for the disk or for standbys while it holds what others want. */
extern void kr_reencrypt_commit_at_once(void);

/*
 * Within a batch: flushes the WAL that it has made when there is more of it than so many bytes. Nothing where commits do not
 * wait for the disk.
 */
extern void kr_reencrypt_flush_wal(uint64 tolerated);

/*
 * Who commits while a batch goes on flushes the batch's WAL before its own. On disks that take some tenths of a ms to sync a
 * quarter of a MB, a MB takes some ms (doc/performance.md).
 */
#define KR_UNFLUSHED_WAL (256 * 1024)

/*
 * After such a commit, outside of a transaction: waits for what synchronous_commit wants, so that a
 * job makes no more WAL than can be written and sent.
 */
extern void kr_reencrypt_wait_for_wal(void);

#endif
