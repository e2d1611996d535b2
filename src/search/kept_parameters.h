/*
 * src/search/kept_parameters.h
 *
 * Parameters of encrypted types, and which of them keep these types.
 */
#ifndef KR_SEARCH_KEPT_PARAMETERS_H
#define KR_SEARCH_KEPT_PARAMETERS_H

#include "nodes/parsenodes.h"

extern bool kr_search_is_encrypted_parameter(Node *node);
extern bool kr_search_has_encrypted_parameter(List *args);

/* The numbers of those that keep their types, of a statement that is being prepared. */
extern Bitmapset *kr_search_kept_parameters(Query *query);

#endif
