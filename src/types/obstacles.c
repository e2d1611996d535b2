/*
 * src/types/obstacles.c
 *
 * What stands in the way of changing a column's type: what ALTER TABLE would
 * refuse, one error at a time, and what it would accept but would not work on
 * encrypted values. The dependencies of the column are read from pg_depend just as
 * ALTER TABLE reads them; an object of a kind not known here is an obstacle too.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "types/length_check.h"
#include "types/obstacles.h"
#include "types/reparse.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define AND_AGAIN "drop it, and create it again afterwards"

/* One table of the change, and the lines found so far. */
typedef struct Survey
{
	const KrColumnChange *change;
	Relation relation;
	Form_pg_attribute attribute;
	List *lines;
} Survey;

static void add_line(Survey *survey, const char *format, ...) pg_attribute_printf(2, 3);

static bool
has_line(const Survey *survey, const char *line)
{
	ListCell *cell;

	foreach(cell, survey->lines)
	{
		if (strcmp(lfirst(cell), line) == 0)
			return true;
	}
	return false;
}

static void
add_line(Survey *survey, const char *format, ...)
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

static char *
describe(Oid classid, Oid objid, int32 objsubid)
{
	ObjectAddress address;

	ObjectAddressSubSet(address, classid, objid, objsubid);
	return getObjectDescription(&address, false);
}

static char *
describe_table(const Survey *survey)
{
	return describe(RelationRelationId, RelationGetRelid(survey->relation), 0);
}

/* A view, a materialized view, or a rule of a table. */
static void
survey_rewrite(Survey *survey, Oid rule)
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

		add_line(survey, "%s uses the column: " AND_AGAIN,
				 relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW ?
					 describe(RelationRelationId, owner, 0) :
					 describe(RewriteRelationId, rule, 0));
	}
	systable_endscan(scan);
	table_close(rewrite, AccessShareLock);
}

/* The default of the column itself carries over; any other is a generated column's. */
static void
survey_default(Survey *survey, Oid attrdef)
{
	ObjectAddress column = GetAttrDefaultColumnAddress(attrdef);

	if (column.objectId == RelationGetRelid(survey->relation) && column.objectSubId == survey->attribute->attnum)
		return;
	add_line(survey, "%s is generated from the column: drop it, and let a trigger or the application compute it",
			 describe(RelationRelationId, column.objectId, column.objectSubId));
}

static void
survey_check(Survey *survey, HeapTuple tuple)
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
		add_line(survey, "%s cannot be kept (%s): drop it, and add it again afterwards, written for the new type",
				 describe(ConstraintRelationId, constraint->oid, 0), reason);
}

static void
survey_constraint(Survey *survey, Oid oid)
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
			/* of partitions only the top one: the others come and go with it */
			if (!OidIsValid(((Form_pg_constraint) GETSTRUCT(tuple))->conparentid))
				add_line(survey, "%s joins the column with one of another type: drop it",
						 describe(ConstraintRelationId, oid, 0));
			break;
		default:
			/* PRIMARY KEY, UNIQUE and EXCLUDE are looked at as indexes; NOT NULL stays */
			break;
	}
	ReleaseSysCache(tuple);
}

static void
survey_relation(Survey *survey, Oid relid)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			/* not all indexes depend on the column directly: see survey_indexes */
		case RELKIND_SEQUENCE:
			/* owned by the column, and does not look at its type */
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			/* the partition key, which names itself elsewhere */
			break;
		default:
			add_line(survey, "%s depends on the column: " AND_AGAIN, describe(RelationRelationId, relid, 0));
			break;
	}
}

