/*
 * src/types/compare.h
 *
 * What comparison operators and hash functions share.
 */
#ifndef KR_TYPES_COMPARE_H
#define KR_TYPES_COMPARE_H

#include "types/call.h"
#include "types/memo.h"

/* In fn_extra of operators and support functions. */
typedef struct KrCompareCall
{
	KrCall call;
	bool prepared;
	bool by_plaintext; /* called for GREATEST or LEAST, which take the default operator class's support function */
	Oid deterministic; /* the collation that was found good for equality last */
	KrMemo *memo;      /* of values opened here */
} KrCompareCall;

/* Looks at the call site once. */
extern KrCompareCall *kr_types_compare_call(FunctionCallInfo fcinfo);

/* 0A000 for equality under a nondeterministic collation: neither bytes nor tokens decide it. */
extern void kr_types_check_collation(KrCompareCall *call, Oid collation);

/* The memo of this call site, made when it is first needed. */
extern KrMemo *kr_types_call_memo(KrCompareCall *call, FunctionCallInfo fcinfo);

/* The same check for sorting, which needs no error. */
extern bool kr_types_is_deterministic(const KrBaseType *base, Oid collation);

#endif
