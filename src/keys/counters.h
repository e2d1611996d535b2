/*
 * src/keys/counters.h
 *
 * Counts for keyring_stats. A process counts on its own, without locks, and adds
 * to the shared sums when a transaction ends.
 */
#ifndef KR_KEYS_COUNTERS_H
#define KR_KEYS_COUNTERS_H

#include "pg/compat.h"

typedef struct KrCounters
{
	uint64 seals;
	uint64 opens;
	uint64 tokens;
} KrCounters;

/* This transaction's, so far. */
extern KrCounters kr_keys_counters;

/* The sums of all processes since the server started. */
extern void kr_keys_counters_read(KrCounters *out);

/* From _PG_init. */
extern void kr_keys_counters_init(void);

#endif
