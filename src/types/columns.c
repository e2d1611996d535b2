/*
 * src/types/columns.c
 *
 * Encrypting an existing column, and the way back.
 *
 * Order of locks: none until there is a key to seal or open with; then AccessShareLock while
 * obstacles are looked for, so that a busy table is not stopped for a conversion
 * that cannot be; given back, and AccessExclusiveLock on the table and all that
 * inherit from it, parents first as ALTER TABLE takes them; then obstacles are
 * looked for again, as there may be new ones.
 *
 * What the table's owner has attached to it (CHECKs, indexes) calls functions of the owner's
 * choice, when it is planned and for each row. So whoever calls, obstacles are looked for and
 * ALTER TABLE runs with the owner's rights, as REINDEX and CLUSTER do; and with a search_path
 * that holds nothing a user can put objects into: the expressions are parsed again for
 * the new type, and an operator found elsewhere could take a plaintext with it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "storage/lmgr.h"
#include "types/columns.h"
#include "types/conversion.h"
#include "types/length_check.h"
#include "types/obstacles.h"
#include "types/table_owner.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

bool kr_types_converting = false;

/* The direction in words. */
static const char *
verb(const KrColumnChange *change)
{
	return change->encrypt ? "encrypt" : "decrypt";
}

/* Throws unless this is a table of the current user's; needs no lock, so that nobody can stop a table of others with it. */
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
				 errhint("Name the table as in keyring_%s_column('schema.table', 'column').", verb(change))));
	class = (Form_pg_class) GETSTRUCT(tuple);
	change->table = pstrdup(NameStr(class->relname));

	if (class->relkind != RELKIND_RELATION && class->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot %s a column of \"%s\": it is not a table", verb(change), NameStr(class->relname)),
				 errhint("Name the table that stores the values.")));
	if (IsSystemClass(change->relation, class) ||
		getExtensionOfObject(RelationRelationId, change->relation) == get_extension_oid("keyring", false))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot %s a column of \"%s\": it is a catalog", verb(change), NameStr(class->relname)),
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

/* The plain type whose encrypted type takes the values of a column, and the limit on their length. */
static Oid
base_of(Form_pg_attribute attribute, int32 *max_length)
{
	*max_length = -1;
	if (attribute->atttypid != VARCHAROID && attribute->atttypid != BPCHAROID)
		return attribute->atttypid;
	if (attribute->atttypmod >= (int32) VARHDRSZ)
		*max_length = attribute->atttypmod - VARHDRSZ;
	return TEXTOID;
}

static void
refuse_encrypted(const KrColumnChange *change, Form_pg_attribute attribute)
{
	int32 other = attribute->atttypmod == KR_TYPMOD_SEARCHABLE ? KR_TYPMOD_RANDOMIZED : KR_TYPMOD_SEARCHABLE;

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of \"%s\" is encrypted already", change->column, change->table),
			 errhint("To change it between searchable and randomized: ALTER TABLE ... ALTER COLUMN %s TYPE %s.",
					 quote_identifier(change->column), format_type_with_typemod(attribute->atttypid, other))));
}

static void
plan_encryption(KrColumnChange *change, Form_pg_attribute attribute)
{
	if (kr_types_lookup(attribute->atttypid) != NULL)
		refuse_encrypted(change, attribute);

	change->type = kr_types_of_base(base_of(attribute, &change->max_length));
	if (change->type == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("cannot encrypt column \"%s\" of \"%s\": type %s has no encrypted counterpart",
						change->column, change->table, format_type_be(attribute->atttypid)),
				 errhint("Types that can be encrypted: %s.", supported_types())));
	change->new_type = change->type->oid;
	change->new_typmod = change->searchable ? KR_TYPMOD_SEARCHABLE : KR_TYPMOD_RANDOMIZED;
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
	change->searchable = attribute->atttypmod == KR_TYPMOD_SEARCHABLE;

	relation = relation_open(change->relation, AccessShareLock);
	change->checks = NIL;
	change->max_length = kr_types_length_limit(relation, attribute->attnum, change->type, &change->checks);
	relation_close(relation, AccessShareLock);

	change->new_type = change->max_length > 0 ? VARCHAROID : change->type->base->oid;
	change->new_typmod = change->max_length > 0 ? change->max_length + (int32) VARHDRSZ : -1;
}

/* Fills in what the change starts from and leads to, from the catalogs as they are now. */
static void
plan_change(KrColumnChange *change)
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
				 errmsg("cannot %s system column \"%s\"", verb(change), change->column),
				 errhint("Name a column of your own.")));

	change->old_type = attribute->atttypid;
	change->collation = attribute->attcollation;
	if (change->encrypt)
		plan_encryption(change, attribute);
	else
		plan_decryption(change, attribute);
	ReleaseSysCache(tuple);
}