static void
survey_dependent(Survey *survey, Form_pg_depend dependent)
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

	name = describe(dependent->classid, dependent->objid, dependent->objsubid);
	switch (dependent->classid)
	{
		case TriggerRelationId:
			add_line(survey, "%s names the column in its column list or WHEN condition: " AND_AGAIN, name);
			break;
		case PolicyRelationId:
			add_line(survey, "%s uses the column: " AND_AGAIN, name);
			break;
		case PublicationRelRelationId:
			add_line(survey, "%s names the column in its column list or row filter: take the table out of the publication, and add it again afterwards", name);
			break;
		case StatisticExtRelationId:
			add_line(survey, "%s covers the column: drop it, statistics are not kept of encrypted values", name);
			break;
		case ProcedureRelationId:
			add_line(survey, "%s uses the column in its body: " AND_AGAIN, name);
			break;
		default:
			add_line(survey, "%s depends on the column: " AND_AGAIN, name);
			break;
	}
}

static void
survey_dependents(Survey *survey)
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
}

/* A tree of the index, cooked, or NIL. */
static List *
index_tree(HeapTuple tuple, AttrNumber anum)
{
	bool isnull;
	Datum tree = SysCacheGetAttr(INDEXRELID, tuple, anum, &isnull);

	return isnull ? NIL : castNode(List, stringToNode(TextDatumGetCString(tree)));
}

static bool
mentions(const List *tree, AttrNumber attnum)
{
	Bitmapset *attributes = NULL;

	pull_varattnos((Node *) tree, 1, &attributes);
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, attributes);
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
key_problem(const Survey *survey, HeapTuple tuple, int position)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	const KrColumnChange *change = survey->change;
	Oid method = index_method(index->indexrelid);
	Oid collation;

	if (change->encrypt && !change->searchable)
		return "has a column that would be randomized: encrypt it with searchable => true, or drop the index";
	if (!change->encrypt || position >= index->indnkeyatts)
		return NULL;
	if (method != BTREE_AM_OID && method != HASH_AM_OID)
		return "is neither a btree nor a hash index: drop it";
	if (index_oid(tuple, Anum_pg_index_indclass, position) != GetDefaultOpClass(change->old_type, method))
		return "has an operator class other than the default one: drop it, an index on encrypted values serves equality alone";
	collation = index_oid(tuple, Anum_pg_index_indcollation, position);
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return "has a nondeterministic collation: drop it";
	return NULL;
}

static void
survey_index(Survey *survey, Oid indexid)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	AttrNumber attnum = survey->attribute->attnum;
	const char *problem = NULL;
	List *predicate;
	Form_pg_index index;
	bool has_column;

	if (!HeapTupleIsValid(tuple))
		return;
	index = (Form_pg_index) GETSTRUCT(tuple);
	has_column = mentions(index_tree(tuple, Anum_pg_index_indexprs), attnum);
	if (has_column && survey->change->encrypt)
		problem = "is on an expression of the column: drop it, an index on encrypted values serves equality of whole values alone";
	for (int i = 0; i < index->indnatts && problem == NULL; i++)
	{
		if (index->indkey.values[i] != attnum)
			continue;
		has_column = true;
		problem = key_problem(survey, tuple, i);
	}
	if (has_column && problem == NULL && index->indisexclusion)
		problem = "belongs to an exclusion constraint: drop the constraint";

	predicate = index_tree(tuple, Anum_pg_index_indpred);
	if (problem == NULL && mentions(predicate, attnum) &&
		kr_types_reparse(survey->relation, (Node *) make_ands_explicit(predicate), survey->change, true) != NULL)
		problem = "has a condition on the column: drop it, a condition may ask whether an encrypted value is NULL, but no more";

	if (problem != NULL)
	{
		Oid constraint = get_index_constraint(indexid);

		add_line(survey, "%s %s",
				 OidIsValid(constraint) ? describe(ConstraintRelationId, constraint, 0) :
										  describe(RelationRelationId, indexid, 0),
				 problem);
	}
	ReleaseSysCache(tuple);
}

