/*
 * src/types/obstacles.h
 *
 * What stands in the way of changing a column's type. Everything is found
 * before anything changes, so that one attempt names all of it.
 */
#ifndef KR_TYPES_OBSTACLES_H
#define KR_TYPES_OBSTACLES_H

#include "nodes/pg_list.h"
#include "types/columns.h"

/*
 * One line (char *) per obstacle in the change's tables, each of which is locked at least in
 * AccessShareLock mode. Each line names the object and what to do with it. The current user is
 * the owner, and the search_path in force the one that the ALTER will run under. What foreign keys to
 * other columns need is kr_types_gather's to find.
 */
extern List *kr_types_obstacles(const KrColumnChange *change);

#endif
