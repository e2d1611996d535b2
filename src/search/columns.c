/*
 * src/search/columns.c
 *
 * Raw statements that declare columns. An encrypted column always has a mode, so
 * one declared bare is made randomized before the server sees it. A DEFAULT 'x' is
 * made 'x'::text: transformed as it is, it would be stored as an envelope.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "pg/guc.h"
#include "search/columns.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

bool
kr_search_has_encrypted_column(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	AttrNumber natts;

	if (!HeapTupleIsValid(tuple))
		return false;
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);

	for (AttrNumber attno = 1; attno <= natts; attno++)
	{
		if (kr_types_lookup(get_atttype(relation, attno)) != NULL)
			return true;
	}
	return false;
}

static const KrEncryptedType *
column_type(Oid relation, const char *column)
{
	AttrNumber attno = OidIsValid(relation) ? get_attnum(relation, column) : InvalidAttrNumber;

	return attno > 0 ? kr_types_lookup(get_atttype(relation, attno)) : NULL;
}

const KrEncryptedType *
kr_search_column_type(RangeVar *relation, const char *column)
{
	return column_type(RangeVarGetRelid(relation, NoLock, true), column);
}

/* The encrypted type that a type name means; NULL also when it means nothing, which the server will say. */
static const KrEncryptedType *
named_type(TypeName *name)
{
	Oid type = LookupTypeNameOid(NULL, name, true);

	return OidIsValid(type) ? kr_types_lookup(type) : NULL;
}

/* A string literal, cast to the type or not, becomes one of the base type; anything else is returned as it is. */
static Node *
base_literal(const KrEncryptedType *type, Node *expr)
{
	TypeCast *cast;

	if (expr == NULL)
		return NULL;
	if (IsA(expr, TypeCast) && named_type(((TypeCast *) expr)->typeName) == type)
	{
		((TypeCast *) expr)->arg = base_literal(type, ((TypeCast *) expr)->arg);
		return expr;
	}
	if (!IsA(expr, A_Const) || ((A_Const *) expr)->isnull || !IsA(&((A_Const *) expr)->val, String))
		return expr;

	cast = makeNode(TypeCast);
	cast->arg = expr;
	cast->typeName = makeTypeNameFromOid(type->base->oid, -1);
	cast->location = -1;
	return (Node *) cast;
}

static void
complete_default(const KrEncryptedType *type, ColumnDef *column)
{
	ListCell *lc;

	/* an armored envelope is no literal of the base type; the guard refuses to store it */
	if (kr_pg_input_format() == KR_FORMAT_CIPHERTEXT)
		return;
	foreach(lc, column->constraints)
	{
		Constraint *constraint = lfirst(lc);

		if (IsA(constraint, Constraint) && constraint->contype == CONSTR_DEFAULT)
			constraint->raw_expr = base_literal(type, constraint->raw_expr);
	}
}

static void
complete_column(ColumnDef *column)
{
	const KrEncryptedType *type = named_type(column->typeName);

	if (type == NULL)
		return;
	if (column->typeName->typmods == NIL && column->typeName->typemod == KR_TYPMOD_NONE)
		column->typeName->typemod = KR_TYPMOD_RANDOMIZED;
	complete_default(type, column);
}

/* The relation from which columns without a type take it: the partitioned table, or the composite type. */
static Oid
column_source(CreateStmt *statement)
{
	if (statement->ofTypename != NULL)
	{
		Oid type = LookupTypeNameOid(NULL, statement->ofTypename, true);

		return OidIsValid(type) ? typeOrDomainTypeRelid(type) : InvalidOid;
	}
	if (statement->partbound != NULL && statement->inhRelations != NIL)
		return RangeVarGetRelid(linitial_node(RangeVar, statement->inhRelations), NoLock, true);
	return InvalidOid;
}

static void
complete_create(CreateStmt *statement)
{
	ListCell *lc;

	foreach(lc, statement->tableElts)
	{
		ColumnDef *column = lfirst(lc);
		const KrEncryptedType *type;

		if (!IsA(column, ColumnDef))
			continue;
		if (column->typeName != NULL)
			complete_column(column);
		else if ((type = column_type(column_source(statement), column->colname)) != NULL)
			complete_default(type, column);
	}
}

static void
complete_alter(AlterTableStmt *statement)
{
	ListCell *lc;

	/* the attributes of a composite type are no columns */
	if (statement->objtype == OBJECT_TYPE)
		return;
	foreach(lc, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);
		const KrEncryptedType *type;

		switch (command->subtype)
		{
			case AT_AddColumn:
			case AT_AlterColumnType:
				complete_column(castNode(ColumnDef, command->def));
				break;
			case AT_ColumnDefault:
				if (command->def == NULL || kr_pg_input_format() == KR_FORMAT_CIPHERTEXT)
					break;
				type = kr_search_column_type(statement->relation, command->name);
				if (type != NULL)
					command->def = base_literal(type, command->def);
				break;
			default:
				break;
		}
	}
}

void
kr_search_complete_columns(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
			complete_create((CreateStmt *) statement);
			break;
		case T_AlterTableStmt:
			complete_alter((AlterTableStmt *) statement);
			break;
		default:
			break;
	}
}
