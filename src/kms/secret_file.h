/*
 * src/kms/secret_file.h
 *
 * Files that hold a secret of the server: read only when they are safe to trust.
 *
 * Everything is checked on the opened file, not on its name, so nothing can be
 * exchanged in between. Symbolic links are followed: container platforms mount
 * secrets as links. The text is read with read(2) into the caller's buffer; a
 * stdio stream would leave copies behind.
 */
#ifndef KR_KMS_SECRET_FILE_H
#define KR_KMS_SECRET_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "kms/provider.h"

typedef struct KrFileKind
{
	const char *words;   /* "root key file" */
	const char *setting; /* the one that names it */
	size_t max;          /* bytes */
	const char *large;   /* what to think of one that is longer: a hint */
} KrFileKind;

/*
 * Reads all of it; text has kind->max + 1 bytes, which the caller wipes. *st is what the text belongs to.
 * KR_KMS_NOT_FOUND: there is none. KR_KMS_CONFIG: it is not to be trusted, or not readable for us.
 * KR_KMS_UNAVAILABLE: an input/output error.
 */
extern KrStatus kr_kms_secret_file_read(char *text, size_t *len, struct stat *st, const KrFileKind *kind,
										const char *path, KrKmsReport *report) KR_MUST_CHECK;

/* The class of an error of open(2) and its like. */
extern KrStatus kr_kms_secret_file_class(int error);

/*
 * PostgreSQL's rule for the private keys of its TLS. A file of our own
 * is closed to all others; one of root's may be readable by a group, as secrets
 * are that a container platform mounts.
 */
extern KrStatus kr_kms_secret_file_check_access(unsigned int mode, uid_t owner, uid_t self, const KrFileKind *kind,
												const char *path, KrKmsReport *report) KR_MUST_CHECK;

#endif
