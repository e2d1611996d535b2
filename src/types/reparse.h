/*
 * src/types/reparse.h
 *
 * ALTER COLUMN ... TYPE parses the CHECKs and indexes of a table again, from
 * their text, for the column's new type. This does the same beforehand, without a
 * change, so that what cannot be kept is known before anything is touched.
 */
#ifndef KR_TYPES_REPARSE_H
#define KR_TYPES_REPARSE_H

#include "access/attnum.h"
#include "nodes/nodes.h"
#include "types/columns.h"
#include "utils/relcache.h"

/*
 * Whether an expression of this relation (cooked, as the catalogs hold it) would survive
 * the change: it parses again, and neither stores an envelope nor reads one as text.
 * Returns NULL if so, else why not (palloc'd). immutable: also asks that it stays immutable, as an
 * index predicate must. The search_path in force is the one that the ALTER will run under.
 */
extern char *kr_types_reparse(Relation relation, Node *expression, const KrColumnChange *change, bool immutable);

/* Whether a cooked expression of one relation reads the column, by its name or within the whole row. */
extern bool kr_types_mentions(Node *tree, AttrNumber attnum);

#endif
