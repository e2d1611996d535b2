/*
 * src/search/bound.h
 */
#ifndef KR_SEARCH_BOUND_H
#define KR_SEARCH_BOUND_H

#include "nodes/params.h"

/* The parameters of a plan to be made, without their values where these are encrypted; may return params. */
extern ParamListInfo kr_search_bound_params(ParamListInfo params);

#endif
