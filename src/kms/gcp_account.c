/*
 * src/kms/gcp_account.c
 *
 * Reading a service account key file, and signing with its key. Nothing of it is kept: the file is read again for each
 * access token, about once an hour.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* see read_key */

#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "kms/encode.h"
#include "kms/gcp_account.h"
#include "kms/json.h"
#include "kms/wiping.h"

#define LIFETIME 3600
#define CLOCK_SKEW 30 /* an assertion from the future is refused */
#define MIN_BITS 2048
#define SIGNATUREMAX 1024

static KrStatus
refuse(KrKmsReport *report, const char *source, const char *why)
{
	kr_kms_say(report->message, sizeof(report->message), "%s is of no use: %s", source, why);
	kr_kms_say(report->hint, sizeof(report->hint),
			   "It must be the key file of a service account, in JSON: gcloud iam service-accounts keys create FILE --iam-account=EMAIL");
	return KR_KMS_CONFIG;
}

bool
kr_kms_gcp_is_email(const char *text)
{
	size_t len = strlen(text);
	const char *at = strchr(text, '@');

	return at != NULL && at != text && at[1] != '\0' && strchr(at + 1, '@') == NULL && len < KR_GCP_EMAILMAX &&
		text[0] != '-' && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+@") == len;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/*
 * An assertion is worth an access token to whoever gets it, and the file may have come by mail: it goes to
 * Google, to this machine, or where the administrator has said that the service is.
 */
static bool
may_get_assertions(const char *url, const char *endpoint)
{
	char host[KR_HTTP_URLMAX];
	char other[KR_HTTP_URLMAX];

	if (!kr_kms_http_may_ask(url, host))
		return false;
	return ends_with(host, ".googleapis.com") || kr_kms_http_is_loopback(host) ||
		(kr_kms_http_may_ask(endpoint, other) && strcmp(host, other) == 0);
}

/* Without it OpenSSL would ask for a passphrase on the terminal. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void) out;
	(void) size;
	(void) writing;
	(void) arg;
	return -1;
}

/* In the form of PKCS #8, as Google's key files have it, or of PKCS #1. NULL when it is in neither. */
static RSA *
read_rsa(const uint8_t *der, long len)
{
	const uint8_t *at = der;
	const uint8_t *inner;
	int inner_len;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, len);
	RSA *rsa = NULL;

	at = der;
	if (info == NULL)
		rsa = d2i_RSAPrivateKey(NULL, &at, len);
	else if (PKCS8_pkey_get0(NULL, &inner, &inner_len, NULL, info) == 1)
		rsa = d2i_RSAPrivateKey(NULL, &inner, inner_len);
	PKCS8_PRIV_KEY_INFO_free(info);
	return rsa;
}

/* Not by PEM_read_bio_PrivateKey(): OpenSSL 3 frees what that decodes without wiping it. */
static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, (int) strlen(pem));
	EVP_PKEY *key = EVP_PKEY_new();
	uint8_t *der = NULL;
	long len = 0;
	RSA *rsa = NULL;

	if (bio != NULL && PEM_bytes_read_bio_secmem(&der, &len, NULL, PEM_STRING_EVP_PKEY, bio, no_passphrase, NULL) == 1)
		rsa = read_rsa(der, len);
	OPENSSL_secure_clear_free(der, (size_t) len);
	BIO_free(bio);
	if (rsa == NULL || key == NULL || RSA_bits(rsa) < MIN_BITS || EVP_PKEY_set1_RSA(key, rsa) != 1)
	{
		EVP_PKEY_free(key);
		key = NULL;
	}
	RSA_free(rsa);
	ERR_clear_error();
	return key;
}

static bool
sign(uint8_t *out, size_t *len, EVP_PKEY *key, const char *text)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = context != NULL && (size_t) EVP_PKEY_get_size(key) <= *len &&
		EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(context, out, len, (const uint8_t *) text, strlen(text)) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return done;
}

