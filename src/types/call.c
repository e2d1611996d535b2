/*
 * src/types/call.c
 *
 * Which base type a support function stands for is in its name, since some
 * (sort support) have no argument or result of an encrypted type. A statement that is not prepared calls each
 * for the first time, so what was found is kept.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "types/call.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define KR_PREFIX "keyring_"

static const KrBaseType *
base_of_name(const char *name)
{
	const char *rest = name + strlen(KR_PREFIX);
	const KrBaseType *base;

	if (strncmp(name, KR_PREFIX, strlen(KR_PREFIX)) != 0)
		return NULL;
	for (int i = 0; (base = kr_types_base_at(i)) != NULL; i++)
	{
		size_t len = strlen(base->name);

		if (strncmp(rest, base->name, len) == 0 && rest[len] == '_')
			return base;
	}
	return NULL;
}

static KrOperand
operand_form(Form_pg_proc proc, Oid base)
{
	if (proc->pronargs != 2)
		return KR_ENC_ENC;
	if (proc->proargtypes.values[0] == base)
		return KR_BASE_ENC;
	return proc->proargtypes.values[1] == base ? KR_ENC_BASE : KR_ENC_ENC;
}

typedef struct Known
{
	const KrBaseType *base;
	Oid function;
	KrOperand form;
} Known;

#define KR_KNOWN 64

static Known known[KR_KNOWN];

void
kr_types_forget_calls(void)
{
	memset(known, 0, sizeof(known));
}

static void
find_out(Known *out, Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	const KrBaseType *base;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	base = base_of_name(NameStr(proc->proname));
	if (base == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function \"%s\" is not one of an encrypted type", NameStr(proc->proname)),
				 errhint("Support functions of extension \"keyring\" keep the names that its script gives them.")));
	*out = (Known){ base, function, operand_form(proc, base->oid) };
	ReleaseSysCache(tuple);
}

void *
kr_types_call_new(FunctionCallInfo fcinfo, Size size)
{
	FmgrInfo *flinfo = fcinfo->flinfo;
	Known *entry = &known[flinfo->fn_oid % KR_KNOWN];
	KrCall *call;

	if (entry->function != flinfo->fn_oid)
		find_out(entry, flinfo->fn_oid);
	call = MemoryContextAllocZero(flinfo->fn_mcxt, size);
	call->base = entry->base;
	call->form = entry->form;
	flinfo->fn_extra = call;
	return call;
}
