/*
 * src/types/known.h
 *
 * Tokens of plaintexts that were met before. A hash of randomized values is the beginning of their tokens, and
 * an HMAC costs as much as opening a short value: of values that repeat it is computed once.
 */
#ifndef KR_TYPES_KNOWN_H
#define KR_TYPES_KNOWN_H

#include "types/basetype.h"

typedef struct KrKnown KrKnown;

/* In this context; most: bytes that its table may grow to. */
extern KrKnown *kr_types_known_new(const KrBaseType *base, MemoryContext context, Size most);

/* The token of an opened value, computed if it is not known. */
extern void kr_types_known_token(uint8 *out, KrKnown *known, Datum plain);

/* Wipes what is known and frees it all. */
extern void kr_types_known_free(KrKnown *known);

#endif
