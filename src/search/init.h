/*
 * src/search/init.h
 *
 * The parse-tree work, the guards and the log filter are all hooks of the server.
 */
#ifndef KR_SEARCH_INIT_H
#define KR_SEARCH_INIT_H

/* Installs the hooks, each calling the one that was there before. For _PG_init. */
extern void kr_search_init(void);

#endif
