/*
 * src/types/column_statement.c
 *
 * The ALTER TABLE that changes columns' types, and those around it that carry over what
 * each table of the tree has set for itself.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"
#include "pg/extension.h"
#include "types/column_statement.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

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

	/* between the modes of one type each value is coerced as it stands */
	if (change->encrypt && change->old_type == change->new_type)
		return;

	/*
	 * The explicit cast to the encrypted type knows the typmod, so each value is
	 * sealed once. The one to varchar(n) is left to ALTER TABLE, which makes an
	 * assignment of it: that refuses a value which is too long, where an explicit cast would cut it.
	 */
	appendStringInfo(sql, " USING %s::%s", column, base);
	if (change->encrypt)
		appendStringInfo(sql, "::%s", type);
}

/*
 * A strategy that was chosen for the column carries over, where the new type can have it; the
 * type's own default does not. NULL: nothing to set.
 */
static const char *
storage_to_set(const KrColumnChange *change, char storage)
{
	if (storage == get_typstorage(change->old_type) || storage == get_typstorage(change->new_type) ||
		!TypeIsToastable(change->new_type))
		return NULL;
	return storage_word(storage);
}

/* varchar(n) to a CHECK, named table_column_length; names are those that this statement has chosen already. */
static void
append_length_check(StringInfo sql, const KrColumnChange *change, const char *column, List **names)
{
	Oid namespace = get_rel_namespace(change->relation);
	char *name = ChooseConstraintName(change->table, change->column, "length", namespace, *names);

	*names = lappend(*names, name);
	appendStringInfo(sql, ", ADD CONSTRAINT %s CHECK (%s(%s, %d))", quote_identifier(name),
					 quote_qualified_identifier(get_namespace_name(kr_pg_schema()), "keyring_fits"),
					 column, change->max_length);
}

/* The actions on one column, each but the first of the statement after a comma. */
static void
append_change(StringInfo sql, const KrColumnChange *change, List **names)
{
	const char *column = quote_identifier(change->column);
	ListCell *cell;

	foreach(cell, change->checks)
		appendStringInfo(sql, " DROP CONSTRAINT %s,", quote_identifier(lfirst(cell)));
	append_type_change(sql, change, column);
	if (change->encrypt && change->max_length > 0)
		append_length_check(sql, change, column, names);
}

char *
kr_types_qualified_name(Oid relation)
{
	return quote_qualified_identifier(get_namespace_name_or_temp(get_rel_namespace(relation)), get_rel_name(relation));
}

/* The rewrite: one statement for all changes that begin at the table. */
static char *
change_types(Oid table, const List *changes)
{
	StringInfoData sql;
	List *names = NIL;
	ListCell *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s", kr_types_qualified_name(table));
	foreach(cell, changes)
	{
		if (cell != list_head(changes))
			appendStringInfoChar(&sql, ',');
		append_change(&sql, lfirst(cell), &names);
	}
	return sql.data;
}

static List *
add_statement(List *statements, Oid relation, const char *column, const char *action)
{
	KrTableStatement *statement = palloc(sizeof(KrTableStatement));

	statement->relation = relation;
	statement->sql = psprintf("ALTER TABLE ONLY %s ALTER COLUMN %s %s", kr_types_qualified_name(relation),
							  quote_identifier(column), action);
	return lappend(statements, statement);
}

/*
 * What one table of the tree has for its own: to be taken off before, and given back after. Without
 * ONLY its parent's would take its place. The default becomes one of the base type, which is sealed
 * anew for each row, whatever its own type was.
 */
static void
carry_own_settings(const KrColumnChange *change, Oid relid, List **before, List **after)
{
	Relation relation = relation_open(relid, NoLock);
	AttrNumber attnum = get_attnum(relid, change->column);
	char *expression = default_text(relation, attnum);
	const char *storage = storage_to_set(change, TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attstorage);

	if (expression != NULL)
	{
		*before = add_statement(*before, relid, change->column, "DROP DEFAULT");
		*after = add_statement(*after, relid, change->column,
							   psprintf("SET DEFAULT (%s)::%s", expression,
										full_type_name(change->type->base->oid, -1)));
	}
	if (storage != NULL)
		*after = add_statement(*after, relid, change->column, psprintf("SET STORAGE %s", storage));
	relation_close(relation, NoLock);
}

List *
kr_types_change_statements(Oid table, List *together)
{
	KrTableStatement *rewrite = palloc(sizeof(KrTableStatement));
	List *changes = NIL;
	List *before = NIL;
	List *after = NIL;
	ListCell *cell;

	foreach(cell, together)
	{
		KrColumnChange *change = lfirst(cell);
		ListCell *relation;

		if (change->relation != table)
			continue;
		changes = lappend(changes, change);
		foreach(relation, change->relations)
			carry_own_settings(change, lfirst_oid(relation), &before, &after);
	}
	rewrite->relation = table;
	rewrite->sql = change_types(table, changes);
	return list_concat(lappend(before, rewrite), after);
}
