/*
 * src/kms/http.c
 *
 * Driving libcurl's multi interface: which sockets it waits for, when it wants to be called, which requests have
 * ended. A request's own part is in http_request.c.
 *
 * libcurl resolves names in threads of its own. They are born with every signal
 * blocked, or one of them would run the server's signal handlers.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "kms/http_request.h"
#include "kms/wiping.h"

static CURLM *multi = NULL;
static KrHttpSocket sockets[KR_HTTP_SOCKETSMAX];
static int socket_count = 0;
static int64_t due = -1; /* on now_ms's clock */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
kr_kms_http_signals_off(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, before);
}

void
kr_kms_http_signals_back(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static int
find_socket(curl_socket_t fd)
{
	int i = 0;

	while (i < socket_count && sockets[i].fd != fd)
		i++;
	return i;
}

/* libcurl's word on one socket. What does not fit into the table is driven by time alone: slow, but not lost. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	int i = find_socket(fd);

	(void) easy;
	(void) arg;
	(void) socket_arg;
	if (what == CURL_POLL_REMOVE)
	{
		if (i < socket_count)
			sockets[i] = sockets[--socket_count];
		return 0;
	}
	if (i == KR_HTTP_SOCKETSMAX)
		return 0;
	if (i == socket_count)
		socket_count++;
	sockets[i] = (KrHttpSocket){ .fd = fd, .read = (what & CURL_POLL_IN) != 0, .write = (what & CURL_POLL_OUT) != 0 };
	return 0;
}

static int
on_timer(CURLM *handle, long timeout_ms, void *arg)
{
	(void) handle;
	(void) arg;
	due = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	return 0;
}

CURLM *
kr_kms_http_multi(void)
{
	if (multi != NULL)
		return multi;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, kr_kms_wiping_malloc, kr_kms_wiping_free, kr_kms_wiping_realloc,
							 kr_kms_wiping_strdup, kr_kms_wiping_calloc) != CURLE_OK)
		return NULL;
	multi = curl_multi_init();
	if (multi == NULL)
		return NULL;
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 16L);
	return multi;
}

int
kr_kms_http_sockets(KrHttpSocket *out, int max)
{
	int count = socket_count < max ? socket_count : max;

	memcpy(out, sockets, (size_t) count * sizeof(*out));
	return count;
}

long
kr_kms_http_due(void)
{
	int64_t left;

	if (due < 0)
		return -1;
	left = due - now_ms();
	return left < 0 ? 0 : (long) left;
}

static void
collect(void)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
			kr_kms_http_ended(message->easy_handle, message->data.result);
	}
}

void
kr_kms_http_drive(int fd, bool readable, bool writable)
{
	int events = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
	sigset_t before;
	int running;

	if (multi == NULL)
		return;
	kr_kms_http_signals_off(&before);
	if (fd >= 0)
		curl_multi_socket_action(multi, fd, events, &running);
	if (due >= 0 && due <= now_ms())
	{
		due = -1;
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	collect();
	kr_kms_http_signals_back(&before);
}

void
kr_kms_http_pump(int ms)
{
	struct pollfd fds[KR_HTTP_SOCKETSMAX];
	int count = socket_count; /* driving changes the table */
	long left = kr_kms_http_due();

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){
			.fd = sockets[i].fd, .events = (short) ((sockets[i].read ? POLLIN : 0) | (sockets[i].write ? POLLOUT : 0))
		};
	if (poll(fds, (nfds_t) count, left >= 0 && left < ms ? (int) left : ms) > 0)
	{
		for (int i = 0; i < count; i++)
		{
			if (fds[i].revents != 0)
				kr_kms_http_drive(fds[i].fd, (fds[i].revents & ~POLLOUT) != 0, (fds[i].revents & POLLOUT) != 0);
		}
	}
	kr_kms_http_drive(-1, false, false);
}
