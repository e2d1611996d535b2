/*
 * src/search/limits.c
 *
 * A column that was varchar(n) is told to clients as varchar(n). Its type is encrypted_text; the limit is in a CHECK that
 * keyring_encrypt_column() has made, or a user in the same form. Clients are told of the constraint that holds when
 * the statement is parsed: a change of constraints invalidates plans, so a statement that was prepared before
 * fails as it does when a plain column changes its type.
 *
 * The column that an entry comes from is what the client is told too; of an expression nothing is known, and PostgreSQL
 * says text of most. A view keeps the origin of its columns.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "search/limits.h"
#include "types/length_check.h"
#include "utils/rel.h"

static int32 limit_of(const KrEncryptedType *type, Oid table, AttrNumber column, LOCKMODE lock);

static int32
limit_of_view(const KrEncryptedType *type, Relation view, AttrNumber column)
{
	TargetEntry *entry = get_tle_by_resno(get_view_query(view)->targetList, column);

	check_stack_depth();
	return entry != NULL ? limit_of(type, entry->resorigtbl, entry->resorigcol, AccessShareLock) : -1;
}

static int32
limit_of(const KrEncryptedType *type, Oid table, AttrNumber column, LOCKMODE lock)
{
	Relation relation;
	int32 result;

	if (!OidIsValid(table) || column <= 0)
		return -1;
	relation = relation_open(table, lock);
	if (relation->rd_rel->relkind == RELKIND_VIEW)
		result = limit_of_view(type, relation, column);
	else
		result = kr_types_length_limit(relation, column, type, NULL);
	relation_close(relation, NoLock);
	return result;
}

int32
kr_search_length_modifier(const KrEncryptedType *type, TargetEntry *entry)
{
	int32 limit;

	if (type->base->oid != TEXTOID)
		return -1;
	/* the parser has locked the tables and views that the query itself names */
	limit = limit_of(type, entry->resorigtbl, entry->resorigcol, NoLock);
	return limit > 0 ? limit + (int32) VARHDRSZ : -1;
}