static void
refuse_obstacles(const KrColumnChange *change, List *relations, List *numparents)
{
	List *lines = kr_types_obstacles(change, relations, numparents);
	StringInfoData detail;
	ListCell *cell;

	if (lines == NIL)
		return;

	initStringInfo(&detail);
	foreach(cell, lines)
		appendStringInfo(&detail, "%s%s", detail.len > 0 ? "\n" : "", (char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("cannot %s column \"%s\" of \"%s\": %d object stands in the way",
						   "cannot %s column \"%s\" of \"%s\": %d objects stand in the way",
						   list_length(lines), verb(change), change->column,
						   change->table, list_length(lines)),
			 errdetail_internal("%s", detail.data),
			 errhint("Do what each line says, in the same transaction if you like, and call keyring_%s_column again.", verb(change))));
}

/* Locks the table and its heirs in this mode, looks for obstacles in them, and returns them; the locks stay. */
static List *
inspect_tables(KrColumnChange *change, LOCKMODE lockmode)
{
	List *numparents;
	List *relations;
	KrIdentity caller;

	LockRelationOid(change->relation, lockmode);
	plan_change(change);
	relations = find_all_inheritors(change->relation, lockmode, &numparents);
	caller = kr_types_enter_owner(change->relation);
	refuse_obstacles(change, relations, numparents);
	kr_types_leave_owner(caller);
	return relations;
}

/* Throws what sealing would throw (no primary, no way to its key) while there is nothing to undo; for decryption, KR008. */
static void
require_key(const KrColumnChange *change)
{
	if (!change->encrypt)
	{
		KrIdentity caller;

		/* the owner too: it gets the plaintext, and its functions see it on the way */
		kr_keys_require_reader();
		caller = kr_types_enter_owner(change->relation);
		kr_keys_require_reader();
		kr_types_leave_owner(caller);
	}
	else
		pfree(kr_keys_seal(change->type->base->oid, "", 0, NULL));
}

static void
announce(const KrColumnChange *change, List *relations)
{
	int64 size = 0;
	ListCell *cell;
	Datum words;

	foreach(cell, relations)
		size += DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(lfirst_oid(cell))));
	words = DirectFunctionCall1(pg_size_pretty, Int64GetDatum(size));

	ereport(NOTICE,
			(errmsg("keyring_%s_column rewrites table \"%s\" under an exclusive lock: %s with its indexes",
					verb(change), change->table, TextDatumGetCString(words)),
			 change->encrypt ?
				 errdetail("WAL, backups and replicas made before now, and freed space on disk, still hold the values in plaintext.") :
				 0));
}

static const char *
storage_word(char storage)
{
	switch (storage)
	{
		case TYPSTORAGE_PLAIN:
			return "PLAIN";
		case TYPSTORAGE_EXTERNAL:
			return "EXTERNAL";
		case TYPSTORAGE_MAIN:
			return "MAIN";
		default:
			return "EXTENDED";
	}
}

/* The column's default, deparsed, or NULL. */
static char *
default_text(Relation relation, AttrNumber attnum)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_defval; i++)
	{
		if (constraints->defval[i].adnum == attnum)
			return deparse_expression(stringToNode(constraints->defval[i].adbin),
									  deparse_context_for(RelationGetRelationName(relation), RelationGetRelid(relation)),
									  false, false);
	}
	return NULL;
}

