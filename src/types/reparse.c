/*
 * src/types/reparse.c
 *
 * Parses an expression as if a column had another type already. Parse analysis
 * reports by throwing, so it runs in a subtransaction that is always rolled
 * back.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "nodes/bitmapset.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "storage/lockdefs.h"
#include "types/reparse.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/ruleutils.h"

static bool
is_encrypted(Oid type)
{
	return kr_types_lookup(type) != NULL || kr_types_of_array(type) != NULL;
}

/* An envelope in the catalogs would depend on its key; one turned to text depends on output_format. */
static bool
holds_envelope(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
		return is_encrypted(((Const *) node)->consttype);
	if (IsA(node, CoerceViaIO))
	{
		CoerceViaIO *coerce = (CoerceViaIO *) node;

		if (is_encrypted(exprType((Node *) coerce->arg)) || is_encrypted(coerce->resulttype))
			return true;
	}
	return expression_tree_walker(node, holds_envelope, context);
}

bool
kr_types_mentions(Node *tree, AttrNumber attnum)
{
	Bitmapset *attributes = NULL;

	pull_varattnos(tree, 1, &attributes);
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, attributes) ||
		bms_is_member(InvalidAttrNumber - FirstLowInvalidHeapAttributeNumber, attributes);
}

/*
 * Whether an expression does more with the whole row than ask whether it is NULL. ALTER TABLE
 * leaves it as it is: what the row is compared with would keep the old shape.
 */
static bool
uses_whole_row(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno == InvalidAttrNumber;
	if (IsA(node, NullTest) && IsA(((NullTest *) node)->arg, Var))
		return false;
	return expression_tree_walker(node, uses_whole_row, context);
}

/* The columns as they will be: one expression may be about several that change together. */
static void
change_columns(ParseNamespaceItem *item, Oid relation, const KrColumnChange *change)
{
	ListCell *cell;

	foreach(cell, change->together)
	{
		const KrColumnChange *other = lfirst(cell);
		ParseNamespaceColumn *column;

		if (!list_member_oid(other->relations, relation))
			continue;
		column = &item->p_nscolumns[get_attnum(relation, other->column) - 1];
		column->p_vartype = other->new_type;
		column->p_vartypmod = other->new_typmod;
		column->p_varcollid = other->collation;
	}
}

/* The one expression of "SELECT expression", transformed over the relation with the changed columns. */
static Node *
parse_changed(Relation relation, const char *source, const KrColumnChange *change)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item = addRangeTableEntryForRelation(pstate, relation, AccessShareLock, NULL, false, true);
	RawStmt *raw = linitial_node(RawStmt, raw_parser(psprintf("SELECT %s", source), RAW_PARSE_DEFAULT));
	ResTarget *target = linitial_node(ResTarget, castNode(SelectStmt, raw->stmt)->targetList);
	Node *node;

	change_columns(item, RelationGetRelid(relation), change);
	addNSItemToQuery(pstate, item, true, true, true);

	node = transformExpr(pstate, target->val, EXPR_KIND_CHECK_CONSTRAINT);
	node = coerce_to_boolean(pstate, node, "CHECK");
	assign_expr_collations(pstate, node);
	free_parsestate(pstate);
	return node;
}

static char *
find_reason(Relation relation, const char *source, const KrColumnChange *change, bool immutable)
{
	Node *node = parse_changed(relation, source, change);

	if (holds_envelope(node, NULL))
		return pstrdup("it would hold an encrypted constant, or read the value as text without opening it");
	if (immutable && contain_mutable_functions((Node *) expression_planner((Expr *) node)))
		return pstrdup("it would have to open encrypted values");
	return NULL;
}

char *
kr_types_reparse(Relation relation, Node *expression, const KrColumnChange *change, bool immutable)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *source = deparse_expression(expression,
									  deparse_context_for(RelationGetRelationName(relation), RelationGetRelid(relation)),
									  false, false);
	char *volatile reason = NULL;

	if (uses_whole_row(expression, NULL))
		return pstrdup("it uses the whole row");
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);

	PG_TRY();
	{
		reason = find_reason(relation, source, change, immutable);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		/* a cancelled statement says nothing about the expression */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
			ReThrowError(error);
		reason = error->message;
	}
	PG_END_TRY();

	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return reason;
}
