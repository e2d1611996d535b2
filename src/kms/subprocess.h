/*
 * src/kms/subprocess.h
 *
 * A shell command in a process group of its own, which does not outlive its
 * caller, however that ends. What it is for is the caller's matter.
 */
#ifndef KR_KMS_SUBPROCESS_H
#define KR_KMS_SUBPROCESS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct KrSubprocess
{
	pid_t pid;   /* the command */
	pid_t group; /* its group, named after the guard that leads it */
	int life;    /* our end of the guard's pipe */
	int out;     /* standard output and error of the command, non-blocking; the caller closes them */
	int err;
} KrSubprocess;

/*
 * Starts /bin/sh -c command, with nothing on its standard input and no other descriptor
 * than the standard three. False with errno when that fails; then nothing is left.
 */
extern bool kr_kms_subprocess_start(KrSubprocess *out, const char *command);

/*
 * Kills all that is left of the group. The command itself stays to be reaped by the
 * caller, if it has not been.
 */
extern void kr_kms_subprocess_kill(KrSubprocess *subprocess);

#endif
