/*
 * src/kms/root_key_file.c
 *
 * Root keys in a file: reading one that is safe to trust, and making the first
 * one.
 *
 * Everything is checked on the opened file, not on its name, so nothing can be
 * exchanged in between. Symbolic links are followed: container platforms mount
 * secrets as links. The text is read with read(2) into a buffer that is wiped; a
 * stdio stream would leave copies behind.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* explicit_bzero */
#endif

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kms/root_key.h"

#define CREATED_COMMENT \
	"# keyring root keys, one a line, newest last. Whoever lacks this file cannot read the\n" \
	"# encrypted columns: back it up, apart from the data. Never remove a line in use.\n"

#define SOURCEMAX (KR_ROOT_KEY_PATHMAX + 32)

/* Errors of open(2) and its like that only a person can mend. */
static KrStatus
class_of(int error)
{
	switch (error)
	{
		case ENOENT:
			return KR_KMS_NOT_FOUND;
		case EACCES:
		case EPERM:
		case EROFS:
		case ENOTDIR:
		case EISDIR:
		case ELOOP:
		case ENAMETOOLONG:
		case ENXIO:
		case EINVAL:
		case EOPNOTSUPP:
			return KR_KMS_CONFIG;
		default:
			return KR_KMS_UNAVAILABLE;
	}
}

static KrStatus
refuse_open(const char *path, int error, KrKmsReport *report)
{
	if (error == ENOENT)
	{
		kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" does not exist", path);
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Restore it from its backup, or set keyring.root_key_file to where it is.");
	}
	else
	{
		kr_kms_say(report->message, sizeof(report->message), "could not open root key file \"%s\": %s",
				   path, strerror(error));
		if (error == EACCES)
			kr_kms_say(report->hint, sizeof(report->hint),
					   "The file and the folders above it must let user id %ld, who runs the server, read it.",
					   (long) geteuid());
	}
	return class_of(error);
}

KrStatus
kr_kms_root_key_check_access(unsigned int mode, uid_t owner, uid_t self, const char *path, KrKmsReport *report)
{
	bool ours = owner == self;

	if (!ours && owner != 0)
	{
		kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" belongs to user id %ld",
				   path, (long) owner);
		kr_kms_say(report->hint, sizeof(report->hint),
				   "It must belong to user id %ld, who runs the server, or to root.", (long) self);
		return KR_KMS_CONFIG;
	}
	if ((mode & (ours ? 0077 : 0037)) == 0)
		return KR_OK;

	kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" is open to %s (mode %04o)",
			   path, (mode & 0007) != 0 ? "everybody" : "its group", mode & 07777);
	if (ours)
		kr_kms_say(report->hint, sizeof(report->hint), "Run: chmod 600 '%s'", path);
	else
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Run: chmod 640 '%s', as it belongs to root; or give it to the server's user, with mode 600.", path);
	return KR_KMS_CONFIG;
}

static KrStatus
check_file(const struct stat *st, const char *path, KrKmsReport *report)
{
	if (!S_ISREG(st->st_mode))
	{
		kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" is not a regular file", path);
		kr_kms_say(report->hint, sizeof(report->hint), "Set keyring.root_key_file to the file itself.");
		return KR_KMS_CONFIG;
	}
	if (st->st_size > KR_ROOT_KEY_TEXTMAX)
	{
		kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" is larger than 16 kB", path);
		kr_kms_say(report->hint, sizeof(report->hint), "Is it a root key file? One of 64 keys has about 4 kB.");
		return KR_KMS_CONFIG;
	}
	return kr_kms_root_key_check_access((unsigned int) st->st_mode, st->st_uid, geteuid(), path, report);
}

/* Reads up to size bytes; -1 and errno on failure. */
static ssize_t
read_all(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size)
	{
		ssize_t got = read(fd, out + len, size - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		len += (size_t) got;
	}
	return (ssize_t) len;
}

static KrStatus
read_keys(KrRootKeys *out, int fd, const char *path, KrKmsReport *report)
{
	char text[KR_ROOT_KEY_TEXTMAX + 1]; /* one more, to see that a file has grown too large */
	char source[SOURCEMAX];
	ssize_t len = read_all(fd, text, sizeof(text));
	KrStatus status;

	if (len < 0)
	{
		status = class_of(errno);
		kr_kms_say(report->message, sizeof(report->message), "could not read root key file \"%s\": %s",
				   path, strerror(errno));
	}
	else
	{
		kr_kms_say(source, sizeof(source), "root key file \"%s\"", path);
		status = kr_kms_root_keys_parse(out, text, (size_t) len, source, report);
	}
	explicit_bzero(text, sizeof(text));
	return status;
}

