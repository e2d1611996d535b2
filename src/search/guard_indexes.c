/*
 * src/search/guard_indexes.c
 *
 * Indexes and statistics. An index holds envelopes and compares their tokens: it
 * works on searchable columns, in token order. Anything else would need keys under
 * page locks, reveal the order of the values, or hold envelopes whose keys nobody
 * would renew.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_statistic_ext.h"
#include "nodes/nodeFuncs.h"
#include "search/contains.h"
#include "search/expr.h"
#include "search/guard.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* A varlena attribute of a catalog row, or NULL. */
static Datum
attribute_of(HeapTuple row, Oid catalog, AttrNumber attribute, bool *isnull)
{
	Relation rel = table_open(catalog, AccessShareLock);
	Datum result = heap_getattr(row, attribute, RelationGetDescr(rel), isnull);

	table_close(rel, AccessShareLock);
	return result;
}

static List *
expressions_of(HeapTuple row, Oid catalog, AttrNumber attribute)
{
	bool isnull;
	Datum value = attribute_of(row, catalog, attribute, &isnull);

	return isnull ? NIL : (List *) stringToNode(TextDatumGetCString(value));
}

static void
check_indexed_column(Oid relation, AttrNumber attno, Oid opclass)
{
	FormData_pg_attribute column;
	const KrEncryptedType *type;

	if (!kr_search_read_column(relation, attno, &column))
		return;
	type = kr_types_lookup(column.atttypid);
	if (type == NULL)
		return;
	if (KR_TYPMOD_MODE(column.atttypmod) != KR_TYPMOD_SEARCHABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot index randomized column \"%s\" of relation \"%s\"",
						NameStr(column.attname), get_rel_name(relation)),
				 errhint("Declare the column as encrypted_%s(searchable).", type->base->name)));
	if (op_in_opfamily(type->lt[KR_ENC_ENC], get_opclass_family(opclass)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot index column \"%s\" of relation \"%s\" in the order of its values",
						NameStr(column.attname), get_rel_name(relation)),
				 errdetail("The index would reveal their order to whoever reads it."),
				 errhint("Leave out the operator class: the default one serves equality and constraints.")));
}

static void
check_indexed_expressions(List *expressions, const char *index)
{
	ListCell *lc;

	foreach(lc, expressions)
	{
		/* a whole row too */
		if (kr_search_holds_encrypted(exprType(lfirst(lc))))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("index \"%s\" cannot be on an encrypted expression", index),
					 errhint("Index a searchable column itself.")));
	}
}

void
kr_search_check_index(Oid index)
{
	HeapTuple row = kr_search_read_row(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index);
	HeapTuple class_row = kr_search_read_row(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, index);
	Form_pg_index form;
	oidvector *opclasses;
	char *name;
	bool isnull;

	if (!HeapTupleIsValid(row) || !HeapTupleIsValid(class_row))
		return;
	form = (Form_pg_index) GETSTRUCT(row);
	name = NameStr(((Form_pg_class) GETSTRUCT(class_row))->relname);
	opclasses = (oidvector *) DatumGetPointer(attribute_of(row, IndexRelationId, Anum_pg_index_indclass, &isnull));

	/* columns that are only included are never compared */
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber attno = form->indkey.values[i];

		if (attno > 0)
			check_indexed_column(form->indrelid, attno, opclasses->values[i]);
	}
	check_indexed_expressions(expressions_of(row, IndexRelationId, Anum_pg_index_indexprs), name);
	kr_search_check_expression(row, Anum_pg_index_indexprs, IndexRelationId, psprintf("index \"%s\"", name));
	kr_search_check_expression(row, Anum_pg_index_indpred, IndexRelationId,
							   psprintf("the predicate of index \"%s\"", name));
}

void
kr_search_check_indexed_rows(Oid relation)
{
	Relation rel = relation_open(relation, NoLock);
	List *indexes = rel->rd_rel->relhasindex ? RelationGetIndexList(rel) : NIL;
	ListCell *lc;

	foreach(lc, indexes)
	{
		Oid index = lfirst_oid(lc);
		HeapTuple row = kr_search_read_row(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index);

		if (HeapTupleIsValid(row))
			check_indexed_expressions(expressions_of(row, IndexRelationId, Anum_pg_index_indexprs), get_rel_name(index));
	}
	relation_close(rel, NoLock);
}

static void
refuse_statistics(Form_pg_statistic_ext form)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("statistics object \"%s\" cannot include an encrypted column", NameStr(form->stxname)),
			 errhint("Leave the column out: ANALYZE keeps what can be known about it.")));
}

/* What is computed from an encrypted column is plaintext, and ANALYZE would store samples of it. */
static bool
reads_encrypted(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return kr_search_type_of(node) != NULL;
	return expression_tree_walker(node, reads_encrypted, context);
}

void
kr_search_check_statistics(Oid statistics)
{
	HeapTuple row = kr_search_read_row(StatisticExtRelationId, StatisticExtOidIndexId, Anum_pg_statistic_ext_oid,
									   statistics);
	Form_pg_statistic_ext form;

	if (!HeapTupleIsValid(row))
		return;
	form = (Form_pg_statistic_ext) GETSTRUCT(row);
	for (int i = 0; i < form->stxkeys.dim1; i++)
	{
		FormData_pg_attribute column;

		if (kr_search_read_column(form->stxrelid, form->stxkeys.values[i], &column) &&
			kr_types_lookup(column.atttypid) != NULL)
			refuse_statistics(form);
	}
	kr_search_check_expression(row, Anum_pg_statistic_ext_stxexprs, StatisticExtRelationId,
							   psprintf("statistics object \"%s\"", NameStr(form->stxname)));
	if (reads_encrypted((Node *) expressions_of(row, StatisticExtRelationId, Anum_pg_statistic_ext_stxexprs), NULL))
		refuse_statistics(form);
}
