/*
 * src/types/inspect.c
 *
 * keyring_inspect: what the header of an encrypted value says. No key is
 * needed and nothing is verified, so it says what the value claims to be.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "crypto/envelope.h"
#include "funcapi.h"
#include "keys/lifecycle.h"
#include "pg/compat.h"
#include "utils/builtins.h"

KR_FUNCTION(keyring_inspect);

#define INSPECT_COLUMNS 6

/* Every field stays NULL for a damaged header, so that a query over a table can find such rows instead of ending at the first. */
static void
read_header(const struct varlena *stored, Datum *row, bool *nulls)
{
	Size size = toast_raw_datum_size(PointerGetDatum(stored)) - VARHDRSZ;
	const struct varlena *header = stored;
	KrEnvelope envelope;
	int32 key_id;
	bool compressed;

	memset(nulls, true, INSPECT_COLUMNS);
	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		header = pg_detoast_datum_slice(unconstify(struct varlena *, stored), 0, KR_ENVELOPE_HEADERMAX);
	if (kr_crypto_envelope_parse_header(&envelope, (const uint8_t *) VARDATA_ANY(header),
										VARSIZE_ANY_EXHDR(header)) != KR_OK ||
		size < envelope.header_len + KR_XAES_TAGBYTES)
		return;

	memset(nulls, false, INSPECT_COLUMNS);
	nulls[0] = !kr_keys_id_of_tag(envelope.key_tag, &key_id);
	compressed = (envelope.flags & KR_ENVELOPE_COMPRESSED) != 0;
	row[0] = Int32GetDatum(nulls[0] ? 0 : key_id);
	row[1] = CStringGetTextDatum(psprintf("%08x", envelope.key_tag));
	row[2] = CStringGetTextDatum("XAES-256-GCM");
	row[3] = BoolGetDatum(envelope.token != NULL);
	row[4] = BoolGetDatum(compressed);
	row[5] = Int32GetDatum((int32) (size - envelope.header_len - KR_XAES_TAGBYTES));
	nulls[5] = compressed;
}

/* keyring_inspect(encrypted value): one function for all encrypted types, since the header is the same. */
Datum
keyring_inspect(PG_FUNCTION_ARGS)
{
	Datum row[INSPECT_COLUMNS] = { 0 };
	bool nulls[INSPECT_COLUMNS];
	TupleDesc descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg_internal("keyring_inspect is not declared to return a row")));
	read_header((struct varlena *) PG_GETARG_POINTER(0), row, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), row, nulls)));
}
