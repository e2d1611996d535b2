/*
 * src/pg/shmem.h
 *
 * Shared memory. A room describes what it needs with one KrShmemPart; this file
 * adds the parts up, requests them and starts them. Parts begin on a page of
 * their own, so that they can be kept out of core dumps and swap.
 */
#ifndef KR_PG_SHMEM_H
#define KR_PG_SHMEM_H

#include "storage/lwlock.h"

typedef struct KrShmemPart
{
	const char *name;
	Size (*size)(void);                                    /* asked once, after the settings are read */
	void (*start)(void *memory, LWLock *lock, bool found); /* in the postmaster: memory is zeroed unless found */
	bool secret;                                           /* no core dump, locked where limits allow, wiped at the end */
} KrShmemPart;

/* From _PG_init only. part must live as long as the process. */
extern void kr_pg_shmem_add(const KrShmemPart *part);

/* Installs the hooks; after every part has been added. */
extern void kr_pg_shmem_init(void);

/* Whether secret parts could be locked into memory; for keyring_doctor. Set in the postmaster, inherited. */
extern bool kr_pg_memory_locked;

#endif
