/*
 * src/types/obstacle_objects.c
 *
 * Objects that depend on a column. They are read from pg_depend just as ALTER TABLE
 * reads them; an object of a kind not known here is an obstacle too.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "types/length_check.h"
#include "types/reparse.h"
#include "types/survey.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* A view, a materialized view, or a rule of a table. */
static void
survey_rewrite(KrSurvey *survey, Oid rule)
{
	ScanKeyData key;
	Relation rewrite = table_open(RewriteRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(rewrite, RewriteOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Oid owner = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
		char relkind = get_rel_relkind(owner);

		kr_types_add_obstacle(survey, "%s uses the column: " KR_DROP_AND_AGAIN,
							  relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW ?
								  kr_types_describe(RelationRelationId, owner, 0) :
								  kr_types_describe(RewriteRelationId, rule, 0));
	}
	systable_endscan(scan);
	table_close(rewrite, AccessShareLock);
}

/* The default of the column itself carries over; any other is a generated column's. */
static void
survey_default(KrSurvey *survey, Oid attrdef)
{
	ObjectAddress column = GetAttrDefaultColumnAddress(attrdef);

	if (column.objectId == RelationGetRelid(survey->relation) && column.objectSubId == survey->attribute->attnum)
		return;
	kr_types_add_obstacle(survey, "%s is generated from the column: drop it, and let a trigger or the application compute it",
						  kr_types_describe(RelationRelationId, column.objectId, column.objectSubId));
}

static void
survey_check(KrSurvey *survey, HeapTuple tuple)
{
	Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
	bool isnull;
	Datum bin = SysCacheGetAttr(CONSTROID, tuple, Anum_pg_constraint_conbin, &isnull);
	Node *expression;
	int32 limit;
	char *reason;

	/* what is only inherited is looked at in its parent; a length check goes with the encrypted type */
	if (isnull || !constraint->conislocal)
		return;
	expression = stringToNode(TextDatumGetCString(bin));
	if (kr_types_is_length_check(expression, survey->attribute->attnum, survey->change->type, &limit))
		return;

	reason = kr_types_reparse(survey->relation, expression, survey->change, false);
	if (reason != NULL)
		kr_types_add_obstacle(survey, "%s cannot be kept (%s): drop it, and add it again afterwards, written for the new type",
							  kr_types_describe(ConstraintRelationId, constraint->oid, 0), reason);
}

static void
survey_constraint(KrSurvey *survey, Oid oid)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		return;
	switch (((Form_pg_constraint) GETSTRUCT(tuple))->contype)
	{
		case CONSTRAINT_CHECK:
			survey_check(survey, tuple);
			break;
		case CONSTRAINT_FOREIGN:
			/* otherwise it brings the column at its other end along; of partitions only the top one counts */
			if (survey->change->encrypt && !survey->change->searchable &&
				!OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->conparentid))
				kr_types_add_obstacle(survey, "%s compares the column with another: pass searchable => true, which encrypts both, or drop it",
									  kr_types_describe(ConstraintRelationId, oid, 0));
			break;
		default:
			/* PRIMARY KEY, UNIQUE and EXCLUDE are looked at as indexes; NOT NULL stays */
			break;
	}
	ReleaseSysCache(tuple);
}

/* What is about the whole row depends on the table, not on the column. */
static void
survey_whole_row_checks(KrSurvey *survey)
{
	TupleConstr *constraints = RelationGetDescr(survey->relation)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		const ConstrCheck *check = &constraints->check[i];

		if (kr_types_mentions(stringToNode(check->ccbin), InvalidAttrNumber))
			survey_constraint(survey,
							  get_relation_constraint_oid(RelationGetRelid(survey->relation), check->ccname, false));
	}
}

static void
survey_relation(KrSurvey *survey, Oid relid)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			/* not all indexes depend on the column directly: see survey.h */
		case RELKIND_SEQUENCE:
			/* owned by the column, and does not look at its type */
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			/* the partition key, which names itself elsewhere */
			break;
		default:
			kr_types_add_obstacle(survey, "%s depends on the column: " KR_DROP_AND_AGAIN,
								  kr_types_describe(RelationRelationId, relid, 0));
			break;
	}
}

static void
survey_dependent(KrSurvey *survey, Form_pg_depend dependent)
{
	char *name;

	switch (dependent->classid)
	{
		case RewriteRelationId:
			survey_rewrite(survey, dependent->objid);
			return;
		case AttrDefaultRelationId:
			survey_default(survey, dependent->objid);
			return;
		case ConstraintRelationId:
			survey_constraint(survey, dependent->objid);
			return;
		case RelationRelationId:
			survey_relation(survey, dependent->objid);
			return;
	}

	name = kr_types_describe(dependent->classid, dependent->objid, dependent->objsubid);
	switch (dependent->classid)
	{
		case TriggerRelationId:
			kr_types_add_obstacle(survey, "%s names the column in its column list or WHEN condition: " KR_DROP_AND_AGAIN, name);
			break;
		case PolicyRelationId:
			kr_types_add_obstacle(survey, "%s uses the column: " KR_DROP_AND_AGAIN, name);
			break;
		case PublicationRelRelationId:
			kr_types_add_obstacle(survey,
								  "%s names the column in its column list or row filter: "
								  "take the table out of the publication, and add it again afterwards",
								  name);
			break;
		case StatisticExtRelationId:
			kr_types_add_obstacle(survey, "%s covers the column: drop it, statistics are not kept of encrypted values", name);
			break;
		case ProcedureRelationId:
			kr_types_add_obstacle(survey, "%s uses the column in its body: " KR_DROP_AND_AGAIN, name);
			break;
		default:
			kr_types_add_obstacle(survey, "%s depends on the column: " KR_DROP_AND_AGAIN, name);
			break;
	}
}

void
kr_types_survey_objects(KrSurvey *survey)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[3];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationGetRelid(survey->relation)));
	ScanKeyInit(&key[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(survey->attribute->attnum));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 3, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		survey_dependent(survey, (Form_pg_depend) GETSTRUCT(tuple));
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	survey_whole_row_checks(survey);
}
