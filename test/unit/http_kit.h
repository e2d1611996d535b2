/*
 * test/unit/http_kit.h
 *
 * A small HTTP server for the tests of the kms room: a child that answers each
 * connection as a table says, and shows what it was sent.
 */
#ifndef KR_UNIT_HTTP_KIT_H
#define KR_UNIT_HTTP_KIT_H

#include "kms/http.h"

#define KIT_HTTP_SENTMAX 32768

typedef struct KitAnswer
{
	const char *path; /* the request's line begins with method and this: "GET /x" */
	const char *raw;  /* the whole answer, status line first; NULL = the connection is closed */
	int delay_ms;
	int times; /* how often this line answers, then the next one of this path does; 0 = for ever */
} KitAnswer;

/* Starts the server, ended at exit, with the table that ends with a NULL path. Returns "http://127.0.0.1:PORT". */
extern const char *kit_http_serve(const KitAnswer *answers);

/* How many requests a line of the table has answered, since the last kit_http_reset. */
extern int kit_http_count(int line);
extern void kit_http_reset(void);

/* The last request, head and body. */
extern const char *kit_http_sent(void);

/* Drives until the request has ended, at most 20 s. */
extern const KrHttpAnswer *kit_http_wait(const KrHttpRequest *request);

#endif
