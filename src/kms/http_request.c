/*
 * src/kms/http_request.c
 *
 * One HTTP request: how it is set up, what is kept of the answer, how its failures
 * are classified.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "crypto/secret.h"
#include "kms/http_request.h"
#include "kms/wiping.h"

#define RETRY_AFTER_MAX 86400

struct KrHttpRequest
{
	CURL *easy;
	struct curl_slist *headers;
	char *sent; /* the body of a POST */
	bool ended;
	bool too_large;
	size_t header_bytes;
	char error[CURL_ERROR_SIZE];
	KrHttpAnswer answer;
	char body[KR_HTTP_BODYMAX + 1];
};

/* "localhost" and literal addresses of this machine; a name could be made to point anywhere. */
bool
kr_kms_http_is_loopback(const char *host)
{
	struct in_addr v4;

	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* One part of a URL; "" where it has none. False when it does not fit. */
static bool
url_part(char *out, size_t size, CURLU *url, CURLUPart what)
{
	char *text = NULL;
	bool fits;

	out[0] = '\0';
	if (curl_url_get(url, what, &text, 0) != CURLUE_OK)
		return true;
	fits = strlen(text) < size;
	if (fits)
		memcpy(out, text, strlen(text) + 1);
	curl_free(text);
	return fits;
}

static bool
has_only_a_place(CURLU *url)
{
	static const CURLUPart unwanted[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
										  CURLUPART_QUERY, CURLUPART_FRAGMENT };
	char part[KR_HTTP_URLMAX];

	for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++)
	{
		if (!url_part(part, sizeof(part), url, unwanted[i]) || part[0] != '\0')
			return false;
	}
	return true;
}

bool
kr_kms_http_may_ask(const char *url, char *host)
{
	char scheme[16] = "";
	char name[KR_HTTP_URLMAX] = "";
	CURLU *parsed;
	bool good;

	/* the library's memory functions are set once, before its first use */
	if (kr_kms_http_multi() == NULL || strlen(url) >= KR_HTTP_URLMAX || (parsed = curl_url()) == NULL)
		return false;
	good = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
		url_part(scheme, sizeof(scheme), parsed, CURLUPART_SCHEME) &&
		url_part(name, sizeof(name), parsed, CURLUPART_HOST) &&
		has_only_a_place(parsed);
	curl_url_cleanup(parsed);
	if (host != NULL)
		memcpy(host, name, sizeof(name));
	return good && (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && kr_kms_http_is_loopback(name)));
}

/*
 * libcurl 8 receives into a buffer that all its transfers share and that it never frees: a data key would stay there until
 * an answer of the same length comes. It has no more use for the bytes, and hands them over as ours to change.
 */
static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	KrHttpRequest *request = arg;
	size_t len = size * count;
	bool fits = len <= KR_HTTP_BODYMAX - request->answer.len;

	if (fits)
	{
		memcpy(request->body + request->answer.len, data, len);
		request->answer.len += len;
	}
	request->too_large |= !fits;
	OPENSSL_cleanse(data, len);
	return fits ? len : 0;
}

/* The value of a header line if it is of this name, without blanks around it; else NULL. It ends at *len. */
static const char *
header_value(const char *line, size_t line_len, const char *name, size_t *len)
{
	size_t skip = strlen(name);

	if (line_len <= skip || strncasecmp(line, name, skip) != 0 || line[skip] != ':')
		return NULL;
	skip++;
	while (skip < line_len && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	while (line_len > skip && isspace((unsigned char) line[line_len - 1]))
		line_len--;
	*len = line_len - skip;
	return line + skip;
}

/* Whole seconds only: a date would need the server's clock and ours to agree. */
static long
read_seconds(const char *text, size_t len)
{
	long seconds = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		seconds = seconds * 10 + (text[i] - '0');
		if (seconds > RETRY_AFTER_MAX)
			return RETRY_AFTER_MAX;
	}
	return len == 0 ? -1 : seconds;
}

void
kr_kms_http_read_header(KrHttpAnswer *answer, const char *line, size_t line_len)
{
	size_t len;
	const char *value = header_value(line, line_len, "Content-Type", &len);

	if (value != NULL)
		answer->json = len >= 16 && strncasecmp(value, "application/json", 16) == 0 &&
			(len == 16 || strchr("; ", value[16]) != NULL);
	value = header_value(line, line_len, "Retry-After", &len);
	if (value != NULL)
		answer->retry_after = read_seconds(value, len);
	value = header_value(line, line_len, "Metadata-Flavor", &len);
	if (value != NULL)
		answer->google = len == 6 && memcmp(value, "Google", 6) == 0;
}

static size_t
on_header(char *line, size_t size, size_t count, void *arg)
{
	KrHttpRequest *request = arg;
	size_t len = size * count;

	request->header_bytes += len;
	if (request->header_bytes > KR_HTTP_HEADERSMAX)
	{
		request->too_large = true;
		return 0;
	}
	kr_kms_http_read_header(&request->answer, line, len);
	return len;
}

static bool
add_header(KrHttpRequest *request, const char *header)
{
	struct curl_slist *longer = curl_slist_append(request->headers, header);

	if (longer == NULL)
		return false;
	request->headers = longer;
	return true;
}

static bool
set_headers(KrHttpRequest *request, const KrHttpOrder *order)
{
	/* without it curl would wait for the server's leave before it sends a longer body */
	if (!add_header(request, "Expect:") || !add_header(request, "Accept: application/json"))
		return false;
	for (int i = 0; order->headers != NULL && order->headers[i] != NULL; i++)
	{
		if (!add_header(request, order->headers[i]))
			return false;
	}
	return curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers) == CURLE_OK;
}

