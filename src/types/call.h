/*
 * src/types/call.h
 *
 * What a support function remembers between its calls. One C function serves all
 * types, under SQL names keyring_<base>_<verb>, so its first call looks up
 * which base type it stands for; the answer stays in fn_extra.
 */
#ifndef KR_TYPES_CALL_H
#define KR_TYPES_CALL_H

#include "types/basetype.h"

/* First member of whatever a function keeps in fn_extra. */
typedef struct KrCall
{
	const KrBaseType *base;
	KrOperand form; /* of a two-argument function */
} KrCall;

/* Allocates size zeroed bytes that live as long as the FmgrInfo, fills the KrCall at their start and keeps them in fn_extra. */
extern void *kr_types_call_new(FunctionCallInfo fcinfo, Size size);

#define KR_CALL(fcinfo, type) \
	((type *) (likely((fcinfo)->flinfo->fn_extra != NULL) ? (fcinfo)->flinfo->fn_extra : kr_types_call_new(fcinfo, sizeof(type))))

/* The functions of the extension may have changed. */
extern void kr_types_forget_calls(void);

static inline const KrBaseType *
kr_types_base_of(FunctionCallInfo fcinfo)
{
	return KR_CALL(fcinfo, KrCall)->base;
}

#endif
