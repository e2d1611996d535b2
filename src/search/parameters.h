/*
 * src/search/parameters.h
 *
 * Parameters without a type, which the parser gave an encrypted one.
 */
#ifndef KR_SEARCH_PARAMETERS_H
#define KR_SEARCH_PARAMETERS_H

#include "parser/parse_node.h"

/*
 * Gives parameters of a statement that is being prepared base types, in the query and in what the parser will report, where
 * analyzing the statement with these types gives the same result. False where no parameter has an encrypted type.
 */
extern bool kr_search_native_parameters(ParseState *pstate, Query *query);

#endif
