/*
 * src/types/compare.h
 *
 * What comparison operators and hash functions share.
 */
#ifndef KR_TYPES_COMPARE_H
#define KR_TYPES_COMPARE_H

#include "types/call.h"
#include "types/envelope.h"
#include "types/memo.h"

/* In fn_extra of operators and support functions. */
typedef struct KrCompareCall
{
	KrCall call;
	bool by_plaintext; /* called for GREATEST or LEAST, which take the default operator class's support function */
	Oid deterministic; /* the collation that was found good for equality last */
	KrMemo *memo;      /* of values opened here */
} KrCompareCall;

/* Looks at the call site. */
extern KrCompareCall *kr_types_compare_call_new(FunctionCallInfo fcinfo);

/* Inline, as what follows: a join compares tokens for every pair of rows that may match, and does little else. */
static inline KrCompareCall *
kr_types_compare_call(FunctionCallInfo fcinfo)
{
	KrCompareCall *call = fcinfo->flinfo->fn_extra;

	return likely(call != NULL) ? call : kr_types_compare_call_new(fcinfo);
}

extern void kr_types_look_at_collation(KrCompareCall *call, Oid collation);

/* 0A000 for equality under a nondeterministic collation: neither bytes nor tokens decide it. */
static inline void
kr_types_check_collation(KrCompareCall *call, Oid collation)
{
	if (unlikely(collation != call->deterministic))
		kr_types_look_at_collation(call, collation);
}

/* The token of an envelope that lies whole in memory, or NULL: it has none, or this is not the way to find it. */
static inline const uint8 *
kr_types_token_in_place(Datum value)
{
	struct varlena *pointer = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_EXTERNAL(pointer) || VARATT_IS_COMPRESSED(pointer)))
		return NULL;
	return kr_crypto_envelope_token((const uint8 *) VARDATA_ANY(pointer), VARSIZE_ANY_EXHDR(pointer));
}

/* The memo of this call site, made when it is first needed. */
extern KrMemo *kr_types_call_memo(KrCompareCall *call, FunctionCallInfo fcinfo);

extern bool kr_types_is_deterministic(const KrBaseType *base, Oid collation);

#endif
