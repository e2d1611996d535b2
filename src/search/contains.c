/*
 * src/search/contains.c
 *
 * Types whose values hold encrypted ones: arrays, domains, ranges and rows, one inside
 * the other. The catalogs are read as they are now, not from the caches: the guards ask
 * about rows that the running command has just given another column.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_range.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "search/contains.h"
#include "search/guard.h"
#include "storage/lmgr.h"
#include "types/basetype.h"
#include "utils/lsyscache.h"

/*
 * Locks the type, or table, until the transaction ends: whoever adds an encrypted column to it must wait, and then find
 * what this transaction has made of it.
 */
static bool
row_contains_encrypted(Oid relation)
{
	Relation catalog;
	SysScanDesc scan;
	bool result = false;
	HeapTuple row;

	LockRelationOid(relation, AccessShareLock);
	catalog = table_open(AttributeRelationId, AccessShareLock);
	scan = kr_search_begin_column_scan(catalog, relation);
	while (!result && HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(row);

		result = column->attnum > 0 && !column->attisdropped && kr_search_holds_encrypted(column->atttypid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

/* The type of the values that a value of this type is made of; InvalidOid if it is of one piece. */
static Oid
type_of_parts(Oid type)
{
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return getBaseType(type);
		case TYPTYPE_RANGE:
			return get_range_subtype(type);
		case TYPTYPE_MULTIRANGE:
			return get_range_subtype(get_multirange_range(type));
		default:
			return get_element_type(type);
	}
}

bool
kr_search_contains_encrypted(Oid type)
{
	Oid relation;
	Oid part;

	/* the server's own types contain none */
	if (type < FirstNormalObjectId)
		return false;
	check_stack_depth();
	relation = get_typ_typrelid(type);
	if (OidIsValid(relation))
		return row_contains_encrypted(relation);
	part = type_of_parts(type);
	return OidIsValid(part) && kr_search_holds_encrypted(part);
}

bool
kr_search_holds_encrypted(Oid type)
{
	return kr_types_lookup(type) != NULL || kr_search_contains_encrypted(type);
}
