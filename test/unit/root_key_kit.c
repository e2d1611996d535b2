/*
 * test/unit/root_key_kit.c
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/root_key_kit.h"
#include "unit/tap.h"

static char folder[KIT_PATHMAX];
static pid_t owner;

static void
give_up(const char *what)
{
	printf("Bail out! %s\n", what);
	fflush(stdout);
	_exit(1);
}

/* Removes a folder and what is in it; our folders are at most two deep. */
static void
remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[2 * KIT_PATHMAX];

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
	{
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) != 0)
			remove_folder(name);
	}
	closedir(dir);
	rmdir(path);
}

static void
remove_all(void)
{
	/* children leave with _exit, but one that fails may not */
	if (getpid() == owner)
		remove_folder(folder);
}

const char *
kit_folder(void)
{
	if (folder[0] == '\0')
	{
		const char *base = getenv("TMPDIR");

		snprintf(folder, sizeof(folder), "%s/keyring-unit-XXXXXX", base == NULL ? "/tmp" : base);
		if (mkdtemp(folder) == NULL || chmod(folder, 0777) != 0)
			give_up("could not make a scratch folder");
		owner = getpid();
		atexit(remove_all);
	}
	return folder;
}

const char *
kit_path(const char *name)
{
	static char paths[100][KIT_PATHMAX];
	static int count;
	char path[KIT_PATHMAX];

	snprintf(path, sizeof(path), "%s/%.200s", kit_folder(), name);
	for (int i = 0; i < count; i++)
	{
		if (strcmp(paths[i], path) == 0)
			return paths[i];
	}
	if (count == 100)
		give_up("too many scratch files");
	return strcpy(paths[count++], path);
}

const char *
kit_file(const char *name, const char *text, mode_t mode)
{
	const char *path = kit_path(name);
	size_t len = strlen(text);
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t) len || fchmod(fd, mode) != 0)
		give_up("could not write a scratch file");
	close(fd);
	return path;
}

const char *
kit_read(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static bool
never(void *arg)
{
	return false;
}

KrKmsHost
kit_host(const char *path)
{
	return (KrKmsHost){
		.should_abort = never,
		.timeout_ms = 20000,
		.connect_timeout_ms = 1000,
		.root_key_file = path == NULL ? kit_path("absent") : path,
		.root_key_command = "",
	};
}

bool
kit_as_nobody(bool (*part)(const void *arg), const void *arg)
{
	int wait_status;
	pid_t pid;

	kit_folder();
	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		if (geteuid() == 0 && (setgid(KIT_NOBODY) != 0 || setuid(KIT_NOBODY) != 0))
			_exit(2);
		_exit(part(arg) ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &wait_status, 0) == pid && wait_status == 0;
}

int
kit_count_files(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

void
kit_contains(const char *text, const char *part, const char *format, ...)
{
	char name[256];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	tap_ok(strstr(text, part) != NULL, "%s", name);
	if (strstr(text, part) == NULL)
		printf("# have: %s\n# want: %s\n", text, part);
}

double
kit_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}
