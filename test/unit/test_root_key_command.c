/*
 * test/unit/test_root_key_command.c
 *
 * Root keys from a command, and every way in which a command can misbehave. None
 * may keep the caller waiting, leave a process behind, or get a key into a message.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/root_key_kit.h"
#include "unit/tap.h"

static KrRootKeys keys;
static KrKmsReport report;
static double took;

static KrStatus
run_with(const KrKmsHost *host)
{
	double start = kit_seconds();
	KrStatus status;

	memset(&report, 0, sizeof(report));
	status = kr_kms_root_keys_load(&keys, KR_ROOT_KEY_MAY_CREATE, host, &report);
	took = kit_seconds() - start;
	return status;
}

static KrStatus
run(const char *command)
{
	KrKmsHost host = kit_host(NULL);

	host.root_key_command = command;
	return run_with(&host);
}

static KrStatus
run_for(int timeout_ms, const char *command)
{
	KrKmsHost host = kit_host(NULL);

	host.root_key_command = command;
	host.timeout_ms = timeout_ms;
	return run_with(&host);
}

/* Whether the process whose id is in a file of ours has gone; init may need a moment to reap it. */
static bool
has_gone(const char *pid_file)
{
	pid_t pid = (pid_t) atoi(kit_read(kit_path(pid_file)));

	for (int i = 0; i < 100 && pid > 0; i++)
	{
		char path[64];
		const char *state;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
		state = strrchr(kit_read(path), ')');
		if (kill(pid, 0) != 0 || (state != NULL && state[1] == ' ' && state[2] == 'Z'))
			return true;
		usleep(20000);
	}
	return false;
}

static bool
has_no_children(void)
{
	return waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD;
}

static int
count_descriptors(void)
{
	return kit_count_files("/proc/self/fd");
}

static void
test_good(void)
{
	tap_ok(run("echo " KIT_KEY_1) == KR_OK && keys.count == 1 && keys.from_command && keys.device == 0, "one key");
	tap_ok(run("printf '%s\\r\\n' " KIT_KEY_2 " " KIT_KEY_1) == KR_OK && keys.count == 2, "two keys");
	tap_ok(run("printf " KIT_KEY_1) == KR_OK, "no newline");
	tap_ok(run("cat >/dev/null; echo " KIT_KEY_1) == KR_OK && took < 10, "standard input is empty");
	tap_ok(run("echo '# from the vault'; echo noise >&2; echo " KIT_KEY_1) == KR_OK && report.message[0] == '\0',
		   "a comment, and chatter on standard error");
	tap_ok(run("i=0; while [ $i -lt 2000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done >&2; echo " KIT_KEY_1) == KR_OK,
		   "80 kB on standard error do not block it");
	tap_ok(run("exec >&1; sleep 0.3; echo " KIT_KEY_1) == KR_OK && took >= 0.3, "a slow one is waited for");
	tap_ok(run("echo " KIT_KEY_1 "; exec >&- 2>&-; sleep 0.3") == KR_OK && took >= 0.3, "one that closes its output early, too");
	tap_ok(has_no_children(), "no child is left");
}

static void
test_failing(void)
{
	tap_ok(run("exit 3") == KR_KMS_UNAVAILABLE && keys.count == 0, "exit status 3");
	kit_contains(report.message, "failed with exit status 3", "is named");
	tap_ok(run("echo " KIT_KEY_1 "; exit 1") == KR_KMS_UNAVAILABLE && keys.count == 0, "a key, but exit status 1");
	tap_ok(run("/no/such/program") == KR_KMS_UNAVAILABLE, "no such program");
	kit_contains(report.message, "exit status 127", "its status is named");
	kit_contains(report.complaint, "/no/such/program", "and what the shell says, apart");
	tap_ok(strstr(report.message, "/no/such/program") == NULL, "not in what everybody is told");
	tap_ok(run("kill -9 $$") == KR_KMS_UNAVAILABLE, "killed");
	kit_contains(report.message, "was ended by signal 9", "the signal is named");
	tap_ok(run("echo 'permission denied' >&2; echo second line >&2; exit 1") == KR_KMS_UNAVAILABLE, "complains");
	tap_ok(strcmp(report.complaint, "permission denied") == 0, "the first line is told");
	tap_ok(strstr(report.message, "denied") == NULL, "but not to everybody");
	tap_ok(strstr(report.complaint, "second") == NULL, "the second is not");
	kit_contains(report.hint, "by hand", "the hint says how to look into it");
	tap_ok(run("echo " KIT_KEY_1 " >&2; exit 1") == KR_KMS_UNAVAILABLE, "prints the key as its complaint");
	tap_ok(strstr(report.complaint, "0001020304") == NULL, "the key is not repeated");
	kit_contains(report.complaint, "...", "but taken out");
	tap_ok(run("echo got " KIT_KEY_1 "00 >&2; exit 1") == KR_KMS_UNAVAILABLE && strstr(report.complaint, "1f00") == NULL, "nor inside a line");
	tap_ok(run("printf 'caf\\303\\251 \\033[31m\\177\\n' >&2; exit 1") == KR_KMS_UNAVAILABLE, "not ASCII");
	kit_contains(report.complaint, "caf?? ?[31m?", "control characters and bytes of unknown encoding are replaced");
	tap_ok(run("i=0; while [ $i -lt 100 ]; do printf 'complaint '; i=$((i+1)); done >&2; exit 1") == KR_KMS_UNAVAILABLE &&
			   strlen(report.complaint) < sizeof(report.complaint),
		   "a long complaint is cut");
}

