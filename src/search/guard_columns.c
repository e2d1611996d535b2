/*
 * src/search/guard_columns.c
 *
 * Columns: an encrypted one has a mode, stands by itself, and keeps its type.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_partitioned_table.h"
#include "commands/tablecmds.h"
#include "search/contains.h"
#include "search/guard.h"
#include "search/statement.h"
#include "types/basetype.h"
#include "types/conversion.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static bool
stores_rows(char relkind)
{
	return relkind == RELKIND_RELATION || relkind == RELKIND_MATVIEW ||
		relkind == RELKIND_FOREIGN_TABLE || relkind == RELKIND_PARTITIONED_TABLE;
}

SysScanDesc
kr_search_begin_column_scan(Relation catalog, Oid relation)
{
	static ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	return systable_beginscan(catalog, AttributeRelidNumIndexId, true, SnapshotSelf, 1, &key);
}

bool
kr_search_read_column(Oid relation, AttrNumber attno, FormData_pg_attribute *column)
{
	Relation catalog = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = kr_search_begin_column_scan(catalog, relation);
	bool found = false;
	HeapTuple row;

	while (!found && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		memcpy(column, GETSTRUCT(row), ATTRIBUTE_FIXED_PART_SIZE);
		found = column->attnum == attno;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/*
 * The server's own table of new rows, dropped before the statement ends. Nobody else can
 * make a temporary table meanwhile: the statement is a security-restricted operation.
 */
static bool
is_list_of_refreshed_rows(Oid relation)
{
	return kr_search_refreshing && get_rel_persistence(relation) == RELPERSISTENCE_TEMP;
}

static void
refuse_containers(Form_pg_attribute column)
{
	if (kr_search_contains_encrypted(column->atttypid) && !is_list_of_refreshed_rows(column->attrelid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" cannot be of type %s, which contains encrypted values",
						NameStr(column->attname), format_type_be(column->atttypid)),
				 errhint("Give each encrypted value a column of its own.")));
}

static void
require_mode(const KrEncryptedType *type, Form_pg_attribute column)
{
	if (column->atttypmod < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("encrypted column \"%s\" has no mode", NameStr(column->attname)),
				 errhint("Declare it as encrypted_%s(randomized) or encrypted_%s(searchable), or cast the expression that it comes from.",
						 type->base->name, type->base->name)));
	if (KR_TYPMOD_MODE(column->atttypmod) == KR_TYPMOD_SEARCHABLE && OidIsValid(column->attcollation) &&
		!get_collation_isdeterministic(column->attcollation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("searchable column \"%s\" cannot have the nondeterministic collation \"%s\"",
						NameStr(column->attname), get_collation_name(column->attcollation)),
				 errhint("Equality is decided by a hash of the bytes: use a deterministic collation, or declare the column as encrypted_%s(randomized).",
						 type->base->name)));
}

/* The rows of this relation must not be the value of another relation's column. */
static void
refuse_use_as_row_type(Oid relation)
{
	Relation rel = relation_open(relation, NoLock);

	if (OidIsValid(rel->rd_rel->reltype))
		find_composite_type_dependencies(rel->rd_rel->reltype, rel, NULL);
	relation_close(rel, NoLock);
}

static void
check_column(Form_pg_attribute column)
{
	const KrEncryptedType *type = kr_types_lookup(column->atttypid);

	if (type != NULL)
		require_mode(type, column);
	else
		refuse_containers(column);
}

void
kr_search_check_relation(Oid relation, char relkind)
{
	Relation catalog;
	SysScanDesc scan;
	HeapTuple row;

	if (!stores_rows(relkind))
		return;
	catalog = table_open(AttributeRelationId, AccessShareLock);
	scan = kr_search_begin_column_scan(catalog, relation);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(row);

		if (column->attnum > 0 && !column->attisdropped)
			check_column(column);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* The type that a column had before the running command: what is not visible yet is not in the cache either. */
static void
refuse_decryption(Form_pg_attribute column)
{
	const KrEncryptedType *before = kr_types_lookup(get_atttype(column->attrelid, column->attnum));

	if (before == NULL || before->oid == column->atttypid || kr_types_converting)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot change the type of encrypted column \"%s\" of relation \"%s\" to %s",
					NameStr(column->attname), get_rel_name(column->attrelid), format_type_be(column->atttypid)),
			 errhint("To store it as plaintext, call keyring_decrypt_column('%s', '%s').",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(column->attrelid)),
												get_rel_name(column->attrelid)),
					 NameStr(column->attname))));
}

void
kr_search_check_column(Oid relation, AttrNumber attno, bool altered)
{
	FormData_pg_attribute column;
	char relkind = get_rel_relkind(relation);

	if (!kr_search_read_column(relation, attno, &column) || column.attisdropped)
		return;
	if (altered)
		refuse_decryption(&column);
	if (stores_rows(relkind))
		check_column(&column);
	/* also of a composite type, and of a view, which CREATE OR REPLACE gives more columns */
	if (kr_search_holds_encrypted(column.atttypid))
	{
		kr_search_check_indexed_rows(relation);
		refuse_use_as_row_type(relation);
	}
}

/* As stored: the cached ones are simplified. */
static void
check_partition_expressions(Relation rel)
{
	HeapTuple row = kr_search_read_row(PartitionedRelationId, PartitionedRelidIndexId,
									   Anum_pg_partitioned_table_partrelid, RelationGetRelid(rel));

	if (HeapTupleIsValid(row))
		kr_search_check_expression(row, Anum_pg_partitioned_table_partexprs, PartitionedRelationId,
								   psprintf("the partition key of relation \"%s\"", RelationGetRelationName(rel)));
}

void
kr_search_check_partition_key(RangeVar *relation)
{
	Relation rel = table_openrv(relation, NoLock);
	PartitionKey key = RelationGetPartitionKey(rel);

	for (int i = 0; key != NULL && i < key->partnatts; i++)
	{
		if (kr_search_holds_encrypted(key->parttypid[i]))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("relation \"%s\" cannot be partitioned by an encrypted value", RelationGetRelationName(rel)),
					 errhint("Partition by a column that is not encrypted, such as a key or a time.")));
	}
	if (key != NULL)
		check_partition_expressions(rel);
	table_close(rel, NoLock);
}
