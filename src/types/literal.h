/*
 * src/types/literal.h
 *
 * While a query is parsed, PostgreSQL calls the input function for each literal, and the parse hook turns what it got
 * back (search/literals.c): what a column gets is sealed for it, and what it is compared with gets a token. So
 * nothing is sealed for the parser. Where the hook follows, the parser gets a stand-in, which the hook
 * looks up here. It leaves the parser in no other way: what passes no hook is sealed at once.
 *
 * PostgreSQL also looks for expressions that a query repeats: what is selected and what it is grouped by, DISTINCT and
 * ORDER BY. Constants are equal if their bytes are, and two envelopes of one value never are. So a literal that
 * comes again in the same query gets the stand-in, or the envelope, that it had before.
 */
#ifndef KR_TYPES_LITERAL_H
#define KR_TYPES_LITERAL_H

#include "fmgr.h"
#include "parser/parse_node.h"
#include "types/basetype.h"

/* Set by src/search: whether a query that is parsed now passes the parse hook before anything else happens to it. */
extern bool kr_types_hook_follows;

/* Becomes true when an input function makes a value that was given no column; the parse hook clears it. */
extern bool kr_types_met_literal;

/* Whether the input function that runs was called for a literal of a query's expressions, by the parser. */
extern bool kr_types_parsing_literal(void);

/* Whether this literal, which is one, can have a stand-in. */
extern bool kr_types_may_stand_in(FunctionCallInfo fcinfo);

/*
 * A copy of the stand-in or of the envelope that this literal had in this query, or NULL: also when that
 * is under another key than the primary.
 */
extern struct varlena *kr_types_recall_literal(const KrBaseType *base, const char *string);

extern void kr_types_remember_literal(const KrBaseType *base, const char *string, const struct varlena *envelope);

/* Remembers a literal's value, and returns what stands in for it; NULL where there is no room for more. */
extern struct varlena *kr_types_stand_in(const KrBaseType *base, const char *string, Datum plain);

/* For a stand-in of the query that was parsed: a copy of what it stands for. False for an envelope. */
extern bool kr_types_literal_plain(const struct varlena *value, Datum *plain);

/* The query of this state, an outermost one, has been parsed. */
extern void kr_types_forget_literals(const ParseState *pstate);

#endif