static char *
full_type_name(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* ALTER COLUMN ... TYPE, with the one expression that seals or opens each value. */
static void
append_type_change(StringInfo sql, const KrColumnChange *change, const char *column)
{
	char *base = full_type_name(change->type->base->oid, -1);
	char *type = full_type_name(change->new_type, change->new_typmod);

	appendStringInfo(sql, " ALTER COLUMN %s TYPE %s", column, type);
	if (OidIsValid(change->collation) && change->collation != get_typcollation(change->new_type))
		appendStringInfo(sql, " COLLATE %s", generate_collation_name(change->collation));

	/*
	 * The explicit cast to the encrypted type knows the typmod, so each value is
	 * sealed once. The one to varchar(n) is left to ALTER TABLE, which makes an
	 * assignment of it: that refuses a value which is too long, where an explicit cast would cut it.
	 */
	appendStringInfo(sql, " USING %s::%s", column, base);
	if (change->encrypt)
		appendStringInfo(sql, "::%s", type);
}

/* A strategy that was chosen for the column carries over; the type's own default does not. */
static void
append_storage(StringInfo sql, const KrColumnChange *change, const char *column, char storage)
{
	if (storage != get_typstorage(change->old_type) && storage != get_typstorage(change->new_type))
		appendStringInfo(sql, ", ALTER COLUMN %s SET STORAGE %s", column, storage_word(storage));
}

/* varchar(n) to a CHECK, named table_column_length. */
static void
append_length_check(StringInfo sql, const KrColumnChange *change, const char *column)
{
	Oid namespace = get_rel_namespace(change->relation);
	char *name = ChooseConstraintName(change->table, change->column, "length", namespace, NIL);

	appendStringInfo(sql, ", ADD CONSTRAINT %s CHECK (%s(%s, %d))", quote_identifier(name),
					 quote_qualified_identifier(get_namespace_name(kr_pg_schema()), "keyring_fits"),
					 column, change->max_length);
}

static char *
make_statement(const KrColumnChange *change)
{
	Relation relation = relation_open(change->relation, NoLock);
	AttrNumber attnum = get_attnum(change->relation, change->column);
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);
	const char *column = quote_identifier(change->column);
	char *expression = default_text(relation, attnum);
	StringInfoData sql;
	ListCell *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s",
					 quote_qualified_identifier(get_namespace_name_or_temp(RelationGetNamespace(relation)),
												RelationGetRelationName(relation)));
	foreach(cell, change->checks)
		appendStringInfo(&sql, " DROP CONSTRAINT %s,", quote_identifier(lfirst(cell)));

	/* the default becomes one of the base type, which is sealed anew for each row, whatever its own type was */
	if (expression != NULL)
		appendStringInfo(&sql, " ALTER COLUMN %s DROP DEFAULT,", column);
	append_type_change(&sql, change, column);
	if (expression != NULL)
		appendStringInfo(&sql, ", ALTER COLUMN %s SET DEFAULT (%s)::%s", column, expression,
						 full_type_name(change->type->base->oid, -1));
	append_storage(&sql, change, column, attribute->attstorage);
	if (change->encrypt && change->max_length >= 0)
		append_length_check(&sql, change, column);

	relation_close(relation, NoLock);
	return sql.data;
}

static void
run_statement(const char *sql)
{
	bool outer = kr_types_converting;

	SPI_connect();
	kr_types_converting = true;
	PG_TRY();
	{
		int result = SPI_execute(sql, false, 0);

		if (result != SPI_OK_UTILITY)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg_internal("ALTER TABLE returned %s", SPI_result_code_string(result))));
	}
	PG_FINALLY();
	{
		kr_types_converting = outer;
	}
	PG_END_TRY();
	SPI_finish();
}

static void
set_for_this_call(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Throws when a query or a cursor of this session reads the table, as "SELECT keyring_encrypt_column(...) FROM t" does. */
static void
refuse_use(const KrColumnChange *change)
{
	Relation relation = relation_open(change->relation, NoLock);

	CheckTableNotInUse(relation, change->encrypt ? "encrypt a column of" : "decrypt a column of");
	relation_close(relation, NoLock);
}

static void
change_column(KrColumnChange *change)
{
	int nest_level;
	List *relations;
	ListCell *cell;
	KrIdentity caller;

	PreventCommandIfReadOnly(change->encrypt ? "keyring_encrypt_column()" : "keyring_decrypt_column()");
	plan_change(change);
	require_key(change);

	nest_level = NewGUCNestLevel();
	set_for_this_call("search_path", "pg_catalog, pg_temp");
	set_for_this_call("keyring.input_format", "plaintext");
	set_for_this_call("keyring.output_format", "plaintext");

	relations = inspect_tables(change, AccessShareLock);
	foreach(cell, relations)
		UnlockRelationOid(lfirst_oid(cell), AccessShareLock);

	relations = inspect_tables(change, AccessExclusiveLock);
	refuse_use(change);
	announce(change, relations);
	caller = kr_types_enter_owner(change->relation);
	run_statement(make_statement(change));
	kr_types_leave_owner(caller);
	AtEOXact_GUC(false, nest_level);
}

void
kr_types_encrypt_column(Oid relation, const char *column, bool searchable)
{
	KrColumnChange change = { .relation = relation, .column = pstrdup(column), .encrypt = true, .searchable = searchable };

	change_column(&change);
}

void
kr_types_decrypt_column(Oid relation, const char *column)
{
	KrColumnChange change = { .relation = relation, .column = pstrdup(column), .encrypt = false };

	change_column(&change);
}
