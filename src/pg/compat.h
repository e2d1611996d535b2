/*
 * src/pg/compat.h
 *
 * Every difference between PostgreSQL 15 and 18 that keyring meets, one macro or
 * inline function each. No other file tests PG_VERSION_NUM.
 */
#ifndef KR_PG_COMPAT_H
#define KR_PG_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "keyring needs PostgreSQL 15 or newer"
#endif

#include "fmgr.h"

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/*
 * Declares an SQL-callable function: everything is compiled with hidden
 * visibility, and on 15 PGDLLEXPORT is empty, so the Makefile defines it.
 */
#define KR_FUNCTION(name) \
	PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* 18 puts it in front of a declaration, and has no other */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 16 wants a check hook's extra data from guc_malloc instead of malloc */
#if PG_VERSION_NUM >= 160000
#define kr_pg_guc_extra(size) guc_malloc(LOG, size)
#else
#define kr_pg_guc_extra(size) malloc(size)
#endif

/* 17 names an extension's wait events one by one */
#if PG_VERSION_NUM >= 170000
#define kr_pg_wait_event(name) WaitEventExtensionNew(name)
#else
#define kr_pg_wait_event(name) PG_WAIT_EXTENSION
#endif

/* 17 has a resource owner keep it; the caller frees it in any case */
#if PG_VERSION_NUM >= 170000
#define kr_pg_wait_event_set(count) CreateWaitEventSet(NULL, count)
#else
#define kr_pg_wait_event_set(count) CreateWaitEventSet(CurrentMemoryContext, count)
#endif

/* 16 merged the ownership checks into one; the caller includes utils/acl.h and catalog/pg_class.h */
#if PG_VERSION_NUM >= 160000
#define kr_pg_owns_relation(relid) object_ownercheck(RelationRelationId, relid, GetUserId())
#else
#define kr_pg_owns_relation(relid) pg_class_ownercheck(relid, GetUserId())
#endif

/* 16 has one function for the privileges of every kind of object */
#if PG_VERSION_NUM >= 160000
#define kr_pg_may_execute(function, role) \
	(object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK)
#else
#define kr_pg_may_execute(function, role) \
	(pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK)
#endif

/* 17 finds a backend's PGPROC by number, and keeps its transaction's elsewhere */
#if PG_VERSION_NUM >= 170000
#define kr_pg_proc_of(vxid) ProcNumberGetProc((vxid).procNumber)
#define kr_pg_number_of(vxid) ((vxid).procNumber)
#define kr_pg_lxid_of(proc) ((proc)->vxid.lxid)
#else
#define kr_pg_proc_of(vxid) BackendIdGetProc((vxid).backendId)
#define kr_pg_number_of(vxid) ((vxid).backendId)
#define kr_pg_lxid_of(proc) ((proc)->lxid)
#endif

/* 18 wants bytes where base64 had characters */
#if PG_VERSION_NUM >= 180000
typedef uint8 KrB64Byte;
#else
typedef char KrB64Byte;
#endif

/* 16 lets an input function report an error without throwing it */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define kr_pg_soft_error(escontext, result, report) ereturn(escontext, result, report)
#define kr_pg_input(function, string, typioparam, typmod, escontext, result) \
	InputFunctionCallSafe(function, string, typioparam, typmod, escontext, result)
#else
#define kr_pg_soft_error(escontext, result, report) \
	do \
	{ \
		(void) (escontext); \
		ereport(ERROR, report); \
	} while (0)
#define kr_pg_input(function, string, typioparam, typmod, escontext, result) \
	((void) (escontext), *(result) = InputFunctionCall(function, string, typioparam, typmod), true)
#endif

/* 17 moved the statistics target out of the attribute */
#if PG_VERSION_NUM >= 170000
#define kr_pg_statistics_target(stats) ((stats)->attstattarget)
#else
#define kr_pg_statistics_target(stats) ((stats)->attr->attstattarget)
#endif

/* 18 tells the delay whose it is */
#if PG_VERSION_NUM >= 180000
#define kr_pg_analyze_delay() vacuum_delay_point(true)
#else
#define kr_pg_analyze_delay() vacuum_delay_point()
#endif

/* 18 dropped ExecutorRun's last argument */
#if PG_VERSION_NUM >= 180000
#define KR_EXECUTE_ONCE_PARAMETER
#define KR_EXECUTE_ONCE
#else
#define KR_EXECUTE_ONCE_PARAMETER , bool execute_once
#define KR_EXECUTE_ONCE , execute_once
#endif

/*
 * Whether a collation compares bytes; false means that it may not. utils/pg_locale.h is not included, as it wants
 * the headers of ICU, which an extension need not have. 18 has no function for it.
 */
#if PG_VERSION_NUM >= 180000
#define kr_pg_collates_bytes(collation) ((collation) == C_COLLATION_OID)
#else
extern bool lc_collate_is_c(Oid collation);
#define kr_pg_collates_bytes(collation) (OidIsValid(collation) && lc_collate_is_c(collation))
#endif

/* 16 lets an update leave out all indexes but the summarizing ones */
#if PG_VERSION_NUM >= 160000
#define KR_INDEX_UPDATE TU_UpdateIndexes
#define kr_pg_insert_index_entries(relinfo, slot, estate, update) \
	((update) == TU_None ? NIL : \
						   ExecInsertIndexTuples(relinfo, slot, estate, true, false, NULL, NIL, (update) == TU_Summarizing))
#else
#define KR_INDEX_UPDATE bool
#define kr_pg_insert_index_entries(relinfo, slot, estate, update) \
	((update) ? ExecInsertIndexTuples(relinfo, slot, estate, true, false, NULL, NIL) : NIL)
#endif

#endif
