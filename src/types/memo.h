/*
 * src/types/memo.h
 *
 * A bounded memory of opened values, for code that meets the same envelope again
 * and again: comparisons in merges, in bounded sorts, in nested loops. How long it
 * remembers is said in kept.h, wherever its memory lies.
 */
#ifndef KR_TYPES_MEMO_H
#define KR_TYPES_MEMO_H

#include "types/basetype.h"

typedef struct KrMemo KrMemo;

/* In a memory context of its own below parent; limit bounds the memory of the values. */
extern KrMemo *kr_types_memo_new(const KrBaseType *base, MemoryContext parent, Size limit);

/*
 * The memo for opened values of a base type that lies in a context or the one above, made when it is asked for first.
 * Call sites of one plan share it: what the hash of a value has opened, its comparison need not.
 */
extern KrMemo *kr_types_memo_shared(const KrBaseType *base, MemoryContext context);

/*
 * The value of an envelope, opened for the current user if it is not known yet; KR008 for a
 * user who may not read also if it is. It belongs to the memo and is valid until the call after
 * the next, or the end of the statement.
 */
extern Datum kr_types_memo_open(KrMemo *memo, Datum envelope);

/*
 * False while values stream past of which none was met twice: who could open the value itself should. Asked again
 * some thousand values later, it says true for a while, as what comes then may be another loop. Call it once for each value.
 */
extern bool kr_types_memo_pays(KrMemo *memo);

/* A value that is met once, opened for the current user without a memo; it belongs to the caller. */
extern Datum kr_types_open_once(const KrBaseType *base, Datum envelope);

/* The equality token: the stored one, or one made of the opened value and kept. */
extern void kr_types_memo_token(uint8 *out, KrMemo *memo, Datum envelope);

/*
 * The same for the hash of a value, which passes; what it is compared with in this memo is kept,
 * in up to half of work_mem, and tokens of plaintexts in an eighth.
 */
extern void kr_types_memo_hash_token(uint8 *out, KrMemo *memo, Datum envelope);

#endif
