/*
 * src/search/bound.c
 *
 * A plan that is made for the values of its parameters holds them as constants. One of an encrypted type says
 * nothing to the planner, but EXPLAIN and auto_explain would print it: in the clear, or, for a user who writes and may not
 * read, as an error of the statement. So such parameters stay parameters.
 */
#include "postgres.h"

#include "search/bound.h"
#include "types/basetype.h"

static bool
is_encrypted(Oid type)
{
	return kr_types_lookup(type) != NULL || kr_types_of_array(type) != NULL;
}

static bool
has_encrypted(ParamListInfo params)
{
	for (int i = 0; i < params->numParams; i++)
	{
		if (is_encrypted(params->params[i].ptype))
			return true;
	}
	return false;
}

static void
unbind(ParamExternData *param)
{
	if (is_encrypted(param->ptype))
		param->pflags &= ~PARAM_FLAG_CONST;
}

/* Variables of PL/pgSQL are fetched one by one; their types are not known before. */
static ParamExternData *
fetch(ParamListInfo params, int id, bool speculative, ParamExternData *workspace)
{
	ParamListInfo bound = params->paramFetchArg;
	ParamExternData *fetched = bound->paramFetch(bound, id, speculative, workspace);

	if (fetched != workspace)
		*workspace = *fetched;
	unbind(workspace);
	return workspace;
}

ParamListInfo
kr_search_bound_params(ParamListInfo params)
{
	ParamListInfo result;

	if (params == NULL || (params->paramFetch == NULL && !has_encrypted(params)))
		return params;

	result = makeParamList(params->numParams);
	if (params->paramFetch != NULL)
	{
		result->paramFetch = fetch;
		result->paramFetchArg = params;
		return result;
	}
	for (int i = 0; i < params->numParams; i++)
	{
		result->params[i] = params->params[i];
		unbind(&result->params[i]);
	}
	return result;
}
