/*
 * test/fuzz/fuzz_gcp_account.c
 *
 * Any text at all in place of a service account's key file. What is refused leaves nothing behind, words about it are
 * printable and hold nothing of the file, and whatever is accepted names an address that may stand in a command line and
 * an endpoint that may get assertions. "KEY" stands for a good private key, which no fuzzer would find.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "fuzz/check.h"
#include "kms/gcp_account.h"

#define ENDPOINT "https://kms.example"
#define PLACE "\"KEY\""

static char key[4096];

/* In quotes, as it stands in a file. */
static void
make_key(void)
{
	EVP_PKEY *fresh = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long len;
	size_t used = 0;

	check(PEM_write_bio_PKCS8PrivateKey(bio, fresh, NULL, NULL, 0, NULL, NULL) == 1);
	len = BIO_get_mem_data(bio, &pem);
	key[used++] = '"';
	for (long i = 0; i < len; i++)
	{
		if (pem[i] == '\n')
			key[used++] = '\\';
		key[used++] = pem[i] == '\n' ? 'n' : pem[i];
	}
	key[used++] = '"';
	key[used] = '\0';
	BIO_free(bio);
	EVP_PKEY_free(fresh);
}

/* A copy of its own size, so that reading past its end is seen. */
static char *
with_key(const uint8_t *data, size_t len, size_t *full)
{
	const uint8_t *place = memmem(data, len, PLACE, strlen(PLACE));
	size_t before = place == NULL ? len : (size_t) (place - data);
	size_t after = place == NULL ? 0 : len - before - strlen(PLACE);
	size_t key_len = place == NULL ? 0 : strlen(key);
	char *text = malloc(before + key_len + after + 1);

	check(text != NULL);
	memcpy(text, data, before);
	memcpy(text + before, key, key_len);
	if (after > 0)
		memcpy(text + before + key_len, place + strlen(PLACE), after);
	*full = before + key_len + after;
	text[*full] = '\0';
	return text;
}

static void
check_words(const char *text)
{
	check(text[0] != '\0');
	check_printable(text);
}

static void
check_good(const KrGcpAccount *account, const char *assertion)
{
	char host[KR_HTTP_URLMAX];
	const char *dot = strchr(assertion, '.');

	check(kr_kms_gcp_is_email(account->email));
	check(kr_kms_http_may_ask(account->token_url, host));
	check(strcmp(host, "kms.example") == 0 || kr_kms_http_is_loopback(host) ||
		  (strlen(host) > 15 && strcmp(host + strlen(host) - 15, ".googleapis.com") == 0));
	check(dot != NULL && strchr(dot + 1, '.') != NULL);
	check(strspn(assertion, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(assertion));
}

extern int LLVMFuzzerInitialize(int *argc, char ***argv);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Here, as the search for primes may take longer on a busy machine than an input is allowed to. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	make_key();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	KrGcpAccount account;
	KrKmsReport report = { 0 };
	char assertion[KR_GCP_ASSERTIONMAX];
	size_t full;
	char *text;

	text = with_key(data, len, &full);
	if (kr_kms_gcp_account_read(&account, assertion, text, full, 1800000000, ENDPOINT, "file", &report) == KR_OK)
		check_good(&account, assertion);
	else
	{
		check(all_zero(&account, sizeof(account)) && all_zero(assertion, sizeof(assertion)));
		check_words(report.message);
		check_words(report.hint);
	}
	free(text);
	return 0;
}
