/*
 * src/search/widen.c
 *
 * An encrypted column may be compared with a plain value of a type that PostgreSQL
 * converts to the column's base type without being asked: a bigint with 5, a numeric with an integer.
 * The operators for that open the value. Before operands are looked at, such a comparison becomes the one
 * with the base type, so that it can be decided by tokens and by an index:
 *
 *	encrypted_bigint = integer			->	encrypted_bigint = integer::bigint
 *	encrypted_bigint = ANY (integer[])	->	encrypted_bigint = ANY (integer[]::bigint[])
 *
 * What is equal must stay so, and nothing else become equal. PostgreSQL also converts any number to real without being
 * asked, and rounds it; it compares a plain real with such a number as double precision. That comparison stays as it is.
 * Dates are left to narrow.c, too: there are some beyond the last timestamp.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_node.h"
#include "parser/parse_oper.h"
#include "pg/extension.h"
#include "search/expr.h"
#include "search/widen.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static const char *const comparators[] = {
	[KR_EQ] = "=", [KR_NE] = "<>", [KR_LT] = "<", [KR_LE] = "<=", [KR_GE] = ">=", [KR_GT] = ">"
};

bool
kr_search_other_comparison(KrComparison *out, Oid opno)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(opno));
	Form_pg_operator form;
	bool found = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_operator) GETSTRUCT(tuple);
	out->type = kr_types_lookup(form->oprleft);
	out->form = out->type != NULL ? KR_ENC_BASE : KR_BASE_ENC;
	if (out->type == NULL)
		out->type = kr_types_lookup(form->oprright);
	if (out->type != NULL && form->oprnamespace == kr_pg_schema() && form->oprresult == BOOLOID)
	{
		for (int i = 0; i < (int) lengthof(comparators) && !found; i++)
		{
			out->comparator = (KrComparator) i;
			found = strcmp(NameStr(form->oprname), comparators[i]) == 0;
		}
	}
	ReleaseSysCache(tuple);
	return found;
}

/*
 * Whether the conversion is what PostgreSQL itself compares by: a real with another number is compared as double precision,
 * a timestamp with a date even where that is beyond the last timestamp.
 */
static bool
keeps_equality(Oid from, Oid to)
{
	Oid element = get_element_type(from);

	if (OidIsValid(element))
	{
		from = element;
		to = get_element_type(to);
	}
	return (to != FLOAT4OID || from == INT2OID) && to != TIMESTAMPOID && to != TIMESTAMPTZOID;
}

/* The plain operand of such a comparison, converted to type, or NULL when that is no implicit conversion, or one that rounds. */
static Node *
converted(Node *plain, Oid type)
{
	Oid from = exprType(plain);

	if (kr_types_lookup(from) != NULL || !can_coerce_type(1, &from, &type, COERCION_IMPLICIT) ||
		!keeps_equality(from, type))
		return NULL;
	return coerce_type(NULL, plain, from, type, -1, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
}

bool
kr_search_may_widen(Oid opno, List *args)
{
	KrComparison comparison;

	return kr_search_maybe_ours(opno) && list_length(args) == 2 &&
		!kr_search_comparison(&comparison, opno, args) && kr_search_other_comparison(&comparison, opno);
}

void
kr_search_widen(OpExpr *expr)
{
	KrComparison comparison;
	bool plain_first;
	Node *plain;

	if (!kr_search_may_widen(expr->opno, expr->args) || !kr_search_other_comparison(&comparison, expr->opno))
		return;
	plain_first = comparison.form == KR_BASE_ENC;

	/* the first operand is the result of a NULLIF, so it keeps its type */
	if (plain_first && IsA(expr, NullIfExpr))
		return;
	plain = converted(plain_first ? linitial(expr->args) : lsecond(expr->args), comparison.type->base->oid);
	if (plain == NULL)
		return;
	expr->opno = kr_search_operator(&comparison, comparison.form);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = plain_first ? list_make2(plain, lsecond(expr->args)) : list_make2(linitial(expr->args), plain);
}

void
kr_search_widen_array(ScalarArrayOpExpr *expr)
{
	KrComparison comparison;
	Node *array;

	if (!kr_search_may_widen(expr->opno, expr->args) || !kr_search_other_comparison(&comparison, expr->opno) ||
		comparison.form != KR_ENC_BASE)
		return;
	array = converted(lsecond(expr->args), comparison.type->base_array);
	if (array == NULL)
		return;
	expr->opno = kr_search_operator(&comparison, KR_ENC_BASE);
	expr->opfuncid = get_opcode(expr->opno);
	expr->args = list_make2(linitial(expr->args), array);
}

void
kr_search_open_beside_array(ScalarArrayOpExpr *expr)
{
	KrComparison comparison;
	Node *opened;
	List *name;

	if (!kr_search_may_widen(expr->opno, expr->args) || !kr_search_other_comparison(&comparison, expr->opno) ||
		comparison.form != KR_ENC_BASE || exprType(linitial(expr->args)) != comparison.type->oid ||
		kr_search_element_type_of(lsecond(expr->args)) != NULL)
		return;
	opened = (Node *) kr_search_open(comparison.type, linitial(expr->args));
	name = list_make2(makeString(pstrdup("pg_catalog")), makeString(get_opname(expr->opno)));
	memcpy(expr, make_scalar_array_op(make_parsestate(NULL), name, expr->useOr, opened, lsecond(expr->args), expr->location),
		   sizeof(ScalarArrayOpExpr));
}