KrStatus
kr_kms_root_keys_from_file(KrRootKeys *out, const char *path, KrKmsReport *report)
{
	struct stat st;
	KrStatus status;
	int fd;

	memset(out, 0, sizeof(*out));
	if (path[0] != '/')
	{
		kr_kms_say(report->message, sizeof(report->message), "root key file \"%s\" is not an absolute path", path);
		kr_kms_say(report->hint, sizeof(report->hint), "Set keyring.root_key_file to a path that begins with /.");
		return KR_KMS_CONFIG;
	}

	/* O_NONBLOCK: opening a named pipe would wait for a writer */
	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return refuse_open(path, errno, report);

	if (fstat(fd, &st) != 0)
		status = refuse_open(path, errno, report);
	else
		status = check_file(&st, path, report);
	if (status == KR_OK)
		status = read_keys(out, fd, path, report);
	close(fd);
	if (status == KR_OK)
		out->device = (uint64_t) st.st_dev;
	return status;
}

static KrStatus
refuse_create(const char *path, int error, KrKmsReport *report)
{
	KrStatus status = class_of(error);

	kr_kms_say(report->message, sizeof(report->message), "could not create root key file \"%s\": %s",
			   path, strerror(error));
	kr_kms_say(report->hint, sizeof(report->hint),
			   "Set keyring.root_key_file to a file in a folder that the server may write to, "
			   "or make the file by hand: doc/root-key.md says how.");
	/* not the class for a key that is gone: there never was one */
	return status == KR_KMS_NOT_FOUND ? KR_KMS_CONFIG : status;
}

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0)
	{
		ssize_t put = write(fd, text, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		text += put;
		len -= (size_t) put;
	}
	return true;
}

/* Writes comment and key to a file that is nobody's yet, down to the disk. False with errno. */
static bool
write_key(const char *path, const KrSecret *key)
{
	char line[2 * KR_ROOT_KEYBYTES + 1];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool done;
	int error;

	if (fd < 0)
		return false;
	for (size_t i = 0; i < KR_ROOT_KEYBYTES; i++)
	{
		static const char digits[] = "0123456789abcdef";

		line[2 * i] = digits[key->bytes[i] >> 4];
		line[2 * i + 1] = digits[key->bytes[i] & 0x0F];
	}
	line[sizeof(line) - 1] = '\n';

	/* fchmod: the umask may have taken even our own permission away */
	done = fchmod(fd, 0600) == 0 &&
		write_all(fd, CREATED_COMMENT, sizeof(CREATED_COMMENT) - 1) &&
		write_all(fd, line, sizeof(line)) &&
		fsync(fd) == 0;
	error = errno;
	explicit_bzero(line, sizeof(line));
	if (close(fd) != 0 && done)
	{
		done = false;
		error = errno;
	}
	if (!done)
		unlink(path);
	errno = error;
	return done;
}

/* Makes the folder's new entries durable, where the file system knows how to. False with errno. */
static bool
sync_folder(const char *path)
{
	char folder[KR_ROOT_KEY_PATHMAX];
	size_t len = (size_t) (strrchr(path, '/') - path);
	bool done;
	int error;
	int fd;

	memcpy(folder, path, len);
	folder[len] = '\0';
	fd = open(len == 0 ? "/" : folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0)
		return false;
	/* EINVAL, EBADF: not for folders here. PostgreSQL's own files are no better off */
	done = fsync(fd) == 0 || errno == EINVAL || errno == EBADF;
	error = errno;
	close(fd);
	errno = error;
	return done;
}

KrStatus
kr_kms_root_key_create(bool *created, const char *path, KrKmsReport *report)
{
	char temporary[KR_ROOT_KEY_PATHMAX + 32];
	KrSecret key;
	KrStatus status;
	uint8_t *r;

	*created = false;
	if (path[0] != '/' || strlen(path) >= KR_ROOT_KEY_PATHMAX)
		return refuse_create(path, ENAMETOOLONG, report);

	/* a random name: what a crash left behind must not stop the next attempt */
	status = kr_crypto_secret_random(&key, 4);
	if (status != KR_OK)
		goto no_randomness;
	r = key.bytes;
	snprintf(temporary, sizeof(temporary), "%s.%02x%02x%02x%02x.tmp", path, r[0], r[1], r[2], r[3]);
	status = kr_crypto_secret_random(&key, KR_ROOT_KEYBYTES);
	if (status != KR_OK)
		goto no_randomness;

	if (!write_key(temporary, &key))
		status = refuse_create(path, errno, report);
	else
	{
		/*
		 * link, not rename: it never replaces a file. The name appears with all
		 * of its contents or not at all.
		 */
		if (link(temporary, path) == 0)
			*created = true;
		else if (errno != EEXIST)
			status = refuse_create(path, errno, report);
		unlink(temporary);
		/* another's file too: what we wrap under its key must not outlive it */
		if (status == KR_OK && !sync_folder(path))
			status = refuse_create(path, errno, report);
	}
	kr_crypto_secret_wipe(&key);
	return status;

no_randomness:
	kr_kms_say(report->message, sizeof(report->message), "could not make a root key: no random bytes");
	return status;
}