static void
test_malformed(void)
{
	tap_ok(run("true") == KR_KMS_CONFIG, "prints nothing");
	kit_contains(report.message, "output of keyring.root_key_command holds no root key", "it is said so");
	tap_ok(run("echo hello") == KR_KMS_CONFIG && keys.count == 0, "prints garbage");
	kit_contains(report.message, "line 1 holds something", "the line is named");
	tap_ok(strstr(report.message, "hello") == NULL, "and not repeated");
	tap_ok(run("echo " KIT_KEY_1 "; echo 0123") == KR_KMS_CONFIG, "a key, then half of one");
	kit_contains(report.message, "line 2 is too short", "the line is named");
	tap_ok(run("head -c 32 /dev/zero") == KR_KMS_CONFIG, "32 raw bytes");
	tap_ok(run("echo " KIT_KEY_1 "; head -c 16319 /dev/zero | tr '\\0' '\\n'") == KR_OK, "16384 bytes are allowed");
	tap_ok(run("echo " KIT_KEY_1 "; head -c 16320 /dev/zero | tr '\\0' '\\n'") == KR_KMS_CONFIG, "16385 are not");
	kit_contains(report.message, "is larger than 16 kB", "it is said so");
	tap_ok(run("yes") == KR_KMS_CONFIG && took < 10, "prints for ever");
	kit_contains(report.message, "is larger than 16 kB", "it is said so");
	tap_ok(run("trap '' TERM PIPE; while :; do echo x 2>/dev/null; done") == KR_KMS_CONFIG && took < 10, "prints for ever and ignores SIGTERM");
	tap_ok(has_no_children(), "no child is left");
}

static void
test_slow(void)
{
	tap_ok(run_for(300, "sleep 60") == KR_KMS_UNAVAILABLE && took >= 0.29 && took < 10, "runs out of time");
	kit_contains(report.message, "did not end within 300 ms", "it is said so");
	kit_contains(report.hint, "keyring.kms_timeout", "with a hint");
	tap_ok(run_for(300, "echo " KIT_KEY_1 "; sleep 60") == KR_KMS_UNAVAILABLE && keys.count == 0, "even if it printed a key");
	tap_ok(run_for(1000, "trap '' TERM; echo $$ > "
						 "stubborn; while :; do sleep 1; done") == KR_KMS_UNAVAILABLE &&
			   took < 10,
		   "ignores SIGTERM");
	tap_ok(has_gone("stubborn"), "and is gone nevertheless");
	tap_ok(run_for(1000, "trap 'echo asked > asked; exit 0' TERM; while :; do sleep 0.05; done") == KR_KMS_UNAVAILABLE, "one that heeds SIGTERM");
	kit_contains(kit_read(kit_path("asked")), "asked", "could clean up");
	tap_ok(run_for(300, "while :; do echo x >&2; done") == KR_KMS_UNAVAILABLE && took < 10, "complains for ever");
	tap_ok(run_for(0, "sleep 60") == KR_KMS_UNAVAILABLE && took < 10, "no time at all");
	tap_ok(run_for(-1, "sleep 60") == KR_KMS_UNAVAILABLE && took < 10, "less than none");
	tap_ok(has_no_children(), "no child is left");
}

static void
test_leftovers(void)
{
	tap_ok(run("sleep 60 & echo $! > grandchild; echo " KIT_KEY_1) == KR_OK && took < 10, "leaves a grandchild that holds its output open");
	tap_ok(has_gone("grandchild"), "which is gone");
	tap_ok(run_for(1000, "(trap '' TERM; sleep 60) & echo $! > grandchild; wait") == KR_KMS_UNAVAILABLE && took < 10, "waits for a grandchild");
	tap_ok(has_gone("grandchild"), "which is gone");
	tap_ok(run("(trap '' HUP TERM; while :; do sleep 0.1; done) >/dev/null 2>&1 & echo $! > grandchild; exit 1") == KR_KMS_UNAVAILABLE,
		   "fails and leaves a grandchild");
	tap_ok(has_gone("grandchild"), "which is gone");
}

/* Says so once the command has named itself. */
static bool
once_started(void *arg)
{
	int *said = arg;

	if (access(kit_path("victim"), F_OK) != 0)
		return false;
	++*said;
	return true;
}

static bool
count_only(void *arg)
{
	int *asked = arg;

	++*asked;
	return false;
}

