/*
 * src/types/cast.c
 *
 * Casts. PostgreSQL calls seal where a base-typed expression meets an encrypted
 * column, with the column's typmod, and coerce where an encrypted one meets
 * another typmod; both are VOLATILE, so that each row gets an envelope of its own.
 */
#include "postgres.h"

#include "types/call.h"
#include "types/envelope.h"

KR_FUNCTION(keyring_value_seal);
KR_FUNCTION(keyring_value_coerce);
KR_FUNCTION(keyring_value_accept);
KR_FUNCTION(keyring_value_open);

Datum
keyring_value_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(kr_types_base_of(fcinfo)->seal(PG_GETARG_DATUM(0), PG_GETARG_INT32(1)));
}

/*
 * Whose rights a new envelope of an old value needs. It shows nothing to the
 * user, so anybody may make one, unless it adds a token: then values could be
 * guessed that could not be before.
 */
static KrReader
reseal_reader(const struct varlena *envelope, int32 typmod)
{
	bool adds_token = typmod != KR_TYPMOD_RANDOMIZED && kr_keys_stored_token(envelope) == NULL;

	return adds_token ? KR_FOR_USER : KR_FOR_SYSTEM;
}

Datum
keyring_value_coerce(PG_FUNCTION_ARGS)
{
	const KrBaseType *base = kr_types_base_of(fcinfo);
	Datum value = PG_GETARG_DATUM(0);
	int32 typmod = PG_GETARG_INT32(1);
	struct varlena *envelope = kr_types_header(value);
	bool current = kr_keys_is_current(envelope, typmod);
	struct varlena *result;
	Datum plain;

	kr_types_free_detoasted(envelope, value);
	if (current)
		PG_RETURN_DATUM(value);

	envelope = kr_types_detoast(value);
	plain = base->open(envelope, reseal_reader(envelope, typmod));
	result = base->seal(plain, typmod);
	kr_types_forget(base, plain);
	kr_types_free_detoasted(envelope, value);
	PG_RETURN_POINTER(result);
}

/*
 * In the place of coerce for a literal that was given as an envelope, which keeps the
 * key that it names. Checked here and not once for all: the lock on its key must be
 * the transaction's that stores it.
 */
Datum
keyring_value_accept(PG_FUNCTION_ARGS)
{
	Datum value = PG_GETARG_DATUM(0);
	struct varlena *envelope = kr_types_detoast(value);

	kr_keys_accept(kr_types_base_of(fcinfo)->oid, envelope, PG_GETARG_INT32(1));
	kr_types_free_detoasted(envelope, value);
	PG_RETURN_DATUM(value);
}

Datum
keyring_value_open(PG_FUNCTION_ARGS)
{
	struct varlena *envelope = kr_types_detoast(PG_GETARG_DATUM(0));
	Datum result = kr_types_base_of(fcinfo)->open(envelope, KR_FOR_USER);

	kr_types_free_detoasted(envelope, PG_GETARG_DATUM(0));
	PG_RETURN_DATUM(result);
}
