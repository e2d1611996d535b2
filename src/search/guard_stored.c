/*
 * src/search/guard_stored.c
 *
 * Expressions that the catalogs keep. An encrypted constant in one would be an
 * envelope under the key of the day it was stored, out of reach of re-encryption.
 * Statements that pass the parse hook store none; these here are transformed
 * without it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "search/contains.h"
#include "search/guard.h"
#include "types/basetype.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* An envelope, or an array, row or range that may hold one; an anonymous row has no constants. */
static bool
has_constant(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
		return !((Const *) node)->constisnull && kr_search_holds_encrypted(((Const *) node)->consttype);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_constant, context, 0);
	return expression_tree_walker(node, has_constant, context);
}

void
kr_search_check_expression(HeapTuple row, AttrNumber attribute, Oid catalog, const char *what)
{
	Relation rel = table_open(catalog, AccessShareLock);
	bool isnull;
	Datum value = heap_getattr(row, attribute, RelationGetDescr(rel), &isnull);

	if (!isnull && has_constant(stringToNode(TextDatumGetCString(value)), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot hold an encrypted constant", what),
				 errdetail("The constant would be stored under the key that is primary now."),
				 errhint("Write the constant as a value of the base type, for example 'x'::text; a row or an array of them as ROW(...) or ARRAY[...].")));
	table_close(rel, AccessShareLock);
}

/* A default is named by its column. */
void
kr_search_check_default(Oid relation, AttrNumber attno)
{
	Relation catalog = table_open(AttrDefaultRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple row;

	ScanKeyInit(&keys[0], Anum_pg_attrdef_adrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attrdef_adnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attno));
	scan = systable_beginscan(catalog, AttrDefaultIndexId, true, SnapshotSelf, 2, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		kr_search_check_expression(row, Anum_pg_attrdef_adbin, AttrDefaultRelationId, "a column default");
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* A foreign key compares tokens, so its own columns must have them; the referenced ones are indexed. */
static void
check_foreign_key(HeapTuple row)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(row);
	Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
	bool isnull;
	Datum value = heap_getattr(row, Anum_pg_constraint_conkey, RelationGetDescr(catalog), &isnull);
	ArrayType *columns = isnull ? NULL : DatumGetArrayTypeP(value);

	for (int i = 0; columns != NULL && i < ARR_DIMS(columns)[0]; i++)
	{
		FormData_pg_attribute column;
		const KrEncryptedType *type;

		if (!kr_search_read_column(form->conrelid, ((int16 *) ARR_DATA_PTR(columns))[i], &column))
			continue;
		type = kr_types_lookup(column.atttypid);
		if (type != NULL && KR_TYPMOD_MODE(column.atttypmod) != KR_TYPMOD_SEARCHABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("randomized column \"%s\" cannot be part of foreign key \"%s\"",
							NameStr(column.attname), NameStr(form->conname)),
					 errhint("Declare the column as encrypted_%s(searchable).", type->base->name)));
	}
	table_close(catalog, AccessShareLock);
}

void
kr_search_check_constraint(Oid constraint)
{
	HeapTuple row = kr_search_read_row(ConstraintRelationId, ConstraintOidIndexId, Anum_pg_constraint_oid, constraint);
	Form_pg_constraint form;

	if (!HeapTupleIsValid(row))
		return;
	form = (Form_pg_constraint) GETSTRUCT(row);
	kr_search_check_expression(row, Anum_pg_constraint_conbin, ConstraintRelationId,
							   psprintf("constraint \"%s\"", NameStr(form->conname)));
	if (form->contype == CONSTRAINT_FOREIGN)
		check_foreign_key(row);
}

void
kr_search_check_trigger(Oid trigger)
{
	HeapTuple row = kr_search_read_row(TriggerRelationId, TriggerOidIndexId, Anum_pg_trigger_oid, trigger);

	if (HeapTupleIsValid(row))
		kr_search_check_expression(row, Anum_pg_trigger_tgqual, TriggerRelationId,
								   psprintf("the condition of trigger \"%s\"",
											NameStr(((Form_pg_trigger) GETSTRUCT(row))->tgname)));
}

void
kr_search_check_policy(Oid policy)
{
	HeapTuple row = kr_search_read_row(PolicyRelationId, PolicyOidIndexId, Anum_pg_policy_oid, policy);
	char *what;

	if (!HeapTupleIsValid(row))
		return;
	what = psprintf("policy \"%s\"", NameStr(((Form_pg_policy) GETSTRUCT(row))->polname));
	kr_search_check_expression(row, Anum_pg_policy_polqual, PolicyRelationId, what);
	kr_search_check_expression(row, Anum_pg_policy_polwithcheck, PolicyRelationId, what);
}

/* A view is a rule of its relation; a materialized one too. */
static char *
name_rule(Form_pg_rewrite form)
{
	char *view = form->ev_type == '0' + CMD_SELECT ? get_rel_name(form->ev_class) : NULL;

	return view != NULL ? psprintf("view \"%s\"", view) : psprintf("rule \"%s\"", NameStr(form->rulename));
}

void
kr_search_check_rule(Oid rule)
{
	HeapTuple row = kr_search_read_row(RewriteRelationId, RewriteOidIndexId, Anum_pg_rewrite_oid, rule);
	char *what;

	if (!HeapTupleIsValid(row))
		return;
	what = name_rule((Form_pg_rewrite) GETSTRUCT(row));
	kr_search_check_expression(row, Anum_pg_rewrite_ev_qual, RewriteRelationId, what);
	kr_search_check_expression(row, Anum_pg_rewrite_ev_action, RewriteRelationId, what);
}

void
kr_search_check_function(Oid function)
{
	HeapTuple row = kr_search_read_row(ProcedureRelationId, ProcedureOidIndexId, Anum_pg_proc_oid, function);
	char *name;

	if (!HeapTupleIsValid(row))
		return;
	name = NameStr(((Form_pg_proc) GETSTRUCT(row))->proname);
	kr_search_check_expression(row, Anum_pg_proc_proargdefaults, ProcedureRelationId,
							   psprintf("an argument default of function \"%s\"", name));
	kr_search_check_expression(row, Anum_pg_proc_prosqlbody, ProcedureRelationId,
							   psprintf("the body of function \"%s\"", name));
}

void
kr_search_check_domain(Oid type)
{
	HeapTuple row = kr_search_read_row(TypeRelationId, TypeOidIndexId, Anum_pg_type_oid, type);

	if (HeapTupleIsValid(row))
		kr_search_check_expression(row, Anum_pg_type_typdefaultbin, TypeRelationId,
								   psprintf("the default of domain \"%s\"",
											NameStr(((Form_pg_type) GETSTRUCT(row))->typname)));
}