static bool
set_body(KrHttpRequest *request, const KrHttpOrder *order)
{
	if (order->body == NULL)
		return true;
	request->sent = kr_kms_wiping_malloc(order->body_len + 1);
	if (request->sent == NULL)
		return false;
	memcpy(request->sent, order->body, order->body_len);
	return curl_easy_setopt(request->easy, CURLOPT_POST, 1L) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDSIZE, (long) order->body_len) == CURLE_OK &&
		curl_easy_setopt(request->easy, CURLOPT_POSTFIELDS, request->sent) == CURLE_OK;
}

static CURLcode
on_tls(CURL *easy, void *context, void *arg)
{
	(void) easy;
	(void) arg;
	SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
	return CURLE_OK;
}

/* Plaintext of records is wiped as it is read, where libcurl is built with OpenSSL: it has data keys in it. */
static bool
set_tls(CURL *easy)
{
	const char *library = curl_version_info(CURLVERSION_NOW)->ssl_version;

	return library == NULL || strncmp(library, "OpenSSL/", 8) != 0 ||
		curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls) == CURLE_OK;
}

/* 7.85 wants names instead of bits. */
static bool
set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) == CURLE_OK;
#endif
}

/* Without it, stopping a request waits for the resolver's thread, as long as a dead name server lets it. */
static void
set_quick_exit(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#else
	(void) easy;
#endif
}

static bool
set_up(KrHttpRequest *request, const KrHttpOrder *order)
{
	CURL *easy = request->easy;

	set_quick_exit(easy);
	return set_protocols(easy) && set_headers(request, order) && set_body(request, order) &&
		curl_easy_setopt(easy, CURLOPT_URL, order->url) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PRIVATE, request) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error) == CURLE_OK &&
		set_tls(easy) &&
		curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
		(order->ca_file[0] == '\0' || curl_easy_setopt(easy, CURLOPT_CAINFO, order->ca_file) == CURLE_OK) &&
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) order->timeout_ms) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long) order->connect_timeout_ms) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_WRITEDATA, request) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
		curl_easy_setopt(easy, CURLOPT_HEADERDATA, request) == CURLE_OK;
}

static bool
launch(KrHttpRequest *request, CURLM *multi)
{
	sigset_t before;
	bool added;

	kr_kms_http_signals_off(&before);
	added = curl_multi_add_handle(multi, request->easy) == CURLM_OK;
	kr_kms_http_signals_back(&before);
	if (!added)
	{
		curl_easy_cleanup(request->easy);
		request->easy = NULL;
	}
	return added;
}

KrHttpRequest *
kr_kms_http_start(const KrHttpOrder *order)
{
	CURLM *multi = kr_kms_http_multi();
	KrHttpRequest *request = multi == NULL ? NULL : kr_kms_wiping_calloc(1, sizeof(KrHttpRequest));

	if (request == NULL)
		return NULL;
	request->answer.retry_after = -1;
	request->answer.body = request->body;
	if (!order->plain && !kr_kms_http_may_ask(order->url, NULL))
	{
		request->answer.transport = KR_KMS_CONFIG;
		kr_kms_say(request->answer.words, sizeof(request->answer.words), "the address is neither https nor of this machine");
		request->ended = true;
		return request;
	}
	request->easy = curl_easy_init();
	if (request->easy == NULL || !set_up(request, order) || !launch(request, multi))
	{
		curl_easy_cleanup(request->easy);
		request->easy = NULL;
		kr_kms_http_free(request);
		return NULL;
	}
	return request;
}

const KrHttpAnswer *
kr_kms_http_answer(const KrHttpRequest *request)
{
	return request->ended ? &request->answer : NULL;
}

static KrStatus
class_of(CURLcode result, KrHttpAnswer *answer)
{
	switch (result)
	{
		case CURLE_OK:
			return KR_OK;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_CACERT_BADFILE:
			answer->tls_refused = true;
			return KR_KMS_CONFIG;
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_URL_MALFORMAT:
		case CURLE_SSL_CIPHER:
		case CURLE_WRITE_ERROR: /* ours: it was too large */
			return KR_KMS_CONFIG;
		default:
			return KR_KMS_UNAVAILABLE;
	}
}

/* What libcurl says may quote the other side. */
static void
make_printable(char *text)
{
	for (; *text != '\0'; text++)
	{
		if ((unsigned char) *text < 0x20 || (unsigned char) *text > 0x7E)
			*text = '?';
	}
}

void
kr_kms_http_ended(CURL *easy, CURLcode result)
{
	KrHttpRequest *request = NULL;
	KrHttpAnswer *answer;

	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request) != CURLE_OK || request == NULL)
		return;
	answer = &request->answer;
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->code);
	request->body[answer->len] = '\0';
	answer->transport = class_of(result, answer);
	if (request->too_large)
		kr_kms_say(answer->words, sizeof(answer->words), "the answer is too large");
	else if (result != CURLE_OK)
		kr_kms_say(answer->words, sizeof(answer->words), "%s",
				   request->error[0] != '\0' ? request->error : curl_easy_strerror(result));
	make_printable(answer->words);
	request->ended = true;
}

void
kr_kms_http_free(KrHttpRequest *request)
{
	sigset_t before;

	if (request == NULL)
		return;
	kr_kms_http_signals_off(&before);
	if (request->easy != NULL)
	{
		curl_multi_remove_handle(kr_kms_http_multi(), request->easy);
		curl_easy_cleanup(request->easy);
	}
	curl_slist_free_all(request->headers);
	kr_kms_http_signals_back(&before);
	kr_kms_wiping_free(request->sent);
	kr_kms_wiping_free(request);
	kr_crypto_registers_wipe();
}
