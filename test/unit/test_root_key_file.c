/*
 * test/unit/test_root_key_file.c
 *
 * The root key file: kinds of files, permissions, owners, and how the first one
 * is made. Parts run as another user, since root may read everything.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kms/secret_file.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

static const KrFileKind kind = { "root key file", "keyring.root_key_file", 100, "" };
static KrRootKeys keys;
static KrKmsReport report;

static KrStatus
load(const char *path)
{
	memset(&report, 0, sizeof(report));
	return kr_kms_root_keys_from_file(&keys, path, &report);
}

static void
refused(const char *path, KrStatus status, const char *message, const char *name)
{
	KrStatus got = load(path);

	tap_ok(got == status && keys.count == 0, "%s: %s", name, kr_crypto_status_name(got));
	kit_contains(report.message, message, "message of: %s", name);
	kit_contains(report.message, path, "the file is named: %s", name);
}

static void
test_kinds(void)
{
	char relative[] = "root.key";
	const char *path;
	struct stat st;

	path = kit_file("good", KIT_KEY_1 "\n", 0600);
	stat(path, &st);
	tap_ok(load(path) == KR_OK && keys.count == 1, "a good file");
	tap_ok(keys.device == (uint64_t) st.st_dev && !keys.from_command, "and its device is known");

	refused(kit_path("absent"), KR_KMS_NOT_FOUND, "does not exist", "missing");
	kit_contains(report.hint, "keyring.root_key_file", "the hint names the setting");
	refused(kit_folder(), KR_KMS_CONFIG, "is not a regular file", "a folder");
	refused(relative, KR_KMS_CONFIG, "is not an absolute path", "a relative path");
	refused("", KR_KMS_CONFIG, "is not an absolute path", "no path");
	refused("/dev/null", KR_KMS_CONFIG, "is not a regular file", "a device");

	path = kit_path("pipe");
	tap_ok(mkfifo(path, 0600) == 0, "a named pipe is made");
	refused(path, KR_KMS_CONFIG, "is not a regular file", "a named pipe, which must not block");

	kit_file("good", KIT_KEY_1 "\n", 0600);
	path = kit_path("good/below");
	refused(path, KR_KMS_CONFIG, "could not open", "a file where a folder should be");

	path = kit_path("link");
	tap_ok(symlink(kit_path("good"), path) == 0 && load(path) == KR_OK, "a symbolic link is followed");
	path = kit_path("dangling");
	tap_ok(symlink(kit_path("absent"), path) == 0, "a dangling link is made");
	refused(path, KR_KMS_NOT_FOUND, "does not exist", "a dangling link");
	path = kit_path("loop");
	tap_ok(symlink(path, path) == 0, "a link to itself is made");
	refused(path, KR_KMS_CONFIG, "could not open", "a link to itself");
}

static void
test_contents(void)
{
	static char large[KR_ROOT_KEY_TEXTMAX + 2];

	refused(kit_file("empty", "", 0600), KR_KMS_CONFIG, "holds no root key", "empty");
	refused(kit_file("short", "# x\n0123\n", 0600), KR_KMS_CONFIG, "line 2 is too short", "short line");
	refused(kit_file("long", KIT_KEY_1 KIT_KEY_1 "\n", 0600), KR_KMS_CONFIG, "line 1 is too long", "long line");
	refused(kit_file("binary", "\x01\x02\xff\n", 0600), KR_KMS_CONFIG, "line 1 holds something", "binary");
	memset(large, '#', sizeof(large) - 1);
	refused(kit_file("large", large, 0600), KR_KMS_CONFIG, "is larger than 16 kB", "too large");
	large[KR_ROOT_KEY_TEXTMAX] = '\0';
	memcpy(large, KIT_KEY_1 "\n", 65);
	tap_ok(load(kit_file("full", large, 0600)) == KR_OK, "exactly 16384 bytes");
	tap_ok(load(kit_file("two", KIT_KEY_1 "\n" KIT_KEY_2 "\n", 0400)) == KR_OK && keys.count == 2, "two keys, mode 0400");
}

static void
test_own_permissions(void)
{
	const char *path;

	refused(kit_file("world", KIT_KEY_1 "\n", 0604), KR_KMS_CONFIG, "is open to everybody (mode 0604)", "world-readable");
	kit_contains(report.hint, "chmod 600", "the hint says what to run");
	refused(kit_file("group", KIT_KEY_1 "\n", 0640), KR_KMS_CONFIG, "is open to its group (mode 0640)", "group-readable");
	kit_contains(report.hint, "chmod 600", "the hint says what to run");
	refused(kit_file("writable", KIT_KEY_1 "\n", 0602), KR_KMS_CONFIG, "is open to everybody", "world-writable");
	refused(kit_file("execute", KIT_KEY_1 "\n", 0610), KR_KMS_CONFIG, "is open to its group", "executable by the group");
	path = kit_path("linktoworld");
	tap_ok(symlink(kit_path("world"), path) == 0 && load(path) == KR_KMS_CONFIG, "a link does not hide permissions");
}

/* The rule alone, for owners whose files only root could make. */
static void
test_rule(void)
{
	static const struct
	{
		unsigned int mode;
		uid_t owner;
		uid_t self;
		bool fine;
	} cases[] = {
		{ 0600, 1000, 1000, true },
		{ 0400, 1000, 1000, true },
		{ 0700, 1000, 1000, true },
		{ 0640, 1000, 1000, false },
		{ 0620, 1000, 1000, false },
		{ 0610, 1000, 1000, false },
		{ 0604, 1000, 1000, false },
		{ 0602, 1000, 1000, false },
		{ 0601, 1000, 1000, false },
		{ 0600, 0, 1000, true },
		{ 0640, 0, 1000, true },
		{ 0440, 0, 1000, true },
		{ 0660, 0, 1000, false },
		{ 0650, 0, 1000, false },
		{ 0644, 0, 1000, false },
		{ 0642, 0, 1000, false },
		{ 0641, 0, 1000, false },
		{ 0600, 0, 0, true },
		{ 0640, 0, 0, false },
		{ 0600, 1001, 1000, false },
		{ 0640, 1001, 1000, false },
		{ 0600, 1000, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		KrStatus got = kr_kms_secret_file_check_access(S_IFREG | cases[i].mode, cases[i].owner, cases[i].self, &kind, "/f", &report);

		tap_ok(got == (cases[i].fine ? KR_OK : KR_KMS_CONFIG), "mode %04o, owner %d, server %d: %s",
			   cases[i].mode, (int) cases[i].owner, (int) cases[i].self, cases[i].fine ? "fine" : "refused");
	}
	kit_contains(report.message, "belongs to user id 1000", "another's file: the owner is named");
	kit_contains(report.hint, "or to root", "with a hint");
}

/* --- as user nobody --- */

static bool
is_unreadable(const void *arg)
{
	return load(arg) == KR_KMS_CONFIG && strstr(report.message, "could not open root key file") != NULL &&
		strstr(report.message, "Permission denied") != NULL && strstr(report.hint, "user id") != NULL;
}

static bool
is_loaded(const void *arg)
{
	return load(arg) == KR_OK && keys.count == 1;
}

static bool
is_too_open(const void *arg)
{
	return load(arg) == KR_KMS_CONFIG && strstr(report.message, "is open to") != NULL &&
		strstr(report.hint, "chmod 640") != NULL;
}

static bool
is_foreign(const void *arg)
{
	return load(arg) == KR_KMS_CONFIG && strstr(report.message, "belongs to user id 1234") != NULL &&
		strstr(report.hint, "or to root") != NULL;
}

/* A file of this owner, group and mode. */
static const char *
owned_file(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	const char *path = kit_file(name, KIT_KEY_1 "\n", 0600);

	if (chown(path, uid, gid) != 0 || chmod(path, mode) != 0)
		printf("# could not change the owner of %s\n", path);
	return path;
}

static void
test_other_owners(void)
{
	mkdir(kit_path("closed"), 0700);

	/* needs no other user when we are not root */
	tap_ok(kit_as_nobody(is_unreadable, owned_file("unreadable", geteuid(), getegid(), geteuid() == 0 ? 0600 : 0000)),
		   "unreadable");
	if (geteuid() != 0)
	{
		tap_ok(is_too_open("/etc/passwd"), "root's, readable by all: refused");
		return;
	}
	tap_ok(kit_as_nobody(is_loaded, owned_file("r640", 0, KIT_NOBODY, 0640)), "root's, readable by our group");
	tap_ok(kit_as_nobody(is_loaded, owned_file("r440", 0, KIT_NOBODY, 0440)), "root's, mode 0440, as Kubernetes mounts secrets");
	tap_ok(kit_as_nobody(is_too_open, owned_file("r644", 0, KIT_NOBODY, 0644)), "root's, readable by all: refused");
	tap_ok(kit_as_nobody(is_too_open, owned_file("r660", 0, KIT_NOBODY, 0660)), "root's, writable by the group: refused");
	tap_ok(kit_as_nobody(is_loaded, owned_file("n600", KIT_NOBODY, KIT_NOBODY, 0600)), "our own, mode 0600");
	tap_ok(kit_as_nobody(is_foreign, owned_file("f640", 1234, KIT_NOBODY, 0640)), "another user's: refused");
	tap_ok(kit_as_nobody(is_unreadable, kit_path("closed/key")), "in a closed folder");
}

/* --- the first root key --- */

static KrStatus
load_or_create(const KrKmsHost *host)
{
	memset(&report, 0, sizeof(report));
	return kr_kms_root_keys_load(&keys, KR_ROOT_KEY_MAY_CREATE, host, &report);
}

static void
test_create(void)
{
	char hex[KR_ROOT_KEY_HEXMAX];
	KrRootKeys again;
	KrKmsHost host;
	struct stat st;
	const char *path;

	mkdir(kit_path("new"), 0700);
	path = kit_path("new/root.key");
	host = kit_host(path);
	tap_ok(load_or_create(&host) == KR_KMS_NOT_FOUND && kit_count_files(kit_path("new")) == 0, "not made unless the host allows");
	host.may_create_root_key = true;
	tap_ok(kr_kms_root_keys_load(&keys, KR_ROOT_KEY_NEVER_CREATE, &host, &report) == KR_KMS_NOT_FOUND &&
			   kit_count_files(kit_path("new")) == 0,
		   "not made unless the call allows");

	umask(0777);
	tap_ok(load_or_create(&host) == KR_OK && keys.count == 1, "made");
	umask(022);
	kr_kms_root_key_hex(hex, keys.keys[0].fingerprint);
	kit_contains(report.notice, path, "the notice says where");
	kit_contains(report.notice, hex, "and which");
	kit_contains(report.notice, "every backup needs a copy of it, kept apart from the data", "and what to do");
	kit_contains(report.notice, "protects backups, not the disk", "and what it is not good for");
	tap_ok(report.message[0] == '\0' && report.hint[0] == '\0', "and no failure is told");
	tap_ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1 && st.st_uid == geteuid(),
		   "mode 0600 whatever the umask");
	tap_ok(kit_count_files(kit_path("new")) == 1, "nothing else is left in the folder");
	kit_contains(kit_read(path), "# keyring root keys", "the file says what it is");

	tap_ok(kr_kms_root_keys_load(&again, KR_ROOT_KEY_MAY_CREATE, &host, &report) == KR_OK &&
			   memcmp(&again.keys[0], &keys.keys[0], sizeof(KrRootKey)) == 0,
		   "read again, not made again");
	unlink(path);
	tap_ok(load_or_create(&host) == KR_OK && memcmp(&again.keys[0], &keys.keys[0], sizeof(KrRootKey)) != 0, "another one is another key");
}