static void
test_abort(void)
{
	KrKmsHost host = kit_host(NULL);
	int asked = 0;

	host.root_key_command = "echo $$ > victim.new; mv victim.new victim; sleep 60";
	host.should_abort = once_started;
	host.arg = &asked;
	tap_ok(run_with(&host) == KR_KMS_ABORTED && keys.count == 0, "aborted");
	tap_ok(asked == 1, "as soon as it is told");
	tap_ok(has_gone("victim"), "the command is gone");
	host.root_key_command = "echo started > started; echo " KIT_KEY_1;
	tap_ok(run_with(&host) == KR_KMS_ABORTED && access(kit_path("started"), F_OK) != 0, "aborted before it starts");
	host.should_abort = NULL;
	tap_ok(run_with(&host) == KR_OK, "nobody to ask");

	host.root_key_command = "sleep 60";
	host.should_abort = count_only;
	host.timeout_ms = 1000;
	asked = 0;
	tap_ok(run_with(&host) == KR_KMS_UNAVAILABLE && asked >= 10, "asked every 100 ms: %d times in a second", asked);
}

static void
on_signal(int signal_number)
{
	/* must never run in the child: there it could touch what the parent shares */
	(void) !write(2, "handler ran in the child\n", 25);
}

/* A set of signals as the command has found it, without the two that the C library keeps to itself. */
static unsigned long long
signals_of(const char *set)
{
	const char *line = strstr(kit_read(kit_path("signals")), set);

	return line == NULL ? ~0ULL : strtoull(line + strlen(set) + 1, NULL, 16) & ~(3ULL << 31);
}

/* What the command finds in its process. */
static void
test_surroundings(void)
{
	sigset_t blocked;
	sigset_t before;
	int before_count = count_descriptors();
	int secret = open("/dev/null", O_RDONLY); /* not close-on-exec, as many of the server's are */

	fcntl(secret, F_DUPFD, 100);
	tap_ok(run("ls /proc/self/fd > fds; echo " KIT_KEY_1) == KR_OK, "looks at its descriptors");
	tap_ok(strcmp(kit_read(kit_path("fds")), "0\n1\n2\n3\n") == 0, "only the standard ones, and the one it looks through");
	close(secret);
	close(100);
	tap_ok(count_descriptors() == before_count, "no descriptor of ours is left open");

	signal(SIGUSR1, on_signal);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	tap_ok(run("grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status > signals; echo " KIT_KEY_1) == KR_OK, "looks at its signals");
	tap_ok(signals_of("SigBlk") == 0, "none is blocked");
	tap_ok(signals_of("SigIgn") == 0, "none is ignored");
	tap_ok(sigprocmask(SIG_SETMASK, &before, &blocked) == 0 && sigismember(&blocked, SIGUSR1) == 1 && sigismember(&blocked, SIGINT) == 0,
		   "our own mask is as before");

	tap_ok(run("cut -d' ' -f5 /proc/$$/stat > group; echo $$ >> group; echo " KIT_KEY_1) == KR_OK, "looks at its process group");
	tap_ok(atoi(kit_read(kit_path("group"))) != (int) getpgrp() && atoi(kit_read(kit_path("group"))) > 0, "it has one of its own");

	signal(SIGCHLD, SIG_IGN);
	tap_ok(run("echo " KIT_KEY_1) == KR_KMS_UNAVAILABLE && took < 10, "SIGCHLD ignored: no status, no success, no hang");
	signal(SIGCHLD, SIG_DFL);
}

/* With the standard descriptors closed, those of the call must not be taken for them. */
static bool
works_without_descriptors(const void *arg)
{
	close(0);
	close(1);
	close(2);
	return run("echo complaint >&2; echo " KIT_KEY_1) == KR_OK && keys.count == 1;
}

/* The command dies with a caller that is killed, and what it has started dies too. */
static void
test_killed_caller(const char *command)
{
	pid_t pid;

	unlink(kit_path("orphan"));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		(void) run_for(60000, command);
		_exit(0);
	}
	for (int i = 0; i < 200 && access(kit_path("orphan"), F_OK) != 0; i++)
		usleep(20000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_ok(access(kit_path("orphan"), F_OK) == 0 && has_gone("orphan"), "killed caller: %s dies with it", command);
}

int
main(void)
{
	int descriptors = count_descriptors();

	/* commands of these tests write where they stand */
	if (chdir(kit_folder()) != 0)
		return 1;
	test_good();
	test_failing();
	test_malformed();
	test_slow();
	test_leftovers();
	test_abort();
	test_surroundings();
	tap_ok(kit_as_nobody(works_without_descriptors, NULL), "standard descriptors closed");
	test_killed_caller("echo $$ > orphan.new; mv orphan.new orphan; exec sleep 60");
	test_killed_caller("sleep 60 & echo $! > orphan.new; mv orphan.new orphan; wait");
	test_killed_caller("trap '' TERM HUP; sh -c 'echo $$ > orphan.new; mv orphan.new orphan; sleep 60; true'; true");
	tap_ok(count_descriptors() == descriptors, "no descriptor was left open");
	return tap_done();
}
