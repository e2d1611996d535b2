/*
 * test/unit/http_kit.c
 *
 * The server is a child that forks for each connection, so that a slow answer delays no other.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/http_kit.h"
#include "unit/root_key_kit.h"

#define LINES 64

typedef struct Shared
{
	int counts[LINES];
	char sent[KIT_HTTP_SENTMAX];
} Shared;

static Shared *shared;
static pid_t server = -1;

static void
stop(void)
{
	if (server > 0)
		kill(server, SIGKILL);
}

static size_t
read_request(int fd, char *out, size_t size)
{
	size_t len = 0;
	const char *end;

	out[0] = '\0';
	for (;;)
	{
		ssize_t got = read(fd, out + len, size - 1 - len);
		const char *length;

		if (got <= 0)
			return len;
		len += (size_t) got;
		out[len] = '\0';
		end = strstr(out, "\r\n\r\n");
		if (end == NULL)
			continue;
		length = strstr(out, "Content-Length: ");
		if (length == NULL || len >= (size_t) (end + 4 - out) + strtoul(length + 16, NULL, 10))
			return len;
	}
}

static void
answer(int fd, const KitAnswer *answers)
{
	static char sent[KIT_HTTP_SENTMAX];

	if (read_request(fd, sent, sizeof(sent)) == 0)
		return;
	for (int i = 0; answers[i].path != NULL; i++)
	{
		if (strncmp(sent, answers[i].path, strlen(answers[i].path)) != 0)
			continue;
		if (answers[i].times > 0 && shared->counts[i] >= answers[i].times)
			continue;
		__atomic_add_fetch(&shared->counts[i], 1, __ATOMIC_SEQ_CST);
		memcpy(shared->sent, sent, sizeof(sent));
		usleep((useconds_t) answers[i].delay_ms * 1000);
		if (answers[i].raw != NULL && write(fd, answers[i].raw, strlen(answers[i].raw)) < 0)
			return;
		return;
	}
}

static void
serve(int listener, const KitAnswer *answers)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
	{
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		if (fork() == 0)
		{
			answer(fd, answers);
			shutdown(fd, SHUT_RDWR);
			_exit(0);
		}
		close(fd);
	}
}

const char *
kit_http_serve(const KitAnswer *answers)
{
	static char url[64];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	signal(SIGPIPE, SIG_IGN);
	shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || listener < 0 || bind(listener, (struct sockaddr *) &address, len) != 0 ||
		listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *) &address, &len) != 0)
	{
		perror("http_kit");
		exit(1);
	}
	server = fork();
	if (server == 0)
		serve(listener, answers);
	close(listener);
	atexit(stop);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	return url;
}

int
kit_http_count(int line)
{
	return __atomic_load_n(&shared->counts[line], __ATOMIC_SEQ_CST);
}

void
kit_http_reset(void)
{
	memset(shared, 0, sizeof(Shared));
}

const char *
kit_http_sent(void)
{
	return shared->sent;
}

const KrHttpAnswer *
kit_http_wait(const KrHttpRequest *request)
{
	double end = kit_seconds() + 20;

	while (kr_kms_http_answer(request) == NULL && kit_seconds() < end)
		kr_kms_http_pump(100);
	return kr_kms_http_answer(request);
}
