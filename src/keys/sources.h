/*
 * src/keys/sources.h
 *
 * Every key of a database holds its token key, so any of them yields it. Which one to ask first, and which to ask no
 * more after what others have said.
 */
#ifndef KR_KEYS_SOURCES_H
#define KR_KEYS_SOURCES_H

#include "keys/store.h"

typedef struct KrSource
{
	KrKeyRow *row;
	int rank; /* 0: it is in memory */
} KrSource;

/* A key that was asked for the token key, and how that failed. */
typedef struct KrFailedSource
{
	const KrKeyRow *row;
	KrStatus status;
	char *words;
	char *hint;
} KrFailedSource;

/* Of all keys of a database those that are not destroyed, as KrSource, in the order in which to ask. */
extern List *kr_keys_sources(List *rows);

/* Whether a key is sure to fail for what one of these (KrFailedSource) did. Never one in memory, which may be had even so. */
extern bool kr_keys_is_hopeless(const KrSource *source, List *failures);

#endif