static void
test_not_created(void)
{
	KrKmsHost host = kit_host(NULL);
	bool created = true;
	const char *path;

	host.may_create_root_key = true;

	host.root_key_file = path = kit_file("keep_empty", "", 0600);
	tap_ok(load_or_create(&host) == KR_KMS_CONFIG && strcmp(kit_read(path), "") == 0, "an empty file is not replaced");
	host.root_key_file = path = kit_file("keep_open", KIT_KEY_1 "\n", 0644);
	tap_ok(load_or_create(&host) == KR_KMS_CONFIG && strcmp(kit_read(path), KIT_KEY_1 "\n") == 0, "nor a file with wrong permissions");

	path = kit_file("keep", KIT_KEY_1 "\n", 0600);
	tap_ok(kr_kms_root_key_create(&created, path, &report) == KR_OK && !created && strcmp(kit_read(path), KIT_KEY_1 "\n") == 0,
		   "nor a file that came to be meanwhile");

	path = kit_path("unmounted");
	host.root_key_file = path;
	tap_ok(symlink(kit_path("absent"), path) == 0 && load_or_create(&host) == KR_KMS_NOT_FOUND && access(path, F_OK) != 0 &&
			   report.notice[0] == '\0',
		   "nor the target of a dangling link");

	host.root_key_file = kit_path("nofolder/root.key");
	tap_ok(load_or_create(&host) == KR_KMS_CONFIG, "no folder to make it in");
	kit_contains(report.message, "could not create root key file", "and it is said so");
	kit_contains(report.hint, "keyring.root_key_file", "with a hint");

	host.root_key_file = kit_path("unset");
	host.root_key_command = "exit 3";
	tap_ok(load_or_create(&host) == KR_KMS_UNAVAILABLE && access(host.root_key_file, F_OK) != 0, "never while a command is set");
}

