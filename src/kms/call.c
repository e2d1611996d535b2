/*
 * src/kms/call.c
 *
 * A call of any provider, as the worker makes it: started, gone on with, ended. A provider whose
 * functions return when all is done ends its calls as they start.
 */
#include <string.h>

#include "kms/provider.h"

static KrStatus
run(KrKmsCall *call)
{
	const KrKmsProvider *provider = call->provider;

	switch (call->op)
	{
		case KR_KMS_WRAP:
			return provider->wrap(call->wrapped, call->secret, call->aad, call->aad_len, call->resource, &call->host,
								  call->report);
		case KR_KMS_UNWRAP:
			return provider->unwrap(call->unwrapped, call->wrap, call->wrap_len, call->aad, call->aad_len, call->resource,
									&call->host, call->report);
		case KR_KMS_DESCRIBE:
			return provider->describe(call->description, call->resource, &call->host, call->report);
		case KR_KMS_PROBE:
			/* nor does anybody grant what is done without a service */
			memset(call->report, 0, sizeof(*call->report));
			memset(call->permissions, 0, sizeof(*call->permissions));
			return KR_OK;
		case KR_KMS_IDENTIFY:
			/* nobody has to grant anything to who asks no service */
			memset(call->report, 0, sizeof(*call->report));
			call->identity[0] = '\0';
			return KR_OK;
	}
	return KR_KMS_CONFIG;
}

void
kr_kms_call_start(KrKmsCall *call)
{
	call->ended = false;
	call->state = NULL;
	call->wake_ms = -1;
	call->status = KR_KMS_ABORTED;
	if (call->provider->start != NULL)
	{
		memset(call->report, 0, sizeof(*call->report));
		call->provider->start(call);
		return;
	}
	call->status = run(call);
	call->ended = true;
}

bool
kr_kms_call_step(KrKmsCall *call)
{
	if (!call->ended)
		call->ended = call->provider->step(call);
	return call->ended;
}

void
kr_kms_call_cancel(KrKmsCall *call)
{
	if (call->ended)
		return;
	call->provider->cancel(call);
	call->status = KR_KMS_ABORTED;
	call->ended = true;
}
