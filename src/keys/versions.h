/*
 * src/keys/versions.h
 *
 * Values that were in a table and are there no more, for whoever must know what others may have read.
 */
#ifndef KR_KEYS_VERSIONS_H
#define KR_KEYS_VERSIONS_H

#include "pg/compat.h"

#include "access/attnum.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/*
 * Whether the relation's access method keeps old row versions where kr_keys_had_since() finds them: heap does. Of others
 * nothing is known.
 */
extern bool kr_keys_keeps_versions(Relation relation);

/*
 * Whether a value with this key tag was in one of the columns at any time since the snapshot was taken, or is. The
 * caller has locked the relation against writers; the snapshot is an MVCC one and has been registered all along, which
 * keeps row versions that were deleted after it from being removed. One scan; of a value only the header is
 * read. What was inserted and rolled back does not count, since only its own transaction could read it; what the caller's
 * own transaction has deleted does, since others still read it. Cancellable; raises what a read of the table raises.
 */
extern bool kr_keys_had_since(Relation relation, int ncolumns, const AttrNumber *columns, uint32 tag, Snapshot since);

#endif
