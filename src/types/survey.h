/*
 * src/types/survey.h
 *
 * The parts of obstacles.c: each looks at one kind of thing in one table and adds a
 * line per obstacle.
 */
#ifndef KR_TYPES_SURVEY_H
#define KR_TYPES_SURVEY_H

#include "catalog/pg_attribute.h"
#include "types/columns.h"
#include "utils/relcache.h"

/* How some lines end. */
#define KR_DROP_AND_AGAIN "drop it, and create it again afterwards"

#define KR_PENDING_EVENTS "has pending trigger events: COMMIT first, or SET CONSTRAINTS ALL IMMEDIATE"

/* One table of a change, and the lines (char *) found so far. */
typedef struct KrSurvey
{
	const KrColumnChange *change;
	Relation relation;
	Form_pg_attribute attribute;
	List *lines;
} KrSurvey;

/* Adds a line, once. */
extern void kr_types_add_obstacle(KrSurvey *survey, const char *format, ...) pg_attribute_printf(2, 3);

/* An object in words, palloc'd. */
extern char *kr_types_describe(Oid classid, Oid objid, int32 objsubid);

/* Whatever pg_depend says depends on the column, but for indexes. */
extern void kr_types_survey_objects(KrSurvey *survey);

/*
 * All indexes of the table: those of constraints depend on the column by way of the constraint
 * only, so they are found by the table.
 */
extern void kr_types_survey_indexes(KrSurvey *survey);

#endif
