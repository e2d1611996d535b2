/*
 * src/pg/report.h
 *
 * The one place where a KrStatus becomes an error.
 */
#ifndef KR_PG_REPORT_H
#define KR_PG_REPORT_H

#include "crypto/status.h"
#include "kms/provider.h"
#include "pg/compat.h"

/* What failed and on which key. Any string may be NULL. */
typedef struct KrFailure
{
	KrStatus status;
	int32 key_id; /* 0 = none */
	const char *label;
	const char *message; /* a provider's words, become the DETAIL */
	const char *hint;    /* a provider's hint, instead of ours */
	const char *at;      /* when what the status announces is going to happen */
} KrFailure;

/* The SQLSTATE of a status (an internal error's for what has none). */
extern int kr_pg_sqlstate(KrStatus status);

/* Throws. doing: "open a value", "wrap the data key": completes "could not ...". */
pg_noreturn extern void kr_pg_throw(const KrFailure *failure, const char *doing);

/* Words as a sentence, with one full stop, palloc'd. */
extern char *kr_pg_sentence(const char *words);

/* A provider's words with what the operator's program said, palloc'd: for holders of the admin capability only. */
extern char *kr_pg_words_for_admin(const KrKmsReport *report);

/* "key 3 (label)" or "key 3", palloc'd. */
extern char *kr_pg_key_words(int32 key_id, const char *label);

#endif
