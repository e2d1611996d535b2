/*
 * src/search/oversize.h
 *
 * The hint for values that do not fit into a btree index.
 */
#ifndef KR_SEARCH_OVERSIZE_H
#define KR_SEARCH_OVERSIZE_H

#include "utils/elog.h"

/*
 * From here to the second call, errors about oversized index rows get keyring's hint
 * when values of a searchable column were made. The callback is the caller's, on its
 * stack; after an error PostgreSQL takes it away by itself.
 */
extern void kr_search_watch_errors(ErrorContextCallback *callback);
extern void kr_search_unwatch_errors(const ErrorContextCallback *callback);

#endif
