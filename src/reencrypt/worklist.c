/*
 * src/reencrypt/worklist.c
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_inherits.h"
#include "keys/census.h"
#include "reencrypt/worklist.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static bool
is_named(const KrJob *job, const KrEncryptedColumn *column)
{
	const char *name;

	if (job->column == NULL)
		return true;
	name = get_attname(column->relation, column->attnum, true);
	return name != NULL && strcmp(name, job->column) == 0;
}

static List *
pick(const KrJob *job, const List *listed, int *unreadable)
{
	List *family = NIL;
	List *result = NIL;
	Oid last = InvalidOid;
	ListCell *cell;

	if (OidIsValid(job->relation))
	{
		/* dropped in the middle of the job */
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(job->relation)))
			return NIL;
		family = find_all_inheritors(job->relation, NoLock, NULL);
	}
	foreach(cell, listed)
	{
		KrEncryptedColumn *column = lfirst(cell);

		if ((family != NIL && !list_member_oid(family, column->relation)) || !is_named(job, column))
			continue;
		if (column->other_temp && column->relation != last && unreadable != NULL)
			(*unreadable)++;
		last = column->relation;
		if (column->stored && !column->other_temp)
			result = lappend(result, column);
	}
	return result;
}

List *
kr_reencrypt_columns(const KrJob *job, int *unreadable)
{
	if (unreadable != NULL)
		*unreadable = 0;
	return pick(job, kr_keys_encrypted_columns(InvalidOid), unreadable);
}

List *
kr_reencrypt_columns_of(const KrJob *job, Oid relation)
{
	return pick(job, kr_keys_encrypted_columns(relation), NULL);
}

Oid
kr_reencrypt_next_relation(const List *columns, Oid after)
{
	ListCell *cell;

	foreach(cell, columns)
	{
		const KrEncryptedColumn *column = lfirst(cell);

		if (column->relation > after)
			return column->relation;
	}
	return InvalidOid;
}

int64
kr_reencrypt_size(const KrJob *job)
{
	List *columns = kr_reencrypt_columns(job, NULL);
	Oid relation = InvalidOid;
	int64 blocks = 0;

	while (OidIsValid(relation = kr_reencrypt_next_relation(columns, relation)))
	{
		Relation rel = ConditionalLockRelationOid(relation, AccessShareLock) ? try_relation_open(relation, NoLock) : NULL;

		if (rel == NULL)
			continue;
		blocks += RelationGetNumberOfBlocks(rel);
		relation_close(rel, AccessShareLock);
	}
	return blocks;
}
