/*
 * src/kms/root_key_command.c
 *
 * Root keys from the output of a command, for those who keep them in a secrets
 * manager. The command is the operator's, so it is trusted with the key, but not
 * with our time: it may hang, print for ever, ignore signals or leave processes
 * behind, and the worker must neither wait nor leak.
 *
 * It runs in a process group of its own, which is killed when the call ends, however it ends, and
 * when this process does (subprocess.c).
 * What it prints on its standard output is never repeated anywhere; the first line
 * of its standard error is told to the operator, after anything that looks like a key was taken out.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* explicit_bzero */
#endif

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kms/root_key.h"
#include "kms/subprocess.h"

#define POLL_MS 50
#define TERM_GRACE_MS 500
#define KILL_GRACE_MS 1000
#define COMPLAINT_MAX 256

_Static_assert(sizeof(((KrKmsReport *) 0)->complaint) > COMPLAINT_MAX, "a complaint must fit the report");

#define SOURCE "output of keyring.root_key_command"

typedef struct Stream
{
	int fd; /* -1 once it has ended */
	size_t len;
	size_t size;
	bool overflow; /* more came than size */
	char *bytes;
} Stream;

typedef struct Run
{
	KrSubprocess process;
	bool exited; /* seen, but not reaped: the process id is still ours */
	bool lost;   /* gone without being reaped by us: the id may be another's by now */
	int64_t deadline;
	Stream output;
	Stream complaint;
	char output_bytes[KR_ROOT_KEY_TEXTMAX];
	char complaint_bytes[COMPLAINT_MAX];
} Run;

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
aborted(const KrKmsHost *host)
{
	return host->should_abort != NULL && host->should_abort(host->arg);
}

