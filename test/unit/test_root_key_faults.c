/*
 * test/unit/test_root_key_faults.c
 *
 * Makes each call to the operating system fail in turn, while a root key file is
 * made, while one is read, while a command runs: whatever fails, the status says so
 * in words, no key is handed out, no descriptor and no temporary file is left, and the
 * next attempt works.
 *
 * The files are compiled in here, with other names for the calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/root_key_kit.h"
#include "unit/tap.h"

static int calls_until_failure; /* 0 = none fails */
static int error_to_give;
static const char *failed; /* name of the call that failed */

static bool
fails_now(const char *name)
{
	if (calls_until_failure == 0 || --calls_until_failure > 0)
		return false;
	failed = name;
	errno = error_to_give;
	return true;
}

#define FAILING(name, args, failure) (fails_now(#name) ? (failure) : name args)

/* a descriptor is closed even when close says no, as on Linux */
static int
close_and_fail(int fd)
{
	int result = close(fd);

	return fails_now("close") ? -1 : result;
}

#define open(...) FAILING(open, (__VA_ARGS__), -1)
#define fstat(...) FAILING(fstat, (__VA_ARGS__), -1)
#define read(...) FAILING(read, (__VA_ARGS__), -1)
#define write(...) FAILING(write, (__VA_ARGS__), -1)
#define fchmod(...) FAILING(fchmod, (__VA_ARGS__), -1)
#define fsync(...) FAILING(fsync, (__VA_ARGS__), -1)
#define link(...) FAILING(link, (__VA_ARGS__), -1)
#define close(fd) close_and_fail(fd)
#include "kms/secret_file.c"

#include "kms/root_key_file.c"
#undef close

#define pipe2(...) FAILING(pipe2, (__VA_ARGS__), -1)
#define fcntl(...) FAILING(fcntl, (__VA_ARGS__), -1)
#define fork() FAILING(fork, (), -1)
#define calloc(...) FAILING(calloc, (__VA_ARGS__), NULL)
#include "kms/subprocess.c"
#undef read /* an error there is an end like any other; what follows is about the status */
#include "kms/root_key_command.c"

#undef open
#undef pipe2
#undef fcntl
#undef fork
#undef calloc

static KrRootKeys keys;
static KrKmsReport report;

static KrStatus
load(const KrKmsHost *host)
{
	memset(&report, 0, sizeof(report));
	return kr_kms_root_keys_load(&keys, KR_ROOT_KEY_MAY_CREATE, host, &report);
}

static bool
looks_failed(KrStatus status, KrStatus want)
{
	return status == want && keys.count == 0 && tap_all_zero(keys.keys, sizeof(keys.keys)) && report.message[0] != '\0' &&
		strstr(report.message, strerror(error_to_give)) != NULL && report.notice[0] == '\0';
}

/* Each call fails once with this error. prepare makes the start the same; at_rest looks at what is left. */
static void
sweep(const char *what, const KrKmsHost *host, int error, KrStatus want, void (*prepare)(void), bool (*at_rest)(void))
{
	int descriptors = kit_count_files("/proc/self/fd");
	int n;

	error_to_give = error;
	for (n = 1; n < 100; n++)
	{
		KrStatus status;

		prepare();
		failed = NULL;
		calls_until_failure = n;
		status = load(host);
		calls_until_failure = 0;
		if (failed == NULL)
			break;
		if (strcmp(failed, "close") == 0 && status == KR_OK)
			tap_ok(true, "%s: an error of %s (call %d) that changes nothing", what, failed, n);
		else
			tap_ok(looks_failed(status, want), "%s: %s (call %d) fails: %s", what, failed, n, report.message);
		tap_ok(at_rest() && kit_count_files("/proc/self/fd") == descriptors, "%s: nothing is left behind by it", what);
		tap_status(load(host), KR_OK, "and the next attempt works");
	}
	tap_ok(n > 3 && n < 100, "%s: %d calls failed", what, n - 1);
}

static void
nothing_to_prepare(void)
{
}

static bool
nothing_left(void)
{
	return true;
}

static void
remove_made(void)
{
	unlink(kit_path("made/root.key"));
}

/* At most the file itself, whole. */
static bool
only_whole_files(void)
{
	struct stat st;
	int count = kit_count_files(kit_path("made"));

	if (count == 0)
		return true;
	return count == 1 && stat(kit_path("made/root.key"), &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1 &&
		kr_kms_root_keys_from_file(&keys, kit_path("made/root.key"), &report) == KR_OK;
}

static void
test_folder_without_fsync(void)
{
	KrKmsHost host = kit_host(kit_path("made/root.key"));
	bool told = false;

	/* the second fsync is the folder's */
	host.may_create_root_key = true;
	for (int n = 1; n < 30 && !told; n++)
	{
		remove_made();
		error_to_give = EINVAL;
		failed = NULL;
		calls_until_failure = n;
		told = load(&host) == KR_OK && report.notice[0] != '\0' && failed != NULL && strcmp(failed, "fsync") == 0;
		calls_until_failure = 0;
	}
	tap_ok(told, "a file system that cannot sync folders is no obstacle");
}

int
main(void)
{
	KrKmsHost host = kit_host(kit_file("root.key", KIT_KEY_1 "\n", 0600));

	sweep("reading, EIO", &host, EIO, KR_KMS_UNAVAILABLE, nothing_to_prepare, nothing_left);
	sweep("reading, EACCES", &host, EACCES, KR_KMS_CONFIG, nothing_to_prepare, nothing_left);

	mkdir(kit_path("made"), 0700);
	host = kit_host(kit_path("made/root.key"));
	host.may_create_root_key = true;
	sweep("making, ENOSPC", &host, ENOSPC, KR_KMS_UNAVAILABLE, remove_made, only_whole_files);
	sweep("making, EPERM", &host, EPERM, KR_KMS_CONFIG, remove_made, only_whole_files);
	test_folder_without_fsync();

	host = kit_host(NULL);
	host.root_key_command = "echo " KIT_KEY_1;
	sweep("running, EMFILE", &host, EMFILE, KR_KMS_UNAVAILABLE, nothing_to_prepare, nothing_left);
	return tap_done();
}
