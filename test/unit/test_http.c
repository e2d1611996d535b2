/*
 * test/unit/test_http.c
 *
 * Requests beside each other, their limits, and what may be asked at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/http_kit.h"
#include "unit/root_key_kit.h"
#include "unit/tap.h"

static char many[KR_HTTP_BODYMAX + 200];
static char headers[KR_HTTP_HEADERSMAX + 8200];

static KitAnswer answers[] = {
	{ "GET /json", "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 2\r\n\r\n{}", 0, 0 },
	{ "GET /slow", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow", 3000, 0 },
	{ "GET /moved", "HTTP/1.1 302 Found\r\nLocation: /json\r\nContent-Length: 0\r\n\r\n", 0, 0 },
	{ "GET /cut", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 0, 0 },
	{ "GET /dropped", NULL, 0, 0 },
	{ "GET /busy", "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nMetadata-Flavor: Google\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n", 0, 0 },
	{ "GET /date", "HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n", 0, 0 },
	{ "GET /many", many, 0, 0 },
	{ "GET /headers", headers, 0, 0 },
	{ "GET /old", "<html>no status line</html>", 0, 0 },
	{ "POST /post", "HTTP/1.1 200 OK\r\nContent-Type: application/jsonp\r\nContent-Length: 2\r\n\r\nok", 0, 0 },
	{ NULL, NULL, 0, 0 }
};

static const char *base;

static KrHttpRequest *
start(const char *path, const char *body, int timeout_ms)
{
	static const char *const own[] = { "Authorization: Bearer abc", NULL };
	char url[256];
	KrHttpOrder order = {
		.url = url, .headers = own, .body = body, .body_len = body == NULL ? 0 : strlen(body), .ca_file = "", .timeout_ms = timeout_ms, .connect_timeout_ms = 2000
	};

	snprintf(url, sizeof(url), "%s%s", base, path);
	return kr_kms_http_start(&order);
}

static void
test_answers(void)
{
	KrHttpRequest *request = start("/json", NULL, 5000);
	const KrHttpAnswer *answer = kit_http_wait(request);

	tap_ok(answer->transport == KR_OK && answer->code == 200 && answer->json && answer->len == 2 &&
			   strcmp(answer->body, "{}") == 0 && answer->retry_after == -1 && !answer->google,
		   "an answer");
	kit_contains(kit_http_sent(), "Authorization: Bearer abc\r\n", "headers are sent");
	kr_kms_http_free(request);

	request = start("/post", "{\"a\":1}", 5000);
	answer = kit_http_wait(request);
	tap_ok(answer->code == 200 && !answer->json, "another content type is not taken for JSON");
	kit_contains(kit_http_sent(), "\r\n\r\n{\"a\":1}", "a body is sent");
	tap_ok(strstr(kit_http_sent(), "Expect:") == NULL, "without asking for leave first");
	kr_kms_http_free(request);

	request = start("/busy", NULL, 5000);
	answer = kit_http_wait(request);
	tap_ok(answer->code == 429 && answer->retry_after == 7 && answer->google && !answer->json, "headers are read");
	kr_kms_http_free(request);
	request = start("/date", NULL, 5000);
	answer = kit_http_wait(request);
	tap_ok(answer->code == 503 && answer->retry_after == -1, "a date is not taken for seconds");
	kr_kms_http_free(request);
}

static void
fails(const char *path, KrStatus status, int timeout_ms, const char *words, const char *name)
{
	KrHttpRequest *request = start(path, NULL, timeout_ms);
	const KrHttpAnswer *answer = kit_http_wait(request);

	tap_ok(answer->transport == status, "%s: %s", name, kr_crypto_status_name(answer->transport));
	kit_contains(answer->words, words, "words: %s", name);
	kr_kms_http_free(request);
}

static void
test_failures(void)
{
	KrHttpRequest *request = start("/moved", NULL, 5000);

	tap_ok(kit_http_wait(request)->code == 302 && kit_http_count(0) == 0, "a redirect is not followed");
	kr_kms_http_free(request);

	fails("/many", KR_KMS_CONFIG, 5000, "too large", "a body over the limit");
	fails("/headers", KR_KMS_CONFIG, 5000, "too large", "headers over the limit");
	fails("/cut", KR_KMS_UNAVAILABLE, 5000, "", "an answer that is cut short");
	fails("/dropped", KR_KMS_UNAVAILABLE, 5000, "", "no answer");
	fails("/old", KR_KMS_CONFIG, 5000, "", "something that is not HTTP");
	fails("/slow", KR_KMS_UNAVAILABLE, 300, "", "a slow answer");
}

static void
test_beside(void)
{
	KrHttpRequest *slow = start("/slow", NULL, 10000);
	KrHttpRequest *stopped = start("/slow", NULL, 10000);
	double began = kit_seconds();
	KrHttpRequest *quick = start("/json", NULL, 10000);

	tap_ok(kit_http_wait(quick)->code == 200 && kit_seconds() - began < 2, "a slow answer does not delay another");
	tap_ok(kr_kms_http_answer(slow) == NULL, "which is still on its way");
	kr_kms_http_free(stopped);
	tap_ok(kit_seconds() - began < 2, "one can be stopped at once");
	tap_ok(strcmp(kit_http_wait(slow)->body, "slow") == 0, "and then the slow one comes");
	kr_kms_http_free(quick);
	kr_kms_http_free(slow);
	kr_kms_http_free(NULL);
}

static void
test_addresses(void)
{
	static const char *const good[] = {
		"https://cloudkms.googleapis.com", "https://kms.example:8443/", "http://127.0.0.1:80", "http://localhost", "http://[::1]:9/x", NULL
	};
	static const char *const bad[] = {
		"http://cloudkms.googleapis.com", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "ftp://127.0.0.1",
		"file:///etc/passwd", "https://user:word@host", "https://host/?a=b", "https://host/#a", "cloudkms.googleapis.com", "", "https://",
		"http://0x7f000001.evil.example/", "https://a b", NULL
	};
	char host[KR_HTTP_URLMAX];
	KrHttpRequest *request;

	for (int i = 0; good[i] != NULL; i++)
		tap_ok(kr_kms_http_may_ask(good[i], host) && host[0] != '\0', "may be asked: %s", good[i]);
	for (int i = 0; bad[i] != NULL; i++)
		tap_ok(!kr_kms_http_may_ask(bad[i], NULL), "may not: %s", bad[i]);

	base = "http://192.0.2.1";
	request = start("/json", NULL, 1000);
	tap_ok(kr_kms_http_answer(request) != NULL && kr_kms_http_answer(request)->transport == KR_KMS_CONFIG,
		   "plain http to another machine is refused before anything is sent");
	kr_kms_http_free(request);
}

static void
test_environment(void)
{
	KrHttpRequest *request;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	request = start("/json", NULL, 5000);
	tap_ok(kit_http_wait(request)->code == 200, "a proxy in the environment counts for nothing");
	kr_kms_http_free(request);
}

int
main(void)
{
	memcpy(headers, "HTTP/1.1 200 OK\r\n", 17);
	for (size_t at = 17; at + 1030 < sizeof(headers); at += 1024)
	{
		memset(headers + at, 'x', 1024);
		headers[at + 1] = ':';
		memcpy(headers + at + 1022, "\r\n", 2);
	}
	strcat(headers, "\r\n");
	memset(many, 'x', sizeof(many) - 1);
	memcpy(many, "HTTP/1.1 200 OK\r\n\r\n", 19);
	base = kit_http_serve(answers);
	test_answers();
	test_environment();
	kit_http_reset();
	test_failures();
	test_beside();
	test_addresses();
	return tap_done();
}
