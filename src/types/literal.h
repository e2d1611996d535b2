/*
 * src/types/literal.h
 *
 * While a query is parsed, PostgreSQL looks for expressions that it repeats: what is selected and
 * what it is grouped by, DISTINCT and ORDER BY. Constants are equal if their bytes are, and two envelopes
 * of one value never are. So a literal that comes again in the same query gets the envelope
 * that it had before. None is stored: parsing done, all are turned back (search/literals.c), and
 * what a column gets is sealed for it.
 */
#ifndef KR_TYPES_LITERAL_H
#define KR_TYPES_LITERAL_H

#include "types/basetype.h"

/* Whether the input function that runs was called for a literal of a query's expressions, by the parser. */
extern bool kr_types_parsing_literal(void);

/* A copy of the envelope that this literal had in this query, or NULL: also when it is under another key than the primary. */
extern struct varlena *kr_types_recall_literal(const KrBaseType *base, const char *string);

extern void kr_types_remember_literal(const KrBaseType *base, const char *string, const struct varlena *envelope);

/* The query has been parsed. */
extern void kr_types_forget_literals(void);

#endif
