/*
 * src/types/lock_order.c
 *
 * The order in which a conversion locks its tables. An INSERT or UPDATE locks the table that
 * it writes, then those that it references, to look its keys up. Whoever locked a
 * referenced table first would wait for such a writer, who waits for the referenced table:
 * so the one that references comes first, as ALTER TABLE ... ADD FOREIGN KEY has it. A DELETE or a
 * change of a referenced key goes the other way, and can still end in a deadlock.
 */
#include "postgres.h"

#include "types/group.h"

/* The table that stands for this one: where the change begins that comes by it, otherwise itself. */
static Oid
standing_for(const KrConversion *conversion, Oid relation)
{
	ListCell *cell;

	foreach(cell, conversion->changes)
	{
		const KrColumnChange *change = lfirst(cell);

		if (list_member_oid(change->relations, relation))
			return change->relation;
	}
	return relation;
}

static List *
all_tables(const KrConversion *conversion)
{
	List *result = NIL;
	ListCell *cell;

	foreach(cell, conversion->changes)
		result = list_append_unique_oid(result, ((const KrColumnChange *) lfirst(cell))->relation);
	foreach(cell, conversion->keys)
	{
		const KrForeignKey *key = lfirst(cell);

		result = list_append_unique_oid(result, standing_for(conversion, key->relation));
		result = list_append_unique_oid(result, standing_for(conversion, key->referenced));
	}
	list_sort(result, list_oid_cmp);
	return result;
}

/* Whether another of these tables references this one. */
static bool
is_referenced(const KrConversion *conversion, Oid table, List *tables)
{
	ListCell *cell;

	foreach(cell, conversion->keys)
	{
		const KrForeignKey *key = lfirst(cell);
		Oid from = standing_for(conversion, key->relation);

		if (from != table && list_member_oid(tables, from) && standing_for(conversion, key->referenced) == table)
			return true;
	}
	return false;
}

List *
kr_types_lock_order(const KrConversion *conversion)
{
	List *tables = all_tables(conversion);
	List *result = NIL;

	while (tables != NIL)
	{
		Oid next = linitial_oid(tables); /* if they go round in a circle */
		ListCell *cell;

		foreach(cell, tables)
		{
			if (!is_referenced(conversion, lfirst_oid(cell), tables))
			{
				next = lfirst_oid(cell);
				break;
			}
		}
		result = lappend_oid(result, next);
		tables = list_delete_oid(tables, next);
	}
	return result;
}
