/*
 * src/keys/token_context.c
 *
 * The token key is the database's, and every key holds it. So a primary key that its owner has taken away, or whose
 * service is away, keeps nobody from finding values under the other keys by equality: another one yields the
 * token key. What is found under the primary stays closed, since opening needs that very key, and so does writing.
 *
 * Whichever key served last serves on until it is evicted, so that nobody waits for the one that cannot be had at
 * each look-up. Once the primary is in memory it is used again, as it has to be kept there in any case.
 */
#include "postgres.h"

#include "keys/ring.h"
#include "keys/sources.h"
#include "pg/errcodes.h"

typedef struct KrTokenDerivation
{
	KrTokenContext *context;
	const uint8 *id; /* of the token key it has to be; NULL: whichever it is */
} KrTokenDerivation;

static KrStatus
derive(const KrSecret *material, void *arg)
{
	KrTokenDerivation *derivation = arg;
	uint8 id[KR_TOKEN_KEY_IDBYTES];

	if (derivation->id != NULL)
	{
		KrStatus status = kr_crypto_material_token_key_id(id, material);

		if (status != KR_OK)
			return status;
		if (memcmp(id, derivation->id, KR_TOKEN_KEY_IDBYTES) != 0)
			return KR_KMS_BAD_CIPHERTEXT;
	}
	return kr_crypto_token_rekey(derivation->context, kr_crypto_material_token_key(material));
}

static void
need_context(KrKey *key)
{
	key->token_generation = 0;
	if (key->token == NULL)
		key->token = kr_crypto_token_new();
	if (key->token == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("OpenSSL could not allocate a cipher context.")));
}

/* Has the key and derives its context, if that can be. */
static KrStatus
try_key(KrKey *key, const uint8 *token_key_id, KrKmsReport *report)
{
	KrTokenDerivation derivation;
	KrStatus status;

	need_context(key);
	derivation.context = key->token;
	derivation.id = token_key_id;
	do
	{
		status = kr_keys_acquire(key, report);
		if (status != KR_OK)
			return status;
	} while (!kr_keys_cache_use(&key->ref, derive, &derivation, &status));
	if (status == KR_OK)
		key->token_generation = key->ref.generation;
	return status;
}

/* The key whose token key counts: the primary, else the newest. NULL when all are destroyed. */
static KrKey *
first_choice(KrKey **keys, int count)
{
	KrKey *newest = NULL;

	for (int i = 0; i < count; i++)
	{
		if (keys[i]->row.state == KR_KEY_PRIMARY)
			return keys[i];
		if (keys[i]->row.state != KR_KEY_DESTROYED)
			newest = keys[i];
	}
	return newest;
}

static KrKey *
key_of(KrSource *source)
{
	return (KrKey *) ((char *) source->row - offsetof(KrKey, row));
}

static List *
sources(KrKey **keys, int count)
{
	List *rows = NIL;

	for (int i = 0; i < count; i++)
		rows = lappend(rows, &keys[i]->row);
	return kr_keys_sources(rows);
}

static List *
note_failure(List *failures, KrKey *key, KrStatus status)
{
	KrFailedSource *failed = palloc0(sizeof(KrFailedSource));

	failed->row = &key->row;
	failed->status = status;
	return lappend(failures, failed);
}

/*
 * Asks key after key. What is wrong with the first choice is what an error tells, so that one is
 * asked whatever others have said.
 */
static KrKey *
find_source(const char *doing)
{
	int count;
	KrKey **keys = kr_keys_all(&count);
	KrKey *first = first_choice(keys, count);
	KrStatus first_status = KR_OK;
	KrKmsReport first_report;
	List *failures = NIL;
	ListCell *lc;

	if (first == NULL)
		ereport(ERROR,
				(errcode(KR_ERRCODE_NO_PRIMARY),
				 errmsg("could not %s: this database has no key", doing),
				 errhint("Create one with keyring_create_key() and activate it with keyring_activate().")));
	foreach(lc, sources(keys, count))
	{
		KrSource *source = lfirst(lc);
		KrKey *key = key_of(source);
		KrKmsReport report;
		KrStatus status;

		if (key != first && kr_keys_is_hopeless(source, failures))
			continue;
		status = try_key(key, key == first ? NULL : first->row.token_key_id, &report);
		if (status == KR_OK)
			return key;
		failures = note_failure(failures, key, status);
		if (key == first)
		{
			first_status = status;
			first_report = report;
		}
	}
	kr_keys_fail(first, first_status, &first_report, doing);
}

KrKey *
kr_keys_for_tokens(const char *doing)
{
	KrKey *key = kr_keys_token_source();

	if (key != NULL && kr_keys_is_ready(key) && key->token_generation == key->ref.generation)
		return key;
	key = find_source(doing);
	kr_keys_set_token_source(key);
	return key;
}

KrTokenContext *
kr_keys_token_context(void)
{
	return kr_keys_for_tokens("compute an equality token")->token;
}
