/*
 * src/search/statement.h
 *
 * What is known about the outermost statement that runs.
 */
#ifndef KR_SEARCH_STATEMENT_H
#define KR_SEARCH_STATEMENT_H

#include "nodes/pg_list.h"
#include "utils/elog.h"

/*
 * A call of the executor or of a utility statement, to be closed also when it fails.
 * placeholder: what is printed inside goes to error messages, not to the client. Lives until
 * it is left: errors inside pass through it.
 */
typedef struct KrStatement
{
	ErrorContextCallback watch; /* of hints.h */
	bool placeholder;
	Oid placeholder_for;
	bool refreshing;
	bool creating;
	struct PlanState *running;
	bool hook_follows;
	struct KrStatement *around; /* that it is inside of */
	bool transparent;           /* what it analyzes itself is the client's; false until somebody sets it */
	List *declared;             /* the types, as TypeNames, that PREPARE gives its parameters */
} KrStatement;

extern void kr_search_enter(KrStatement *saved, bool placeholder);
extern void kr_search_leave(const KrStatement *saved, bool failed);

/*
 * Whether a query that is analyzed now is the client's own: not part of another statement that runs, and of no function.
 * What EXECUTE analyzes anew counts as the client's wherever it is called, since a prepared statement must not change
 * its result.
 */
extern bool kr_search_is_outside(void);

/* The types that the statement which runs, PREPARE, gives to the first parameters; NIL inside of others. */
extern List *kr_search_declared_types(void);

/* Nothing of what ran so far can be quoted by an error any more. */
extern void kr_search_forget_values(void);

/* COPY FROM into encrypted columns has begun: CONTEXT quotes its lines. Lasts until the outermost statement ends. */
extern bool kr_search_hide_context;

/* Inside REFRESH MATERIALIZED VIEW CONCURRENTLY, which keeps whole rows in a temporary table of its own. */
extern bool kr_search_refreshing;

/* CREATE TABLE AS or SELECT INTO, itself: not what functions run inside of it. */
extern bool kr_search_creating;

#endif
