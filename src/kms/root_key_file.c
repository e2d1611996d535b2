/*
 * src/kms/root_key_file.c
 *
 * Root keys in a file: reading them, and making the first one.
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
#include "kms/secret_file.h"

#define CREATED_COMMENT \
	"# keyring root keys, one a line, newest last. Whoever lacks this file cannot read the\n" \
	"# encrypted columns: back it up, apart from the data. Never remove a line in use.\n"

#define SOURCEMAX (KR_ROOT_KEY_PATHMAX + 32)

static const KrFileKind kind = {
	.words = "root key file",
	.setting = "keyring.root_key_file",
	.max = KR_ROOT_KEY_TEXTMAX,
	.large = "Is it a root key file? One of 64 keys has about 4 kB."
};

KrStatus
kr_kms_root_keys_from_file(KrRootKeys *out, const char *path, KrKmsReport *report)
{
	char text[KR_ROOT_KEY_TEXTMAX + 1];
	char source[SOURCEMAX];
	struct stat st;
	size_t len;
	KrStatus status;

	memset(out, 0, sizeof(*out));
	status = kr_kms_secret_file_read(text, &len, &st, &kind, path, report);
	if (status == KR_OK)
	{
		kr_kms_say(source, sizeof(source), "root key file \"%s\"", path);
		status = kr_kms_root_keys_parse(out, text, len, source, report);
	}
	explicit_bzero(text, sizeof(text));
	if (status == KR_OK)
		out->device = (uint64_t) st.st_dev;
	return status;
}

static KrStatus
refuse_create(const char *path, int error, KrKmsReport *report)
{
	KrStatus status = kr_kms_secret_file_class(error);

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
