/*
 * src/kms/gcp_send.c
 *
 * Requests to Google Cloud KMS: address, body, checksums.
 */
#include <string.h>

#include <openssl/crypto.h>

#include "kms/encode.h"
#include "kms/gcp_auth.h"
#include "kms/gcp_permissions.h"
#include "kms/gcp_send.h"

#define AADMAX 256
#define BODYMAX (KR_BASE64_SIZE(KR_KMS_WRAPMAX) + KR_BASE64_SIZE(AADMAX) + 256)

bool
kr_kms_gcp_fits(const KrKmsCall *call)
{
	return call->aad_len <= AADMAX && call->wrap_len <= KR_KMS_WRAPMAX;
}

/* "name":"base64","nameCrc32c":"number" */
static void
write_field(char *out, size_t size, const char *name, const uint8_t *bytes, size_t len)
{
	char text[KR_BASE64_SIZE(KR_KMS_WRAPMAX)];

	kr_kms_base64(text, bytes, len);
	kr_kms_say(out + strlen(out), size - strlen(out), "%s\"%s\":\"%s\",\"%sCrc32c\":\"%u\"", out[1] == '\0' ? "" : ",",
			   name, text, name, (unsigned) kr_kms_crc32c(bytes, len));
	OPENSSL_cleanse(text, sizeof(text));
}

static void
write_body(char *out, const KrKmsCall *call)
{
	if (call->op == KR_KMS_PROBE)
	{
		kr_kms_say(out, BODYMAX, "%s", kr_kms_gcp_probe_body);
		return;
	}
	kr_kms_say(out, BODYMAX, "{");
	if (call->op == KR_KMS_WRAP)
		write_field(out, BODYMAX, "plaintext", call->secret->bytes, call->secret->len);
	else
		write_field(out, BODYMAX, "ciphertext", call->wrap, call->wrap_len);
	write_field(out, BODYMAX, "additionalAuthenticatedData", (const uint8_t *) call->aad, call->aad_len);
	kr_kms_say(out + strlen(out), BODYMAX - strlen(out), "}");
}

static const char *
verb_of(const KrKmsCall *call)
{
	return call->op == KR_KMS_WRAP ? ":encrypt" :
		call->op == KR_KMS_UNWRAP  ? ":decrypt" :
		call->op == KR_KMS_PROBE   ? ":testIamPermissions" :
									 "";
}

KrHttpRequest *
kr_kms_gcp_send(const KrKmsCall *call, const char *name, int timeout_ms)
{
	char url[KR_HTTP_URLMAX + KR_GCP_PATHMAX];
	char body[BODYMAX];
	char authorization[8192];
	const char *headers[] = { authorization, "Content-Type: application/json", NULL };
	const char *endpoint = call->host.gcp_endpoint;
	size_t len = strlen(endpoint);
	KrHttpRequest *request;
	KrHttpOrder order = {
		.url = url,
		.headers = headers,
		.ca_file = call->host.kms_ca_file,
		.timeout_ms = timeout_ms,
		.connect_timeout_ms = call->host.connect_timeout_ms,
	};

	while (len > 0 && endpoint[len - 1] == '/')
		len--;
	kr_kms_say(url, sizeof(url), "%.*s/v1/%s%s", (int) len, endpoint, name, verb_of(call));
	kr_kms_say(authorization, sizeof(authorization), "Authorization: %s", kr_kms_gcp_bearer());
	if (call->op != KR_KMS_DESCRIBE)
	{
		write_body(body, call);
		order.body = body;
		order.body_len = strlen(body);
	}
	request = kr_kms_http_start(&order);
	OPENSSL_cleanse(body, sizeof(body));
	OPENSSL_cleanse(authorization, sizeof(authorization));
	return request;
}
