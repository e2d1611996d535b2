/*
 * src/kms/http.h
 *
 * HTTP requests that run beside each other. A request is started, and whoever drives asks
 * when it has ended; nothing here waits. The driver waits for sockets that
 * kr_kms_http_sockets names, together with whatever else it waits for, and tells of each that is ready.
 *
 * Everything that comes from the network is bounded: the time, the headers, the
 * body. https with verification, or plain http to this machine; no redirects, no proxy from the
 * environment, no compression, no other protocol. One process only, the one that calls first.
 */
#ifndef KR_KMS_HTTP_H
#define KR_KMS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "kms/provider.h"

#define KR_HTTP_URLMAX 1024
#define KR_HTTP_BODYMAX 65536 /* of an answer */
#define KR_HTTP_HEADERSMAX 32768

typedef struct KrHttpRequest KrHttpRequest;

typedef struct KrHttpOrder
{
	const char *url;
	const char *const *headers; /* ends with NULL; may be NULL */
	const char *body;           /* NULL: GET, else POST */
	size_t body_len;
	const char *ca_file; /* "" = the system's */
	int timeout_ms;      /* of all of it */
	int connect_timeout_ms;
	bool plain; /* http although the host is another: for metadata servers only */
} KrHttpOrder;

typedef struct KrHttpAnswer
{
	KrStatus transport; /* KR_OK: there is a whole answer, whatever it says */
	char words[256];    /* why there is none */
	bool tls_refused;   /* the server's certificate was not accepted */
	long code;
	bool json;        /* by its content type */
	bool google;      /* Metadata-Flavor: Google */
	long retry_after; /* s, -1 = not said */
	const char *body; /* len bytes and a zero; lives as long as the request */
	size_t len;
} KrHttpAnswer;

/* Everything is copied. NULL only when memory or libcurl fails. */
extern KrHttpRequest *kr_kms_http_start(const KrHttpOrder *order);

/* The answer once the request has ended, else NULL. */
extern const KrHttpAnswer *kr_kms_http_answer(const KrHttpRequest *request);

/* Also stops a running request. Wipes what it held. NULL is allowed. */
extern void kr_kms_http_free(KrHttpRequest *request);

/*
 * Whether a URL may be asked for: https, or plain http to the loopback; nothing but scheme, host, port and path.
 * *host is where a name is to be put, KR_HTTP_URLMAX bytes; may be NULL.
 */
extern bool kr_kms_http_may_ask(const char *url, char *host);

/* Whether a host, as kr_kms_http_may_ask names it, is this machine. */
extern bool kr_kms_http_is_loopback(const char *host);

/* ---- the driver ---- */

typedef struct KrHttpSocket
{
	int fd;
	bool read, write; /* what is waited for */
} KrHttpSocket;

/* The sockets in use, at most max of them. */
extern int kr_kms_http_sockets(KrHttpSocket *out, int max);

/* Milliseconds after which kr_kms_http_drive(-1, ...) is due though no socket is ready; -1 = none. */
extern long kr_kms_http_due(void);

/* Goes on with one socket that is ready; -1: with what time has brought. */
extern void kr_kms_http_drive(int fd, bool readable, bool writable);

/* The three in one, for who waits for nothing else: waits up to ms, then goes on with all that is ready. */
extern void kr_kms_http_pump(int ms);

#endif
