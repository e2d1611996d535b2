/*
 * test/unit/gcp_kit.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "kms/json.h"
#include "kms/wiping.h"
#include "unit/gcp_kit.h"

static EVP_PKEY *key;
static char pem[8192];

const char *
kit_gcp_pem(void)
{
	BIO *bio;
	int len;

	if (key != NULL)
		return pem;
	key = EVP_RSA_gen(2048);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	len = BIO_read(bio, pem, sizeof(pem) - 1);
	pem[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
	return pem;
}

const char *
kit_gcp_account(const char *type, const char *email, const char *token_url)
{
	static char text[16384];
	json_t *file;
	char *dumped;

	kr_kms_json_init();
	file = json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", type, "client_email", email, "private_key", kit_gcp_pem(),
					 "private_key_id", "0123abcd", "token_uri", token_url);
	dumped = json_dumps(file, 0);
	snprintf(text, sizeof(text), "%s", dumped);
	kr_kms_wiping_free(dumped);
	json_decref(file);
	return text;
}

static size_t
unbase64url(uint8_t *out, const char *text, size_t len)
{
	char standard[8192];
	size_t padded = (len + 3) / 4 * 4;

	for (size_t i = 0; i < padded; i++)
		standard[i] = i >= len ? '=' : text[i] == '-' ? '+' :
			text[i] == '_'                            ? '/' :
														text[i];
	return EVP_DecodeBlock(out, (const uint8_t *) standard, (int) padded) < 0 ? 0 : len * 3 / 4;
}

bool
kit_gcp_signed(const char *assertion)
{
	uint8_t signature[2048];
	const char *dot = strrchr(assertion, '.');
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = dot == NULL ? 0 : unbase64url(signature, dot + 1, strcspn(dot + 1, " &\r\n"));
	bool good = dot != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(context, signature, len, (const uint8_t *) assertion, (size_t) (dot - assertion)) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

const char *
kit_gcp_part(const char *assertion, int part)
{
	static char text[4096];
	size_t len;

	if (part == 1)
		assertion = strchr(assertion, '.') + 1;
	len = unbase64url((uint8_t *) text, assertion, strcspn(assertion, "."));
	text[len] = '\0';
	return text;
}

static bool
never(void *arg)
{
	(void) arg;
	return false;
}

KrKmsHost
kit_gcp_host(const char *endpoint, const char *file)
{
	return (KrKmsHost){
		.should_abort = never, .timeout_ms = 5000, .connect_timeout_ms = 2000, .root_key_file = "/nowhere", .root_key_command = "", .gcp_endpoint = endpoint, .gcp_credentials_file = file, .kms_ca_file = ""
	};
}