static void
close_stream(Stream *stream)
{
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

/* Takes what a stream has, without waiting. What does not fit is counted and dropped. */
static void
drain(Stream *stream)
{
	char rest[512];

	while (stream->fd >= 0)
	{
		size_t room = stream->size - stream->len;
		ssize_t got = room > 0 ? read(stream->fd, stream->bytes + stream->len, room) :
								 read(stream->fd, rest, sizeof(rest));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			break;
		if (got <= 0)
			close_stream(stream);
		else if (room > 0)
			stream->len += (size_t) got;
		else
		{
			/* one round only: a command that prints for ever must not keep us here */
			stream->overflow = true;
			break;
		}
	}
	explicit_bzero(rest, sizeof(rest));
}

/* Whether the command itself has ended; it stays a zombie, so its id and its group's stay ours. */
static bool
has_exited(Run *run)
{
	siginfo_t info = { 0 };

	if (!run->exited)
	{
		int got = waitid(P_PID, (id_t) run->process.pid, &info, WEXITED | WNOHANG | WNOWAIT);

		/* ECHILD: SIGCHLD is ignored here, so the child is gone without a status */
		run->lost = got < 0 && errno == ECHILD;
		run->exited = run->lost || (got == 0 && info.si_pid == run->process.pid);
	}
	return run->exited;
}

static void
wait_a_little(const Run *run, int ms)
{
	struct pollfd fds[2] = {
		{ .fd = run->output.fd, .events = POLLIN },
		{ .fd = run->complaint.fd, .events = POLLIN },
	};

	/* poll passes over negative descriptors */
	poll(fds, 2, ms);
}

/* Reads until the command has ended. Anything it left running is not waited for. */
static KrStatus
watch(Run *run, const KrKmsHost *host, KrKmsReport *report)
{
	for (;;)
	{
		bool exited = has_exited(run);
		int64_t left = run->deadline - now_ms();

		/* after the look at the process, so that nothing it wrote is missed */
		drain(&run->output);
		drain(&run->complaint);
		if (run->output.overflow)
		{
			kr_kms_say(report->message, sizeof(report->message), SOURCE " is larger than 16 kB");
			kr_kms_say(report->hint, sizeof(report->hint), "The command must print root keys of 64 hexadecimal digits, one a line.");
			return KR_KMS_CONFIG;
		}
		if (exited)
			return KR_OK;
		if (aborted(host))
		{
			kr_kms_say(report->message, sizeof(report->message), "could not wait for keyring.root_key_command: interrupted");
			return KR_KMS_ABORTED;
		}
		if (left <= 0)
		{
			kr_kms_say(report->message, sizeof(report->message),
					   "keyring.root_key_command did not end within %d ms", host->timeout_ms);
			kr_kms_say(report->hint, sizeof(report->hint),
					   "Run the command by hand as the server's user; if it is only slow, raise keyring.kms_timeout.");
			return KR_KMS_UNAVAILABLE;
		}
		wait_a_little(run, left < POLL_MS ? (int) left : POLL_MS);
	}
}

/* Keeps reading, so that the command can end, until it has or time is up. */
static void
wait_for_exit(Run *run, int ms)
{
	int64_t patience = now_ms() + ms;

	while (!has_exited(run) && now_ms() < patience)
	{
		drain(&run->output);
		drain(&run->complaint);
		wait_a_little(run, 10);
	}
}

/*
 * Ends the command and all that is left of its group, and reaps. Returns the wait
 * status, or -1 where there is none: also for a process that not even SIGKILL
 * ends because it hangs in the kernel. That one stays a zombie of ours.
 */
static int
finish(Run *run)
{
	int wait_status = -1;

	if (!has_exited(run))
		kill(-run->process.group, SIGTERM);
	wait_for_exit(run, TERM_GRACE_MS);

	/* always: it may have ended but left others behind */
	kr_kms_subprocess_kill(&run->process);
	if (run->lost)
		return -1;
	wait_for_exit(run, KILL_GRACE_MS);
	return waitpid(run->process.pid, &wait_status, WNOHANG) == run->process.pid ? wait_status : -1;
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/*
 * Makes the first line of standard error fit for a message: printable ASCII, as
 * the encoding is unknown, and without runs of hexadecimal digits that could be
 * (a part of) a key.
 */
static void
clean_complaint(Run *run, char out[COMPLAINT_MAX + 1])
{
	const char *from = run->complaint.bytes;
	size_t len = run->complaint.len;
	size_t used = 0;

	for (size_t i = 0; i < len && from[i] != '\n' && from[i] != '\r'; i++)
	{
		size_t run_len = 0;

		while (i + run_len < len && is_hex(from[i + run_len]))
			run_len++;
		if (run_len >= 32 && used + 3 <= COMPLAINT_MAX)
		{
			memcpy(out + used, "...", 3);
			used += 3;
			i += run_len - 1;
		}
		else
			out[used++] = (from[i] >= ' ' && from[i] < 0x7F) ? from[i] : '?';
	}
	out[used] = '\0';
}

/* What an exit other than 0 means to people. */
static KrStatus
refuse_exit(Run *run, int wait_status, KrKmsReport *report)
{
	char how[64];

	clean_complaint(run, report->complaint);
	if (wait_status == -1)
		kr_kms_say(how, sizeof(how), "ended in an unknown way");
	else if (WIFSIGNALED(wait_status))
		kr_kms_say(how, sizeof(how), "was ended by signal %d", WTERMSIG(wait_status));
	else
		kr_kms_say(how, sizeof(how), "failed with exit status %d", WEXITSTATUS(wait_status));
	kr_kms_say(report->message, sizeof(report->message), "keyring.root_key_command %s", how);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "See what it said in the server log; run it by hand as the server's user, with the server's environment.");
	return KR_KMS_UNAVAILABLE;
}

static KrStatus
run_to_end(KrRootKeys *out, Run *run, const KrKmsHost *host, KrKmsReport *report)
{
	KrStatus status;
	int wait_status;

	run->deadline = now_ms() + host->timeout_ms;
	if (!kr_kms_subprocess_start(&run->process, host->root_key_command))
	{
		kr_kms_say(report->message, sizeof(report->message), "could not start keyring.root_key_command: %s", strerror(errno));
		status = KR_KMS_UNAVAILABLE;
	}
	else
	{
		run->output = (Stream){ .fd = run->process.out, .bytes = run->output_bytes, .size = sizeof(run->output_bytes) };
		run->complaint = (Stream){ .fd = run->process.err, .bytes = run->complaint_bytes, .size = sizeof(run->complaint_bytes) };
		status = watch(run, host, report);
		wait_status = finish(run);
		if (status == KR_OK && wait_status != 0)
			status = refuse_exit(run, wait_status, report);
		if (status == KR_OK)
			status = kr_kms_root_keys_parse(out, run->output.bytes, run->output.len, SOURCE, report);
		close_stream(&run->output);
		close_stream(&run->complaint);
	}
	return status;
}

KrStatus
kr_kms_root_keys_from_command(KrRootKeys *out, const KrKmsHost *host, KrKmsReport *report)
{
	KrStatus status;
	Run *run;

	memset(out, 0, sizeof(*out));
	if (aborted(host))
	{
		kr_kms_say(report->message, sizeof(report->message), "could not run keyring.root_key_command: interrupted");
		return KR_KMS_ABORTED;
	}
	run = calloc(1, sizeof(*run));
	if (run == NULL)
	{
		kr_kms_say(report->message, sizeof(report->message), "could not run keyring.root_key_command: %s", strerror(errno));
		return KR_KMS_UNAVAILABLE;
	}
	status = run_to_end(out, run, host, report);
	explicit_bzero(run, sizeof(*run));
	free(run);
	if (status == KR_OK)
		out->from_command = true;
	return status;
}
