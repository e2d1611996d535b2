/*
 * src/search/guard_drops.c
 *
 * Dropping the extension with CASCADE would take every encrypted column along, and
 * the data with it. Objects are dropped one by one, dependent ones first: when the
 * turn of an encrypted type or of the extension comes, and the same statement has
 * dropped encrypted columns before, the statement is refused.
 *
 * Without CASCADE the server has refused already. In the middle of a drop the catalogs
 * hold half an extension, so encrypted types are recognised by their membership
 * alone.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "pg/guc.h"
#include "search/guard.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The first encrypted column that the running utility statement dropped. */
static bool column_dropped = false;
static NameData dropped_column;
static NameData dropped_relation;

void
kr_search_forget_drops(void)
{
	column_dropped = false;
}

static bool
is_encrypted_type(Oid type)
{
	return type >= FirstNormalObjectId && get_typtype(type) == TYPTYPE_BASE &&
		getExtensionOfObject(TypeRelationId, type) == get_extension_oid("keyring", true);
}

static void
note_column(Form_pg_attribute column, const char *relation)
{
	if (column_dropped || column->attisdropped || !is_encrypted_type(column->atttypid))
		return;
	column_dropped = true;
	namestrcpy(&dropped_column, NameStr(column->attname));
	namestrcpy(&dropped_relation, relation);
}

static void
note_columns(Oid relation, AttrNumber attno)
{
	char relkind = get_rel_relkind(relation);
	Relation rel;

	if (column_dropped ||
		(relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		 relkind != RELKIND_MATVIEW && relkind != RELKIND_FOREIGN_TABLE))
		return;
	rel = relation_open(relation, NoLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		if (attno == 0 || attno == i + 1)
			note_column(TupleDescAttr(RelationGetDescr(rel), i), RelationGetRelationName(rel));
	}
	relation_close(rel, NoLock);
}

static void
refuse_loss(void)
{
	if (!column_dropped || kr_guc_allow_drop_cascade)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("cannot drop extension \"keyring\" together with encrypted columns"),
			 errdetail("Column \"%s\" of relation \"%s\" would be lost.", NameStr(dropped_column),
					   NameStr(dropped_relation)),
			 errhint("Decrypt the columns with keyring_decrypt_column() or drop them first; a superuser may SET keyring.allow_drop_cascade = on.")));
}

void
kr_search_check_drop(Oid class_id, Oid object_id, int sub_id)
{
	if (class_id == RelationRelationId)
		note_columns(object_id, sub_id);
	else if ((class_id == TypeRelationId && is_encrypted_type(object_id)) ||
			 (class_id == ExtensionRelationId && object_id == get_extension_oid("keyring", true)))
		refuse_loss();
}
