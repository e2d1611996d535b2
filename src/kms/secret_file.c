/*
 * src/kms/secret_file.c
 *
 * Reading a file that holds a secret: kms/secret_file.h says what is checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kms/secret_file.h"

/* Errors of open(2) and its like that only a person can mend. */
KrStatus
kr_kms_secret_file_class(int error)
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
refuse_open(const KrFileKind *kind, const char *path, int error, KrKmsReport *report)
{
	if (error == ENOENT)
	{
		kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" does not exist", kind->words, path);
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Restore it from its backup, or set %s to where it is.", kind->setting);
	}
	else
	{
		kr_kms_say(report->message, sizeof(report->message), "could not open %s \"%s\": %s",
				   kind->words, path, strerror(error));
		if (error == EACCES)
			kr_kms_say(report->hint, sizeof(report->hint),
					   "The file and the folders above it must let user id %ld, who runs the server, read it.",
					   (long) geteuid());
	}
	return kr_kms_secret_file_class(error);
}

KrStatus
kr_kms_secret_file_check_access(unsigned int mode, uid_t owner, uid_t self, const KrFileKind *kind, const char *path,
								KrKmsReport *report)
{
	bool ours = owner == self;

	if (!ours && owner != 0)
	{
		kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" belongs to user id %ld",
				   kind->words, path, (long) owner);
		kr_kms_say(report->hint, sizeof(report->hint),
				   "It must belong to user id %ld, who runs the server, or to root.", (long) self);
		return KR_KMS_CONFIG;
	}
	if ((mode & (ours ? 0077 : 0037)) == 0)
		return KR_OK;

	kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" is open to %s (mode %04o)",
			   kind->words, path, (mode & 0007) != 0 ? "everybody" : "its group", mode & 07777);
	if (ours)
		kr_kms_say(report->hint, sizeof(report->hint), "Run: chmod 600 '%s'", path);
	else
		kr_kms_say(report->hint, sizeof(report->hint),
				   "Run: chmod 640 '%s', as it belongs to root; or give it to the server's user, with mode 600.", path);
	return KR_KMS_CONFIG;
}

static KrStatus
check_file(const struct stat *st, const KrFileKind *kind, const char *path, KrKmsReport *report)
{
	if (!S_ISREG(st->st_mode))
	{
		kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" is not a regular file", kind->words, path);
		kr_kms_say(report->hint, sizeof(report->hint), "Set %s to the file itself.", kind->setting);
		return KR_KMS_CONFIG;
	}
	if (st->st_size > (off_t) kind->max)
	{
		kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" is larger than %zu kB",
				   kind->words, path, kind->max / 1024);
		kr_kms_say(report->hint, sizeof(report->hint), "%s", kind->large);
		return KR_KMS_CONFIG;
	}
	return kr_kms_secret_file_check_access((unsigned int) st->st_mode, st->st_uid, geteuid(), kind, path, report);
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
read_text(char *text, size_t *len, const KrFileKind *kind, int fd, const char *path, KrKmsReport *report)
{
	ssize_t got = read_all(fd, text, kind->max + 1); /* one more, to see that a file has grown too large */
	KrStatus status;

	if (got >= 0)
	{
		*len = (size_t) got;
		return KR_OK;
	}
	status = kr_kms_secret_file_class(errno);
	kr_kms_say(report->message, sizeof(report->message), "could not read %s \"%s\": %s", kind->words, path, strerror(errno));
	return status;
}

KrStatus
kr_kms_secret_file_read(char *text, size_t *len, struct stat *st, const KrFileKind *kind, const char *path, KrKmsReport *report)
{
	KrStatus status;
	int fd;

	*len = 0;
	if (path[0] != '/')
	{
		kr_kms_say(report->message, sizeof(report->message), "%s \"%s\" is not an absolute path", kind->words, path);
		kr_kms_say(report->hint, sizeof(report->hint), "Set %s to a path that begins with /.", kind->setting);
		return KR_KMS_CONFIG;
	}

	/* O_NONBLOCK: opening a named pipe would wait for a writer */
	do
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return refuse_open(kind, path, errno, report);

	if (fstat(fd, st) != 0)
		status = refuse_open(kind, path, errno, report);
	else
		status = check_file(st, kind, path, report);
	if (status == KR_OK)
		status = read_text(text, len, kind, fd, path, report);
	close(fd);
	return status;
}
