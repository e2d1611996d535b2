/*
 * src/types/obstacles.c
 *
 * What stands in the way of changing a column's type: what ALTER TABLE would
 * refuse, one error at a time, and what it would accept but would not work on
 * encrypted values.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "types/obstacles.h"
#include "types/survey.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static bool
has_line(const KrSurvey *survey, const char *line)
{
	ListCell *cell;

	foreach(cell, survey->lines)
	{
		if (strcmp(lfirst(cell), line) == 0)
			return true;
	}
	return false;
}

void
kr_types_add_obstacle(KrSurvey *survey, const char *format, ...)
{
	StringInfoData line;
	int needed;

	initStringInfo(&line);
	do
	{
		va_list args;

		va_start(args, format);
		needed = appendStringInfoVA(&line, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&line, needed);
	} while (needed > 0);
	/* an object may depend on the column in more than one way */
	if (!has_line(survey, line.data))
		survey->lines = lappend(survey->lines, line.data);
}

char *
kr_types_describe(Oid classid, Oid objid, int32 objsubid)
{
	ObjectAddress address;

	ObjectAddressSubSet(address, classid, objid, objsubid);
	return getObjectDescription(&address, false);
}

static char *
describe_table(const KrSurvey *survey)
{
	return kr_types_describe(RelationRelationId, RelationGetRelid(survey->relation), 0);
}

/* Defaults of arguments, or a body between BEGIN ATOMIC and END. */
static bool
function_keeps_expression(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool no_defaults;
	bool no_body;

	if (!HeapTupleIsValid(tuple))
		return false;
	(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &no_defaults);
	(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &no_body);
	ReleaseSysCache(tuple);
	return !no_defaults || !no_body;
}

/* Whether the catalogs keep an expression of such an object, which may hold a row or make one. */
static bool
keeps_expression(const FormData_pg_depend *user)
{
	char relkind;

	switch (user->classid)
	{
		case AttrDefaultRelationId:
		case ConstraintRelationId:
		case PolicyRelationId:
		case RewriteRelationId:
		case StatisticExtRelationId:
		case TriggerRelationId:
			return true;
		case ProcedureRelationId:
			return function_keeps_expression(user->objid);
		case RelationRelationId:
			relkind = get_rel_relkind(user->objid);
			return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;
		default:
			return false;
	}
}

/* What was found to be in the way for another reason needs no second line. */
static void
add_user_of_row(KrSurvey *survey, const char *object)
{
	ListCell *cell;

	foreach(cell, survey->lines)
	{
		if (strncmp(lfirst(cell), object, strlen(object)) == 0)
			return;
	}
	kr_types_add_obstacle(survey, "%s uses the row type of %s: " KR_DROP_AND_AGAIN, object, describe_table(survey));
}

/*
 * Columns elsewhere whose type is, or is built from, this table's row type: they would hold rows of the old shape.
 * So would constants in expressions, of this table too; recent servers refuse to change the table under them.
 */
static void
survey_row_type(KrSurvey *survey, Oid type)
{
	Relation depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple tuple;

	check_stack_depth();
	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(TypeRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend user = (Form_pg_depend) GETSTRUCT(tuple);
		char relkind;

		if (user->classid == TypeRelationId && user->deptype != DEPENDENCY_EXTENSION)
			survey_row_type(survey, user->objid);
		if (keeps_expression(user))
			add_user_of_row(survey, kr_types_describe(user->classid, user->objid, user->objsubid));
		if (user->classid != RelationRelationId || user->objsubid == 0)
			continue;

		relkind = get_rel_relkind(user->objid);
		if (relkind == RELKIND_COMPOSITE_TYPE)
			survey_row_type(survey, get_rel_type_id(user->objid));
		else if (RELKIND_HAS_STORAGE(relkind) || RELKIND_HAS_PARTITIONS(relkind))
			kr_types_add_obstacle(survey, "%s has the row type of %s: drop it",
								  kr_types_describe(RelationRelationId, user->objid, user->objsubid), describe_table(survey));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
}

/* The column itself. */
static void
survey_column(KrSurvey *survey, int numparents)
{
	Form_pg_attribute attribute = survey->attribute;
	AttrNumber whole = attribute->attnum - FirstLowInvalidHeapAttributeNumber;
	bool in_expression;

	if (attribute->attgenerated != '\0')
		kr_types_add_obstacle(survey, "the column is generated in %s: ALTER COLUMN ... DROP EXPRESSION, and let a trigger or the application compute it",
							  describe_table(survey));
	if (attribute->attidentity != '\0')
		kr_types_add_obstacle(survey, "the column is an identity column of %s: ALTER COLUMN ... DROP IDENTITY", describe_table(survey));
	if (attribute->attinhcount > numparents)
		kr_types_add_obstacle(survey, "%s inherits the column: call this function on the table that it is inherited from, or use NO INHERIT",
							  describe_table(survey));
	if (has_partition_attrs(survey->relation, bms_make_singleton(whole), &in_expression))
		kr_types_add_obstacle(survey, "%s is partitioned by the column: create a table that is partitioned otherwise",
							  describe_table(survey));
	if (survey->change->encrypt && survey->change->searchable && OidIsValid(attribute->attcollation) &&
		!get_collation_isdeterministic(attribute->attcollation))
		kr_types_add_obstacle(survey, "the column has a nondeterministic collation in %s: encrypt it with searchable => false, or give it another one",
							  describe_table(survey));
}

static void
survey_table(KrSurvey *survey)
{
	Relation relation = survey->relation;
	Form_pg_class class = relation->rd_rel;

	/* the current user is the owner of the table where the change begins */
	if (!kr_pg_owns_relation(RelationGetRelid(relation)))
		kr_types_add_obstacle(survey, "%s belongs to another role than the table that it inherits from: ALTER TABLE ... OWNER TO", describe_table(survey));
	if (class->relkind == RELKIND_FOREIGN_TABLE)
		kr_types_add_obstacle(survey, "%s is a foreign table: detach it, and encrypt the column where its rows are", describe_table(survey));
	if (OidIsValid(class->reloftype))
		kr_types_add_obstacle(survey, "%s is a typed table: ALTER TABLE ... NOT OF", describe_table(survey));
	if (RELATION_IS_OTHER_TEMP(relation))
		kr_types_add_obstacle(survey, "%s is a temporary table of another session: call this function there", describe_table(survey));
	if (AfterTriggerPendingOnRel(RelationGetRelid(relation)))
		kr_types_add_obstacle(survey, "%s " KR_PENDING_EVENTS, describe_table(survey));
}

List *
kr_types_obstacles(const KrColumnChange *change)
{
	List *result = NIL;
	ListCell *cell;
	ListCell *parents;

	forboth(cell, change->relations, parents, change->numparents)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);
		AttrNumber attnum = get_attnum(RelationGetRelid(relation), change->column);
		KrSurvey survey = { .change = change, .relation = relation };

		survey.attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);
		survey_table(&survey);
		survey_column(&survey, lfirst_int(parents));
		kr_types_survey_objects(&survey);
		kr_types_survey_indexes(&survey);
		if (OidIsValid(relation->rd_rel->reltype))
			survey_row_type(&survey, relation->rd_rel->reltype);
		result = list_concat(result, survey.lines);
		relation_close(relation, NoLock);
	}
	return result;
}
