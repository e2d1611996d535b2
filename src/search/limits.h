/*
 * src/search/limits.h
 *
 * The limit of a result's values that were varchar(n).
 */
#ifndef KR_SEARCH_LIMITS_H
#define KR_SEARCH_LIMITS_H

#include "nodes/primnodes.h"
#include "types/basetype.h"

/* The type modifier of varchar for an entry of a result, of an encrypted type, or -1. */
extern int32 kr_search_length_modifier(const KrEncryptedType *type, TargetEntry *entry);

#endif
