/*
 * src/search/created.h
 */
#ifndef KR_SEARCH_CREATED_H
#define KR_SEARCH_CREATED_H

#include "nodes/parsenodes.h"

/*
 * Casts the encrypted columns of an analyzed CREATE TABLE AS, SELECT INTO or CREATE
 * MATERIALIZED VIEW: to their own typmod, which makes their values fresh, or to
 * randomized where they have none. Changes the statement in place.
 */
extern void kr_search_give_created_columns_modes(CreateTableAsStmt *statement);

#endif
