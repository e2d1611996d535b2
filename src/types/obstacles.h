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
 * One line (char *) per obstacle, sorted, in every table of the list: the change's
 * own and those that inherit from it, locked at least in AccessShareLock mode; numparents as
 * find_all_inheritors gives it. Each line names the object and what to do with it.
 * The search_path in force is the one that the ALTER will run under.
 */
extern List *kr_types_obstacles(const KrColumnChange *change, List *relations, List *numparents);

#endif
