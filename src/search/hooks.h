/*
 * src/search/hooks.h
 *
 * What the hooks of this room share. Each file installs its own; all of them first
 * ask kr_search_active(), so that a database without keyring pays for one call.
 */
#ifndef KR_SEARCH_HOOKS_H
#define KR_SEARCH_HOOKS_H

#include "nodes/parsenodes.h"

/*
 * Whether the hooks have work in this database, now: inside a transaction that is
 * not aborted, where encrypted types exist, and not while pg_upgrade or the
 * extension's own script builds the catalogs.
 */
extern bool kr_search_active(void);

extern void kr_search_parse_init(void);
extern void kr_search_inline_init(void);
extern void kr_search_utility_init(void);
extern void kr_search_guard_init(void);
extern void kr_search_execute_init(void);
extern void kr_search_log_init(void);

/* Nesting of planner calls: above 0, what is parsed may be inlined and never passes the planner hook. */
extern int kr_search_planning;

#endif
