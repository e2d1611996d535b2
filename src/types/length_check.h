/*
 * src/types/length_check.h
 *
 * varchar(n) has no encrypted counterpart: its limit becomes a CHECK that calls
 * keyring_fits(value, n), and is read back from there.
 */
#ifndef KR_TYPES_LENGTH_CHECK_H
#define KR_TYPES_LENGTH_CHECK_H

#include "access/attnum.h"
#include "types/basetype.h"
#include "utils/relcache.h"

/*
 * The limit that the relation's CHECKs of the form keyring_fits(column, n) put on a
 * column, -1 without any. Their names (char *) are added to *names, if not NULL.
 */
extern int32 kr_types_length_limit(Relation relation, AttrNumber attnum, const KrEncryptedType *type, List **names);

/* Whether a cooked expression is such a CHECK on this column. */
extern bool kr_types_is_length_check(Node *expression, AttrNumber attnum, const KrEncryptedType *type, int32 *limit);

#endif
