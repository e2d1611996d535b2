/*
 * src/kms/http_request.h
 *
 * What http.c and http_request.c share.
 */
#ifndef KR_KMS_HTTP_REQUEST_H
#define KR_KMS_HTTP_REQUEST_H

#include <signal.h>

#include <curl/curl.h>

#include "kms/http.h"

#define KR_HTTP_SOCKETSMAX 256

/* The process's one multi handle; NULL when libcurl fails. */
extern CURLM *kr_kms_http_multi(void);

/* Around every call that may start a thread or run a callback. */
extern void kr_kms_http_signals_off(sigset_t *before);
extern void kr_kms_http_signals_back(const sigset_t *before);

/* A request's transfer is over. */
extern void kr_kms_http_ended(CURL *easy, CURLcode result);

/* What one line of the answer's header says, which is not terminated. */
extern void kr_kms_http_read_header(KrHttpAnswer *answer, const char *line, size_t line_len);

#endif
