/*
 * src/worker/look.c
 *
 * Looking at the metadata of wrapping keys. No task: nobody waits for it, and it holds no secret. Few at a
 * time, so that a service that hangs has few of our connections.
 */
#include "postgres.h"

#include "keys/kek_health.h"
#include "pg/guc.h"
#include "worker/look.h"
#include "worker/settings.h"

#define KR_LOOKS 4

typedef struct KrLook
{
	bool busy;
	KrKekWork work;
	KrKmsReport report;
	KrKmsDescription description;
	KrKmsCall call;
} KrLook;

static KrLook looks[KR_LOOKS];

static bool
has_room(void)
{
	for (int i = 0; i < KR_LOOKS; i++)
	{
		if (!looks[i].busy)
			return true;
	}
	return false;
}

static bool
never(void *arg)
{
	return false;
}

static void
start(KrLook *look)
{
	memset(&look->call, 0, sizeof(look->call));
	look->busy = true;
	look->call.provider = kr_kms_provider(look->work.provider);
	look->call.op = KR_KMS_DESCRIBE;
	look->call.host = kr_worker_host();
	look->call.host.should_abort = never;
	look->call.resource = look->work.resource;
	look->call.version = look->work.kek_version;
	look->call.report = &look->report;
	look->call.description = &look->description;
	kr_kms_call_start(&look->call);
}

bool
kr_worker_begin_look(void)
{
	for (int i = 0; i < KR_LOOKS; i++)
	{
		if (looks[i].busy)
			continue;
		if (!kr_keys_kek_next(&looks[i].work))
			return false;
		start(&looks[i]);
		return true;
	}
	return false;
}

bool
kr_worker_step_looks(void)
{
	bool ended = false;

	for (int i = 0; i < KR_LOOKS; i++)
	{
		KrLook *look = &looks[i];

		if (!look->busy || !kr_kms_call_step(&look->call))
			continue;
		look->busy = false;
		ended = true;
		kr_keys_kek_learned(&look->work, look->call.status, &look->description);
	}
	return ended;
}

long
kr_worker_looks_due(void)
{
	long due = has_room() ? kr_keys_kek_next_due() : -1;

	for (int i = 0; i < KR_LOOKS; i++)
	{
		int wake_ms = looks[i].call.wake_ms;

		if (looks[i].busy && wake_ms >= 0)
			due = due < 0 ? wake_ms : Min(due, wake_ms);
	}
	return due;
}

void
kr_worker_stop_looks(void)
{
	for (int i = 0; i < KR_LOOKS; i++)
	{
		if (looks[i].busy)
			kr_kms_call_cancel(&looks[i].call);
		looks[i].busy = false;
	}
}
