/*
 * src/keys/census.h
 *
 * Where encrypted values are, and under which keys: the columns of encrypted
 * types in this database, and the number of values per key tag in one relation,
 * by reading envelope headers alone. No key is needed, nothing is decrypted,
 * nobody's privileges are checked: that is the caller's part.
 *
 * Locks: kr_keys_encrypted_columns takes none on what it lists, so a listed
 * relation may be gone, or changed, when the caller opens it (try_relation_open),
 * and a column made afterwards is not in the list. Who needs a list that stays
 * true locks every relation of it and lists again until nothing new appears.
 */
#ifndef KR_KEYS_CENSUS_H
#define KR_KEYS_CENSUS_H

#include "pg/compat.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* A column of an encrypted type that is not dropped, of a table, partition, materialized view or foreign table. */
typedef struct KrEncryptedColumn
{
	Oid relation;
	AttrNumber attnum;
	Oid type;        /* encrypted_text ... */
	int32 typmod;    /* KR_TYPMOD_* */
	char relkind;    /* RELKIND_* */
	bool stored;     /* has rows of its own here: neither a partitioned nor a foreign table */
	bool other_temp; /* temporary table of another session: its rows cannot be read from here */
} KrEncryptedColumn;

/* The number of values of one column that were sealed under one key. */
typedef struct KrKeyCount
{
	AttrNumber attnum;
	bool damaged; /* no readable header, so no tag; tag is 0 then */
	uint32 tag;
	int64 values;
} KrKeyCount;

/*
 * Columns of encrypted types, as KrEncryptedColumn *, ordered by relation and
 * attnum: of one relation, or with InvalidOid of the whole database, committed
 * changes of other sessions and own ones included. An encrypted type is a
 * base type named encrypted_* that is a member of the extension. NIL where keyring is not
 * installed. Views are left out: they store nothing. The list is palloc'd in the
 * current memory context.
 */
extern List *kr_keys_encrypted_columns(Oid relation);

/*
 * Counts the non-NULL values of some columns of a relation that the caller has
 * opened and locked (stored and not other_temp), under a registered or active
 * MVCC snapshot: one scan, which reads of every value only the header (of TOASTed
 * ones the first slice). Returns KrKeyCount *, ordered by attnum, damaged first,
 * then tag; columns without a value are absent. Cancellable. palloc'd in the
 * current memory context.
 *
 * A snapshot taken before the lock misses what was committed between the two; who
 * decides on the result (destroying a key) takes it after.
 */
extern List *kr_keys_census(Relation relation, int ncolumns, const AttrNumber *columns, Snapshot snapshot);

/*
 * The key tag of a stored value, of which no more than the header is read: of a TOASTed one the first slice. False,
 * and no tag, when there is no readable header.
 */
extern bool kr_keys_stored_tag(Datum value, uint32 *tag);

#endif
