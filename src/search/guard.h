/*
 * src/search/guard.h
 *
 * What is refused: columns without a mode, encrypted values inside other types,
 * stored constants, indexes and keys that would need plaintext, and losing encrypted
 * columns by accident. guard.c calls these when an object was made or changed; all
 * of them read the catalogs with SnapshotSelf, since the change is not visible yet.
 */
#ifndef KR_SEARCH_GUARD_H
#define KR_SEARCH_GUARD_H

#include "access/genam.h"
#include "access/htup.h"
#include "catalog/pg_attribute.h"
#include "nodes/parsenodes.h"
#include "utils/relcache.h"

/* The row of a catalog with this Oid, as it is now; a copy, or NULL. index is the catalog's unique index on its Oid. */
extern HeapTuple kr_search_read_row(Oid catalog, Oid index, AttrNumber oid_column, Oid oid);

/* guard_columns.c: a new or changed column (0 = all of a new relation). */
extern void kr_search_check_relation(Oid relation, char relkind);
extern void kr_search_check_column(Oid relation, AttrNumber attno, bool altered);
extern void kr_search_check_partition_key(RangeVar *relation);

/* All rows of pg_attribute that are a relation's, as they are now. */
extern SysScanDesc kr_search_begin_column_scan(Relation catalog, Oid relation);

/* The type and typmod of a column as it is now; false where it does not exist. */
extern bool kr_search_read_column(Oid relation, AttrNumber attno, FormData_pg_attribute *column);

/* guard_indexes.c */
extern void kr_search_check_index(Oid index);

/* 0A000 when an index has the rows of a relation, which hold encrypted values by now; a server may ask itself, or not. */
extern void kr_search_check_indexed_rows(Oid relation);
extern void kr_search_check_statistics(Oid statistics);

/* guard_stored.c: expressions that the catalogs keep. */
extern void kr_search_check_default(Oid relation, AttrNumber attno);
extern void kr_search_check_constraint(Oid constraint);
extern void kr_search_check_trigger(Oid trigger);
extern void kr_search_check_policy(Oid policy);
extern void kr_search_check_rule(Oid rule);
extern void kr_search_check_function(Oid function);
extern void kr_search_check_domain(Oid type);

/* Refuses a stored expression (an attribute of a catalog row) that holds an encrypted constant. what: "the default of ...". */
extern void kr_search_check_expression(HeapTuple row, AttrNumber attribute, Oid catalog, const char *what);

/* guard_settings.c: 42501 for a setting of a role or database that is a superuser's; called before the statement runs. */
extern void kr_search_check_setting(Node *statement);

/* guard_servers.c: 0A000 for a foreign server that takes keyring's operators for its own; called before the statement runs. */
extern void kr_search_check_server(Node *statement);

/* guard_drops.c: called before each object is dropped, and at the start of each utility statement. */
extern void kr_search_check_drop(Oid class_id, Oid object_id, int sub_id);
extern void kr_search_forget_drops(void);

#endif
