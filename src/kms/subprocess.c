/*
 * src/kms/subprocess.c
 *
 * Starting a command, and ending it with all that it has started.
 *
 * The group's first member is a guard: a process that waits for the end of a pipe
 * which the caller holds open, and then kills the group. So a caller that is
 * killed, as the server's processes are by an immediate stop, leaves nothing
 * behind either. As long as the guard has not been reaped the group's number
 * cannot become another's.
 *
 * Between fork and exec the child is a copy of a process with handlers for
 * signals, so signals stay blocked until all handlers are gone, and only
 * async-signal-safe functions are called. The guard is a shell too: a copy of the
 * caller that stayed would hold copies of its secrets.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2 */
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "kms/subprocess.h"

/* "read" ends at the end of the pipe; 0 is the group, the guard itself included */
#define GUARD "read x; kill -9 0"

/* What a child's standard descriptors become, and which group it joins (0: one of its own). */
typedef struct Plan
{
	const char *command;
	int in;
	int out;
	int err;
	pid_t group;
	bool guard;
} Plan;

/* Closes everything above standard error; the fallback is for kernels before 5.9. */
static void
close_others(long limit)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return;
#endif
	for (int fd = 3; fd < limit; fd++)
		close(fd);
}

/* The child's side of the fork. */
static _Noreturn void
run_plan(const Plan *plan, pid_t parent, long fd_limit)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	struct sigaction ignored = { .sa_handler = SIG_IGN };
	sigset_t none;

	/* no such group any more: the guard has done its work, as the caller is gone */
	if (setpgid(0, plan->group) != 0)
		_exit(126);
#ifdef __linux__
	/* the command's own death certificate, should somebody have killed the guard */
	prctl(PR_SET_PDEATHSIG, plan->guard ? 0 : SIGKILL);
	/* a guard that comes late must still find the end of the pipe, and kill */
	if (!plan->guard && getppid() != parent)
		_exit(126);
#else
	(void) parent;
#endif

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		sigaction(signal_number, &by_default, NULL);
	/* the group is asked to end before it is killed, and the guard comes last */
	if (plan->guard)
		sigaction(SIGTERM, &ignored, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	if (dup2(plan->in, 0) < 0 || dup2(plan->out, 1) < 0 || dup2(plan->err, 2) < 0)
		_exit(126);
	close_others(fd_limit);
	execl("/bin/sh", "sh", "-c", plan->command, (char *) NULL);
	_exit(127);
}

/* The new process, or -1 with errno. */
static pid_t
fork_plan(const Plan *plan)
{
	long fd_limit = sysconf(_SC_OPEN_MAX);
	pid_t self = getpid();
	sigset_t all;
	sigset_t before;
	pid_t pid;
	int error;

	/* a container may allow 2^30 descriptors; closing that many takes minutes */
	if (fd_limit < 0 || fd_limit > 65536)
		fd_limit = 65536;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_plan(plan, self, fd_limit);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid > 0)
		setpgid(pid, plan->group == 0 ? pid : plan->group); /* the child does it too: whoever comes first */
	errno = error;
	return pid;
}

/* A descriptor above the standard three, so that dup2 in the child cannot hit it. Takes fd over. */
static int
move_up(int fd)
{
	int high;

	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

static bool
open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
	{
		ends[0] = ends[1] = -1;
		return false;
	}
	ends[0] = move_up(ends[0]);
	ends[1] = move_up(ends[1]);
	return ends[0] >= 0 && ends[1] >= 0;
}

static void
close_end(int fd)
{
	if (fd >= 0)
		close(fd);
}

static bool
no_waiting(int fd)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

bool
kr_kms_subprocess_start(KrSubprocess *subprocess, const char *command)
{
	int life[2] = { -1, -1 };
	int out[2] = { -1, -1 };
	int err[2] = { -1, -1 };
	int in = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
	int error;

	subprocess->pid = subprocess->group = -1;
	if (in >= 0 && open_pipe(life) && open_pipe(out) && open_pipe(err) && no_waiting(out[0]) && no_waiting(err[0]))
	{
		Plan guard = { .command = GUARD, .in = life[0], .out = in, .err = in, .guard = true };
		Plan plan = { .command = command, .in = in, .out = out[1], .err = err[1] };

		subprocess->group = fork_plan(&guard);
		plan.group = subprocess->group;
		if (subprocess->group > 0)
			subprocess->pid = fork_plan(&plan);
	}

	error = errno;
	close_end(in);
	close_end(life[0]);
	close_end(out[1]);
	close_end(err[1]);
	subprocess->life = life[1];
	subprocess->out = out[0];
	subprocess->err = err[0];
	if (subprocess->pid < 0)
	{
		close_end(out[0]);
		close_end(err[0]);
		subprocess->out = subprocess->err = -1;
		kr_kms_subprocess_kill(subprocess);
	}
	errno = error;
	return subprocess->pid > 0;
}

void
kr_kms_subprocess_kill(KrSubprocess *subprocess)
{
	close_end(subprocess->life);
	subprocess->life = -1;
	if (subprocess->group <= 0)
		return;
	kill(-subprocess->group, SIGKILL);
	while (waitpid(subprocess->group, NULL, 0) < 0 && errno == EINTR)
		;
	subprocess->group = -1;
}
