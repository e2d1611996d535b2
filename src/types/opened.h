/*
 * src/types/opened.h
 *
 * The opened values of one sort, each distinct one once. A key of 31 bits stands
 * for a value: equal values have equal keys, which callers of tuplesort rely on (DISTINCT
 * aggregates skip their equality function where abbreviated keys differ).
 */
#ifndef KR_TYPES_OPENED_H
#define KR_TYPES_OPENED_H

#include "types/basetype.h"

typedef struct KrOpened KrOpened;

/* Set in the key of a value that was too long to keep: the rest is a part of its hash. */
#define KR_OPENED_NOT_KEPT UINT32_C(0x80000000)

/* In a memory context of its own below parent. */
extern KrOpened *kr_types_opened_new(const KrBaseType *base, MemoryContext parent);
extern void kr_types_opened_free(KrOpened *opened);

/* Where to open a value that is to be added. */
extern MemoryContext kr_types_opened_context(KrOpened *opened);

/* Takes over a value opened in that context and returns its key. */
extern uint32 kr_types_opened_add(KrOpened *opened, Datum plain);

/* The value with this key, or false for one that was not kept. */
extern bool kr_types_opened_get(Datum *out, const KrOpened *opened, uint32 key);

/* Forgets all values: their keys must not be used again. */
extern void kr_types_opened_reset(KrOpened *opened);

/* Memory taken, in bytes. */
extern Size kr_types_opened_size(const KrOpened *opened);

#endif
