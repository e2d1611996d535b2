/*
 * test/fuzz/fuzz_gcp_token.c
 *
 * Any answer at all in place of a token endpoint's or metadata server's: the first byte chooses the HTTP status and who is
 * asked for what; then the lines of a header up to an empty one, then the body. A token that is taken fits into a header and has
 * an end; what is refused leaves nothing behind, and its words can be shown and quote nothing of the body but an error's name.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "kms/gcp_token.h"
#include "kms/http_request.h"

static void
check_refused(KrStatus status, const KrKmsReport *report)
{
	check(status != KR_OK && report->message[0] != '\0' && report->hint[0] != '\0');
	check_printable(report->message);
	check_printable(report->hint);
	check(strspn(report->complaint, "abcdefghijklmnopqrstuvwxyz_") == strlen(report->complaint));
	check(report->retry_after >= 0 && report->retry_after <= 86400);
}

static void
read_token(const KrHttpAnswer *answer, KrGcpIssuer issuer)
{
	KrGcpToken token;
	KrKmsReport report = { 0 };
	KrStatus status;

	memset(&token, 0xA5, sizeof(token));
	status = kr_kms_gcp_token_read(&token, answer, issuer, &report);
	if (status != KR_OK)
	{
		check(all_zero(&token, sizeof(token)));
		check_refused(status, &report);
		return;
	}
	check(answer->code == 200 && (issuer == KR_GCP_ENDPOINT ? answer->json : answer->google));
	check(strncmp(token.bearer, "Bearer ", 7) == 0 && token.bearer[7] != '\0' && strchr(token.bearer + 7, ' ') == NULL);
	check_printable(token.bearer);
	check(token.seconds >= 1 && token.seconds <= KR_GCP_TOKEN_SECONDSMAX);
}

static void
read_email(const KrHttpAnswer *answer)
{
	char email[KR_GCP_EMAILMAX];
	KrKmsReport report = { 0 };
	KrStatus status;

	memset(email, 0xA5, sizeof(email));
	status = kr_kms_gcp_email_read(email, answer, &report);
	if (status != KR_OK)
		check_refused(status, &report);
	check(memchr(email, '\0', sizeof(email)) != NULL);
	check(email[0] == '\0' || (status == KR_OK && kr_kms_gcp_is_email(email)));
}

/* The length of the header with the empty line that ends it. Lines are handed on as libcurl does, with their ends. */
static size_t
read_headers(KrHttpAnswer *answer, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len)
	{
		const char *end = memchr(text + at, '\n', len - at);
		size_t line = end == NULL ? len - at : (size_t) (end - text) + 1 - at;
		char *copy = malloc(line);

		check(copy != NULL);
		memcpy(copy, text + at, line);
		kr_kms_http_read_header(answer, copy, line);
		free(copy);
		at += line;
		if (line == 1)
			break;
	}
	return at;
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const long codes[] = { 200, 400, 401, 403, 404, 429, 500, 302 };
	KrHttpAnswer answer = { .retry_after = -1 };
	size_t header;
	char *body;

	if (len == 0)
		return 0;
	header = 1 + read_headers(&answer, (const char *) data + 1, len - 1);
	/* exactly as long as it is, with the zero that the reader of answers puts behind it */
	body = malloc(len - header + 1);
	check(body != NULL);
	memcpy(body, data + header, len - header);
	body[len - header] = '\0';
	answer.code = codes[data[0] & 7];
	answer.body = body;
	answer.len = len - header;
	if ((data[0] & 8) != 0)
		read_email(&answer);
	else
		read_token(&answer, (data[0] & 16) != 0 ? KR_GCP_METADATA : KR_GCP_ENDPOINT);
	free(body);
	return 0;
}
