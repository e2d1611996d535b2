/*
 * src/types/columns.c
 *
 * What one column's change starts from, and what it leads to.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lockdefs.h"
#include "types/columns.h"
#include "types/length_check.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

const char *
kr_types_verb(bool encrypt)
{
	return encrypt ? "encrypt" : "decrypt";
}

/* Throws unless this is a table of the current user's. */
static void
check_table(KrColumnChange *change)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(change->relation));
	Form_pg_class class;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 change->table != NULL ? errmsg("relation \"%s\" does not exist any more", change->table) :
										 errmsg("relation with OID %u does not exist", change->relation),
				 errhint("Name the table as in keyring_%s_column('schema.table', 'column').",
						 kr_types_verb(change->encrypt))));
	class = (Form_pg_class) GETSTRUCT(tuple);
	change->table = pstrdup(NameStr(class->relname));

	if (class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot %s a column of \"%s\": it is not a table",
						kr_types_verb(change->encrypt), NameStr(class->relname)),
				 errhint("Name the table that stores the values.")));
	if (IsSystemClass(change->relation, class) ||
		getExtensionOfObject(RelationRelationId, change->relation) == get_extension_oid("keyring", false))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot %s a column of \"%s\": it is a catalog", kr_types_verb(change->encrypt), NameStr(class->relname)),
				 errhint("Name a table of your own.")));
	if (!kr_pg_owns_relation(change->relation))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(class->relkind), NameStr(class->relname));
	ReleaseSysCache(tuple);
}

/* "text, character varying, character, bytea": what can be encrypted. */
static char *
supported_types(void)
{
	StringInfoData names;
	const KrBaseType *base;

	initStringInfo(&names);
	for (int i = 0; (base = kr_types_base_at(i)) != NULL; i++)
	{
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", format_type_be(base->oid));
		if (base->oid == TEXTOID)
			appendStringInfoString(&names, ", character varying, character");
	}
	return names.data;
}

const KrEncryptedType *
kr_types_counterpart(Oid type)
{
	return kr_types_of_base(type == VARCHAROID || type == BPCHAROID ? TEXTOID : type);
}

/* The limit on the length of a column's values, -1 without. */
static int32
length_limit(Form_pg_attribute attribute)
{
	bool limited = attribute->atttypid == VARCHAROID || attribute->atttypid == BPCHAROID;

	return limited && attribute->atttypmod >= (int32) VARHDRSZ ? attribute->atttypmod - (int32) VARHDRSZ : -1;
}

static void
refuse_no_equality(const KrColumnChange *change, Form_pg_attribute attribute)
{
	if (change->searchable && change->type->base->no_equality)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot make column \"%s\" of \"%s\" searchable: type %s has no equality",
						change->column, change->table, format_type_be(attribute->atttypid)),
				 errhint("Leave searchable out, or change the column's type to jsonb first.")));
}

/* An encrypted column gets the other mode; what it keeps of numeric(10,2) stays. */
static void
plan_other_mode(KrColumnChange *change, Form_pg_attribute attribute)
{
	change->type = kr_types_lookup(attribute->atttypid);
	change->max_length = -1;
	change->new_type = attribute->atttypid;
	change->new_typmod = attribute->atttypmod ^ KR_TYPMOD_SEARCHABLE;
	if ((KR_TYPMOD_MODE(attribute->atttypmod) == KR_TYPMOD_SEARCHABLE) == change->searchable)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" is encrypted already", change->column, change->table),
				 errhint("To make it %s, pass searchable => %s.", change->searchable ? "randomized" : "searchable",
						 change->searchable ? "false" : "true")));
	refuse_no_equality(change, attribute);
}

/* What the encrypted column keeps of numeric(10,2) or timestamp(3), as KR_TYPMOD_MAKE takes it. */
static int32
kept_modifier(const KrColumnChange *change, Form_pg_attribute attribute)
{
	const KrBaseType *base = change->type->base;

	if (attribute->atttypmod < 0 || attribute->atttypid != base->oid)
		return 0;
	if (base->fit == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot encrypt column \"%s\" of \"%s\": an encrypted column cannot keep what type %s says beyond %s",
						change->column, change->table,
						format_type_with_typemod(attribute->atttypid, attribute->atttypmod), format_type_be(base->oid)),
				 errhint("First ALTER TABLE ... ALTER COLUMN %s TYPE %s; a CHECK can keep the rest.",
						 quote_identifier(change->column), format_type_be(base->oid))));
	return attribute->atttypmod - base->modifier_min + 1;
}

static void
plan_encryption(KrColumnChange *change, Form_pg_attribute attribute)
{
	if (kr_types_lookup(attribute->atttypid) != NULL)
	{
		plan_other_mode(change, attribute);
		return;
	}
	change->type = kr_types_counterpart(attribute->atttypid);
	change->max_length = length_limit(attribute);
	if (change->type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot encrypt column \"%s\" of \"%s\": type %s has no encrypted counterpart",
						change->column, change->table, format_type_be(attribute->atttypid)),
				 errhint("Types that can be encrypted: %s.", supported_types())));
	change->new_type = change->type->oid;
	refuse_no_equality(change, attribute);
	change->new_typmod = KR_TYPMOD_MAKE(change->searchable ? KR_TYPMOD_SEARCHABLE : KR_TYPMOD_RANDOMIZED,
										kept_modifier(change, attribute));
}

static void
plan_decryption(KrColumnChange *change, Form_pg_attribute attribute)
{
	Relation relation;

	change->type = kr_types_lookup(attribute->atttypid);
	if (change->type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of \"%s\" is not encrypted", change->column, change->table),
				 errhint("The view keyring_columns lists the encrypted columns.")));
	change->searchable = KR_TYPMOD_MODE(attribute->atttypmod) == KR_TYPMOD_SEARCHABLE;

	relation = relation_open(change->relation, AccessShareLock);
	change->checks = NIL;
	change->max_length = kr_types_length_limit(relation, attribute->attnum, change->type, &change->checks);
	relation_close(relation, AccessShareLock);

	change->new_type = change->max_length > 0 ? VARCHAROID : change->type->base->oid;
	change->new_typmod = change->max_length > 0 ? change->max_length + (int32) VARHDRSZ :
												  kr_types_base_typmod(change->type->base, attribute->atttypmod);
}

void
kr_types_plan_change(KrColumnChange *change)
{
	HeapTuple tuple;
	Form_pg_attribute attribute;

	check_table(change);
	tuple = SearchSysCacheAttName(change->relation, change->column);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", change->column, change->table),
				 errhint("Write the name as the catalogs do: without quotes, in lower case unless it was quoted.")));
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	if (attribute->attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot %s system column \"%s\"", kr_types_verb(change->encrypt), change->column),
				 errhint("Name a column of your own.")));

	change->old_type = attribute->atttypid;
	change->collation = attribute->attcollation;
	if (change->encrypt)
		plan_encryption(change, attribute);
	else
		plan_decryption(change, attribute);
	ReleaseSysCache(tuple);
}
