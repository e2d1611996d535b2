/*
 * src/reencrypt/attempt.h
 *
 * A subtransaction around what may fail because of one value or one row.
 */
#ifndef KR_REENCRYPT_ATTEMPT_H
#define KR_REENCRYPT_ATTEMPT_H

#include "pg/compat.h"

/*
 * Does the work in a subtransaction. NULL if it succeeds; the error, palloc'd, if that is about the value or the row. Throws
 * what has another cause.
 */
extern ErrorData *kr_reencrypt_attempt(void (*work)(void *arg), void *arg, bool skip_unavailable);

#endif