static void
survey_indexes(Survey *survey)
{
	List *indexes = RelationGetIndexList(survey->relation);
	ListCell *cell;

	foreach(cell, indexes)
		survey_index(survey, lfirst_oid(cell));
	list_free(indexes);
}

/* Columns elsewhere whose type is, or is built from, this table's row type: they would hold rows of the old shape. */
static void
survey_row_type(Survey *survey, Oid type)
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
		if (user->classid != RelationRelationId || user->objsubid == 0)
			continue;

		relkind = get_rel_relkind(user->objid);
		if (relkind == RELKIND_COMPOSITE_TYPE)
			survey_row_type(survey, get_rel_type_id(user->objid));
		else if (RELKIND_HAS_STORAGE(relkind) || RELKIND_HAS_PARTITIONS(relkind))
			add_line(survey, "%s has the row type of %s: drop it",
					 describe(RelationRelationId, user->objid, user->objsubid), describe_table(survey));
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
}

/* The column itself. */
static void
survey_column(Survey *survey, int numparents)
{
	Form_pg_attribute attribute = survey->attribute;
	AttrNumber whole = attribute->attnum - FirstLowInvalidHeapAttributeNumber;
	bool in_expression;

	if (attribute->attgenerated != '\0')
		add_line(survey, "the column is generated in %s: drop it, and let a trigger or the application compute it",
				 describe_table(survey));
	if (attribute->attidentity != '\0')
		add_line(survey, "the column is an identity column of %s: ALTER COLUMN ... DROP IDENTITY", describe_table(survey));
	if (attribute->attinhcount > numparents)
		add_line(survey, "%s inherits the column: call this function on the table that it is inherited from, or use NO INHERIT",
				 describe_table(survey));
	if (has_partition_attrs(survey->relation, bms_make_singleton(whole), &in_expression))
		add_line(survey, "%s is partitioned by the column: create a table that is partitioned otherwise",
				 describe_table(survey));
	if (survey->change->encrypt && survey->change->searchable && OidIsValid(attribute->attcollation) &&
		!get_collation_isdeterministic(attribute->attcollation))
		add_line(survey, "the column has a nondeterministic collation in %s: encrypt it with searchable => false, or give it another one",
				 describe_table(survey));
}

static void
survey_table(Survey *survey)
{
	Relation relation = survey->relation;
	Form_pg_class class = relation->rd_rel;

	if (class->relkind == RELKIND_FOREIGN_TABLE)
		add_line(survey, "%s is a foreign table: detach it, and encrypt the column where its rows are", describe_table(survey));
	if (OidIsValid(class->reloftype))
		add_line(survey, "%s is a typed table: ALTER TABLE ... NOT OF", describe_table(survey));
	if (RELATION_IS_OTHER_TEMP(relation))
		add_line(survey, "%s is a temporary table of another session: call this function there", describe_table(survey));
	if (AfterTriggerPendingOnRel(RelationGetRelid(relation)))
		add_line(survey, "%s has pending trigger events: COMMIT first, or SET CONSTRAINTS ALL IMMEDIATE", describe_table(survey));
	if (OidIsValid(class->reltype))
		survey_row_type(survey, class->reltype);
}

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

List *
kr_types_obstacles(const KrColumnChange *change, List *relations, List *numparents)
{
	List *result = NIL;
	ListCell *cell;
	ListCell *parents;

	forboth(cell, relations, parents, numparents)
	{
		Relation relation = relation_open(lfirst_oid(cell), NoLock);
		AttrNumber attnum = get_attnum(RelationGetRelid(relation), change->column);
		Survey survey = { .change = change, .relation = relation };

		survey.attribute = TupleDescAttr(RelationGetDescr(relation), attnum - 1);
		survey_table(&survey);
		survey_column(&survey, lfirst_int(parents));
		survey_dependents(&survey);
		survey_indexes(&survey);
		result = list_concat(result, survey.lines);
		relation_close(relation, NoLock);
	}

	list_sort(result, compare_lines);
	return result;
}
