/*
 * src/worker/wait.c
 *
 * Waiting for the latch and for libcurl's sockets at once. The set is made anew each time: the
 * sockets change from wait to wait, and the kernel forgets one that was closed while a kept set would not.
 */
#include "postgres.h"

#include "kms/http.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "utils/wait_event.h"
#include "worker/wait.h"

#define KR_SOCKETS 256
#define KR_EVENTS 16

static uint32
wanted(const KrHttpSocket *sock)
{
	return (sock->read ? WL_SOCKET_READABLE : 0) | (sock->write ? WL_SOCKET_WRITEABLE : 0);
}

static long
shorter(long a, long b)
{
	if (a < 0 || b < 0)
		return Max(a, b);
	return Min(a, b);
}

static int
wait_for(WaitEvent *events, const KrHttpSocket *sockets, int count, long ms)
{
	WaitEventSet *set = kr_pg_wait_event_set(count + 2);
	int ready;

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (int i = 0; i < count; i++)
	{
		if (wanted(&sockets[i]) != 0)
			AddWaitEventToSet(set, wanted(&sockets[i]), sockets[i].fd, NULL, NULL);
	}
	ready = WaitEventSetWait(set, ms, events, KR_EVENTS, kr_pg_wait_event("KeyringKmsMain"));
	FreeWaitEventSet(set);
	return ready;
}

void
kr_worker_wait(long ms)
{
	KrHttpSocket sockets[KR_SOCKETS];
	WaitEvent events[KR_EVENTS];
	int count = kr_kms_http_sockets(sockets, KR_SOCKETS);
	int ready = wait_for(events, sockets, count, shorter(ms, kr_kms_http_due()));

	for (int i = 0; i < ready; i++)
	{
		if ((events[i].events & WL_SOCKET_MASK) != 0)
			kr_kms_http_drive(events[i].fd, (events[i].events & WL_SOCKET_READABLE) != 0,
							  (events[i].events & WL_SOCKET_WRITEABLE) != 0);
	}
	kr_kms_http_drive(-1, false, false);
	ResetLatch(MyLatch);
}

bool
kr_worker_stopping(void)
{
	return ShutdownRequestPending || !PostmasterIsAlive();
}
