/*
 * src/reencrypt/worklist.h
 *
 * What a job is about: relations with their encrypted columns, from pg_attribute as it is
 * now. Nothing is locked; whoever works on a relation locks it and looks again.
 */
#ifndef KR_REENCRYPT_WORKLIST_H
#define KR_REENCRYPT_WORKLIST_H

#include "reencrypt/jobs.h"

/*
 * Columns (KrEncryptedColumn *, ordered by relation) of a job, in relations that store rows and
 * can be read from here. *unreadable counts temporary tables of other sessions; may be NULL.
 */
extern List *kr_reencrypt_columns(const KrJob *job, int *unreadable);

/* Those of one relation. */
extern List *kr_reencrypt_columns_of(const KrJob *job, Oid relation);

/* The first relation after this one, by Oid; InvalidOid after the last. */
extern Oid kr_reencrypt_next_relation(const List *columns, Oid after);

/* Blocks of a job's relations, for those who watch; what is locked is left out. */
extern int64 kr_reencrypt_size(const KrJob *job);

#endif
