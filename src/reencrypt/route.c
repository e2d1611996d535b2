/*
 * src/reencrypt/route.c
 */
#include "postgres.h"

#include "access/relation.h"
#include "reencrypt/route.h"
#include "reencrypt/unmoved.h"
#include "reencrypt/worklist.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

void
kr_reencrypt_route_begin(KrRoute *route, KrJob *job, KrPlaces *places)
{
	kr_reencrypt_postponed_reset(&route->postponed);
	kr_reencrypt_places_reset(&route->places);
	*route = (KrRoute){ 0 };
	job->looking = places != NULL;
	if (places != NULL)
	{
		route->places = *places;
		*places = (KrPlaces){ 0 };
	}
	job->current = InvalidOid;
	job->next_block = 0;
	job->end_block = 0;
	job->done_blocks = 0;
	job->total_blocks = job->looking ? kr_reencrypt_places_size(&route->places) : kr_reencrypt_size(job);
}

char *
kr_reencrypt_locked_by_others(Oid relation)
{
	return psprintf("table \"%s\" is locked against writers", get_rel_name(relation));
}

KrStep
kr_reencrypt_route_postpone(KrRoute *route, KrJob *job, const char *reason)
{
	kr_reencrypt_postpone(&route->postponed, job, reason);
	job->next_block = job->end_block;
	return KR_STEP_AWAY;
}

/* What the pass will do of job->current, from job->next_block on: of its present size what comes before end. */
static KrStep
enter(KrRoute *route, KrJob *job, BlockNumber end)
{
	Relation relation;

	route->seen = (KrRange){ job->current, job->next_block, end };
	if (!ConditionalLockRelationOid(job->current, AccessShareLock))
	{
		job->end_block = job->next_block;
		return kr_reencrypt_route_postpone(route, job, kr_reencrypt_locked_by_others(job->current));
	}
	relation = try_relation_open(job->current, NoLock);
	job->end_block = relation != NULL ? Min(end, RelationGetNumberOfBlocks(relation)) : 0;
	job->next_block = Min(job->next_block, job->end_block);
	if (relation != NULL)
		relation_close(relation, AccessShareLock);
	return KR_STEP_ON;
}

static bool
next_range(KrRoute *route, KrJob *job, KrRange *range)
{
	if (route->returning)
		return false;
	if (job->looking)
		return kr_reencrypt_take_range(&route->places, range);
	*range = (KrRange){ kr_reencrypt_next_relation(kr_reencrypt_columns(job, NULL), job->current), 0, InvalidBlockNumber };
	return OidIsValid(range->relation);
}

/* What was recorded of a value that has been moved since, or of a row that is gone, is found by going through all of it. */
static void
forget(const KrRoute *route, const KrJob *job)
{
	KrRange seen = { job->current, 0, InvalidBlockNumber };

	if (!OidIsValid(job->current) || kr_reencrypt_is_postponed(&route->postponed, job->current))
		return;
	if (job->looking)
		seen = route->seen;
	kr_reencrypt_forget_others(job, job->current, seen.from, seen.end);
}

KrStep
kr_reencrypt_route_next(KrRoute *route, KrJob *job, char **reason)
{
	KrRange range;

	forget(route, job);
	if (next_range(route, job, &range))
	{
		job->current = range.relation;
		job->next_block = range.from;
		return enter(route, job, range.end);
	}
	route->returning = true;
	switch (kr_reencrypt_return(&route->postponed, job, reason))
	{
		case KR_RETURN_NOW:
			/* also of a place: what became of it meanwhile is not known */
			return enter(route, job, InvalidBlockNumber) == KR_STEP_AWAY ? KR_STEP_AWAY : KR_STEP_BACK;
		case KR_RETURN_LATER:
			return KR_STEP_BLOCKED;
		case KR_RETURN_NONE:
			break;
	}
	return KR_STEP_COUNT;
}
