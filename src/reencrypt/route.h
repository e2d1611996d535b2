/*
 * src/reencrypt/route.h
 *
 * Where a pass goes: to every relation, or to the places alone where the one before it left something (job->looking). The
 * position is in the job's row; the list of places is in the worker's memory. A successor that has none counts.
 */
#ifndef KR_REENCRYPT_ROUTE_H
#define KR_REENCRYPT_ROUTE_H

#include "reencrypt/jobs.h"
#include "reencrypt/places.h"
#include "reencrypt/postponed.h"

/* What a step has come to. */
typedef enum KrStep
{
	KR_STEP_MOVED,   /* go on after keyring.reencrypt_delay */
	KR_STEP_ON,      /* go on at once */
	KR_STEP_AWAY,    /* the same; the relation is postponed */
	KR_STEP_BACK,    /* the same; to a relation that was postponed */
	KR_STEP_COUNT,   /* the next step counts */
	KR_STEP_BLOCKED, /* something is in the way */
	KR_STEP_END
} KrStep;

/* Zeroed: of a pass that another process has begun. */
typedef struct KrRoute
{
	KrPostponed postponed;
	bool returning;  /* the pass has been to all others once */
	KrPlaces places; /* of a pass to places alone: those that it has not been to */
	KrRange seen;    /* what the pass has gone through when it leaves job->current, as far as this process knows */
} KrRoute;

/* A pass begins: to every relation, or to these places, which are taken over. */
extern void kr_reencrypt_route_begin(KrRoute *route, KrJob *job, KrPlaces *places);

/* Leaves job->current for later. */
extern KrStep kr_reencrypt_route_postpone(KrRoute *route, KrJob *job, const char *reason);

/*
 * job->current is done: sets the job's position to what comes next. KR_STEP_COUNT: there is nothing. KR_STEP_BLOCKED: all that is
 * left was tried, and *reason, palloc'd, says what is in the way.
 */
extern KrStep kr_reencrypt_route_next(KrRoute *route, KrJob *job, char **reason);

extern char *kr_reencrypt_locked_by_others(Oid relation);

#endif