/* Appends the base64 form of an object and frees it. False when it does not fit. */
static bool
append(char *out, size_t size, json_t *object)
{
	char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
	size_t used = strlen(out);
	bool fits = text != NULL && KR_BASE64_SIZE(strlen(text)) <= size - used;

	if (fits)
		kr_kms_base64url(out + used, (const uint8_t *) text, strlen(text));
	kr_kms_wiping_free(text);
	json_decref(object);
	return fits;
}

static bool
write_assertion(char *out, const KrGcpAccount *account, EVP_PKEY *key, const char *key_id, time_t now)
{
	uint8_t signature[SIGNATUREMAX];
	size_t len = sizeof(signature);
	long long issued = (long long) now - CLOCK_SKEW;

	out[0] = '\0';
	if (!append(out, KR_GCP_ASSERTIONMAX - 1, json_pack("{s:s,s:s,s:s}", "alg", "RS256", "typ", "JWT", "kid", key_id)))
		return false;
	kr_kms_say(out + strlen(out), KR_GCP_ASSERTIONMAX - strlen(out), ".");
	if (!append(out, KR_GCP_ASSERTIONMAX - 1,
				json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", account->email, "scope", KR_GCP_SCOPE_KMS, "aud", account->token_url,
						  "iat", (json_int_t) issued, "exp", (json_int_t) issued + LIFETIME)))
		return false;
	if (!sign(signature, &len, key, out) || strlen(out) + 1 + KR_BASE64_SIZE(len) > KR_GCP_ASSERTIONMAX)
		return false;
	kr_kms_say(out + strlen(out), KR_GCP_ASSERTIONMAX - strlen(out), ".");
	kr_kms_base64url(out + strlen(out), signature, len);
	return true;
}

static KrStatus
check(KrGcpAccount *out, const json_t *file, const char *endpoint, const char *source, KrKmsReport *report)
{
	const char *type = kr_kms_json_string(file, "type");
	const char *url = kr_kms_json_string(file, "token_uri");

	if (file == NULL)
		return refuse(report, source, "it is not JSON");
	if (strcmp(type, "service_account") != 0)
		return refuse(report, source, "its type is not service_account");
	if (!kr_kms_gcp_is_email(kr_kms_json_string(file, "client_email")))
		return refuse(report, source, "client_email is missing or no address");
	if (!may_get_assertions(url, endpoint))
		return refuse(report, source, "token_uri is neither an https address of googleapis.com nor of the host of keyring.gcp_endpoint");
	kr_kms_say(out->email, sizeof(out->email), "%s", kr_kms_json_string(file, "client_email"));
	kr_kms_say(out->token_url, sizeof(out->token_url), "%s", url);
	return KR_OK;
}

static KrStatus
make_assertion(char *assertion, const KrGcpAccount *account, const json_t *file, time_t now, const char *source,
			   KrKmsReport *report)
{
	EVP_PKEY *key = read_key(kr_kms_json_string(file, "private_key"));
	bool done;

	if (key == NULL)
		return refuse(report, source, "private_key is no RSA key of 2048 bits or more in PEM");
	done = write_assertion(assertion, account, key, kr_kms_json_string(file, "private_key_id"), now);
	EVP_PKEY_free(key);
	return done ? KR_OK : refuse(report, source, "private_key could not sign");
}

KrStatus
kr_kms_gcp_account_read(KrGcpAccount *out, char assertion[KR_GCP_ASSERTIONMAX], const char *text, size_t len, time_t now,
						const char *endpoint, const char *source, KrKmsReport *report)
{
	json_t *file = kr_kms_json_object(text, len);
	KrStatus status;

	memset(out, 0, sizeof(*out));
	status = check(out, file, endpoint, source, report);
	if (status == KR_OK && assertion != NULL)
		status = make_assertion(assertion, out, file, now, source, report);
	json_decref(file);
	if (status != KR_OK)
	{
		memset(out, 0, sizeof(*out));
		if (assertion != NULL)
			OPENSSL_cleanse(assertion, KR_GCP_ASSERTIONMAX);
	}
	return status;
}
