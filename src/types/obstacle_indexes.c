/*
 * src/types/obstacle_indexes.c
 *
 * Indexes that a column's change would break: encrypted values can be compared for
 * equality only, and only if they are searchable.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "commands/defrem.h"
#include "types/reparse.h"
#include "types/survey.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* The index's expressions (a List) or its predicate, cooked; NULL without. */
static Node *
index_tree(HeapTuple tuple, AttrNumber anum)
{
	bool isnull;
	Datum tree = SysCacheGetAttr(INDEXRELID, tuple, anum, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(tree));
}

static Oid
index_oid(HeapTuple tuple, AttrNumber anum, int position)
{
	bool isnull;
	Datum vector = SysCacheGetAttr(INDEXRELID, tuple, anum, &isnull);

	return isnull ? InvalidOid : ((oidvector *) DatumGetPointer(vector))->values[position];
}

static Oid
index_method(Oid indexid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	Oid result = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* What is wrong with the column at this position of an index, or NULL. */
static const char *
key_problem(const KrSurvey *survey, HeapTuple tuple, int position)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	const KrColumnChange *change = survey->change;
	Oid method = index_method(index->indexrelid);
	Oid collation;

	/* what INCLUDE stores is never compared */
	if (!change->encrypt || position >= index->indnkeyatts)
		return NULL;
	if (method != BTREE_AM_OID && method != HASH_AM_OID)
		return "is neither a btree nor a hash index: drop it";
	if (index_oid(tuple, Anum_pg_index_indclass, position) != GetDefaultOpClass(change->old_type, method))
		return "has an operator class other than the default one: drop it, an index on encrypted values serves equality alone";
	collation = index_oid(tuple, Anum_pg_index_indcollation, position);
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return "has a nondeterministic collation: drop it";
	if (index->indisexclusion)
		return "is an exclusion constraint: drop it";
	if (!change->searchable)
		return "needs a searchable column: pass searchable => true, or drop it";
	return NULL;
}

static void
survey_index(KrSurvey *survey, Oid indexid)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	AttrNumber attnum = survey->attribute->attnum;
	const char *problem = NULL;
	Node *predicate;
	Form_pg_index index;

	if (!HeapTupleIsValid(tuple))
		return;
	index = (Form_pg_index) GETSTRUCT(tuple);
	if (survey->change->encrypt && kr_types_mentions(index_tree(tuple, Anum_pg_index_indexprs), attnum))
		problem = "is on an expression of the column: drop it, an index on encrypted values serves equality of whole values alone";
	for (int i = 0; i < index->indnatts && problem == NULL; i++)
	{
		if (index->indkey.values[i] == attnum)
			problem = key_problem(survey, tuple, i);
	}

	predicate = index_tree(tuple, Anum_pg_index_indpred);
	if (problem == NULL && kr_types_mentions(predicate, attnum) &&
		kr_types_reparse(survey->relation, predicate, survey->change, true) != NULL)
		problem = "has a condition on the column: drop it, a condition may ask whether an encrypted value is NULL, but no more";

	if (problem != NULL)
	{
		Oid constraint = get_index_constraint(indexid);

		kr_types_add_obstacle(survey, "%s %s",
							  OidIsValid(constraint) ? kr_types_describe(ConstraintRelationId, constraint, 0) :
													   kr_types_describe(RelationRelationId, indexid, 0),
							  problem);
	}
	ReleaseSysCache(tuple);
}

void
kr_types_survey_indexes(KrSurvey *survey)
{
	List *indexes = RelationGetIndexList(survey->relation);
	ListCell *cell;

	foreach(cell, indexes)
		survey_index(survey, lfirst_oid(cell));
	list_free(indexes);
}
