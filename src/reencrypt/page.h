/*
 * src/reencrypt/page.h
 *
 * Pages that cannot be read: recorded like values that cannot be moved, so that they do not stop a job.
 */
#ifndef KR_REENCRYPT_PAGE_H
#define KR_REENCRYPT_PAGE_H

#include "reencrypt/row.h"

/*
 * Whether a page of the relation can be read. If it is damaged, that is recorded for each encrypted column, which no
 * later reader of that page may forget; what else is in the way is thrown.
 */
extern bool kr_reencrypt_try_page(KrTarget *target, BlockNumber block);

#endif