static bool
cannot_create(const void *arg)
{
	KrKmsHost host = kit_host(arg);

	host.may_create_root_key = true;
	return load_or_create(&host) == KR_KMS_CONFIG && strstr(report.message, "could not create root key file") != NULL &&
		strstr(report.message, "Permission denied") != NULL;
}

typedef struct Creation
{
	KrStatus status;
	bool told;
	uint8_t fingerprint[KR_ROOT_KEY_FINGERPRINTBYTES];
} Creation;

static Creation
create_when_told(const char *path, int go)
{
	KrKmsHost host = kit_host(path);
	Creation creation = { KR_OK };
	char byte;

	host.may_create_root_key = true;
	while (read(go, &byte, 1) > 0)
		;
	creation.status = load_or_create(&host);
	creation.told = report.notice[0] != '\0';
	memcpy(creation.fingerprint, keys.keys[0].fingerprint, sizeof(creation.fingerprint));
	return creation;
}

/* Many processes make the first key at once: one wins, all end up with that key. */
static void
test_race(void)
{
	enum
	{
		CREATORS = 20
	};
	char path[KIT_PATHMAX];
	int go[2];
	int answers[2];
	int failures = 0;
	int told = 0;
	int same = 0;
	Creation creation;

	mkdir(kit_path("race"), 0700);
	snprintf(path, sizeof(path), "%s", kit_path("race/root.key"));
	tap_ok(pipe(go) == 0 && pipe(answers) == 0, "pipes to start them at once and to hear of them");
	fflush(stdout);
	for (int i = 0; i < CREATORS; i++)
	{
		if (fork() == 0)
		{
			close(go[1]);
			creation = create_when_told(path, go[0]);
			_exit(write(answers[1], &creation, sizeof(creation)) == sizeof(creation) ? 0 : 1);
		}
	}
	close(go[0]);
	close(go[1]);
	while (wait(NULL) > 0)
		;
	tap_ok(load(path) == KR_OK && keys.count == 1, "%d at once: there is one key", CREATORS);
	for (int i = 0; i < CREATORS; i++)
	{
		if (read(answers[0], &creation, sizeof(creation)) != sizeof(creation) || creation.status != KR_OK)
			failures++;
		else
		{
			told += creation.told;
			same += memcmp(creation.fingerprint, keys.keys[0].fingerprint, sizeof(creation.fingerprint)) == 0;
		}
	}
	tap_ok(failures == 0, "none failed");
	tap_ok(same == CREATORS, "all got that key");
	tap_ok(told == 1, "and one of them says that it made it");
	tap_ok(kit_count_files(kit_path("race")) == 1, "nothing else is left");
}

int
main(void)
{
	test_kinds();
	test_contents();
	test_own_permissions();
	test_rule();
	test_other_owners();
	test_create();
	test_not_created();
	mkdir(kit_path("readonly"), 0555);
	tap_ok(kit_as_nobody(cannot_create, kit_path("readonly/root.key")), "a folder that may not be written to");
	test_race();
	return tap_done();
}
