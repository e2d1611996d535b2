/*
 * test/supp/cppcheck.h
 *
 * PostgreSQL's control-flow macros in words that cppcheck can follow; it does
 * not read the server's headers.
 */
#define PG_VERSION_NUM 150000
#define PGDLLEXPORT
#define KR_FUNCTION(name) Datum name(PG_FUNCTION_ARGS)
#define PG_FUNCTION_ARGS FunctionCallInfo fcinfo
#define PG_MODULE_MAGIC
#define foreach(cell, list) for (cell = list_head(list); cell != NULL; cell = lnext(list, cell))
#define forboth(a, one, b, two) \
	for (a = list_head(one), b = list_head(two); a != NULL && b != NULL; a = lnext(one, a), b = lnext(two, b))
#define PG_TRY() if (setjmp(jump) == 0)
#define PG_CATCH() else
#define PG_FINALLY()
#define PG_END_TRY()
#define pg_attribute_noreturn() __attribute__((noreturn))
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define ereport(level, rest) \
	do \
	{ \
		if ((level) >= ERROR) \
			abort(); \
	} while (0)
#define elog(level, ...) ereport(level, 0)
#define PG_RETURN_CSTRING(value) return CStringGetDatum(value)
#define PG_RETURN_DATUM(value) return value
#define PG_RETURN_BOOL(value) return BoolGetDatum(value)
#define PG_RETURN_INT32(value) return Int32GetDatum(value)
#define PG_RETURN_POINTER(value) return PointerGetDatum(value)
#define PG_RETURN_NULL() return (Datum) 0
#define PG_RETURN_VOID() return (Datum) 0
#define pg_unreachable() abort()
