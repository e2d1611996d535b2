/*
 * src/types/length_check.c
 *
 * The length check of columns that were varchar(n). It opens a value for the
 * system, not for the user, since it shows nothing of it: whoever may write a
 * column may be told that the value is too long, reader or not.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "pg/extension.h"
#include "types/envelope.h"
#include "types/length_check.h"
#include "utils/rel.h"

KR_FUNCTION(keyring_fits);

/* True when the header alone tells: characters are never more than bytes of UTF-8. */
static bool
fits_by_header(const struct varlena *stored, int32 max)
{
	const struct varlena *header = stored;
	Size size = toast_raw_datum_size(PointerGetDatum(stored)) - VARHDRSZ;
	KrEnvelope envelope;

	if (VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored))
		header = pg_detoast_datum_slice(unconstify(struct varlena *, stored), 0, KR_ENVELOPE_HEADERMAX);
	if (kr_crypto_envelope_parse_header(&envelope, (const uint8_t *) VARDATA_ANY(header),
										VARSIZE_ANY_EXHDR(header)) != KR_OK)
		return false;

	return (envelope.flags & KR_ENVELOPE_COMPRESSED) == 0 &&
		size <= envelope.header_len + KR_XAES_TAGBYTES + (Size) max;
}

/*
 * Characters of UTF-8 text without the blanks at its end beyond max characters: varchar(n)
 * cuts those off silently, so a statement that offers them must not begin to fail.
 */
static bool
fits_by_text(const char *bytes, Size len, int32 max)
{
	Size characters = 0;

	for (Size i = 0; i < len; i++)
	{
		if (((unsigned char) bytes[i] & 0xC0) == 0x80)
			continue;
		if (++characters > (Size) max && bytes[i] != ' ')
			return false;
	}
	return true;
}

/*
 * keyring_fits(encrypted_text, integer) returns boolean. A value whose key this
 * database does not have passes: a dump in ciphertext form loads tables before
 * keys, and had passed the check where it came from.
 */
Datum
keyring_fits(PG_FUNCTION_ARGS)
{
	Datum stored = PG_GETARG_DATUM(0);
	int32 max = Max(PG_GETARG_INT32(1), 0);
	struct varlena *envelope;
	char *plain;
	Size len;
	bool fits;

	if (fits_by_header((struct varlena *) DatumGetPointer(stored), max))
		PG_RETURN_BOOL(true);

	envelope = kr_types_detoast(stored);
	plain = kr_keys_open_if_known(TEXTOID, envelope, 0, &len, KR_FOR_SYSTEM);
	fits = plain == NULL || fits_by_text(plain, len, max);
	if (plain != NULL)
	{
		explicit_bzero(plain, len);
		pfree(plain);
	}
	kr_types_free_detoasted(envelope, stored);
	PG_RETURN_BOOL(fits);
}

bool
kr_types_is_length_check(Node *expression, AttrNumber attnum, const KrEncryptedType *type, int32 *limit)
{
	FuncExpr *call = (FuncExpr *) expression;
	Oid argtypes[2] = { type->oid, INT4OID };
	Var *value;
	Const *max;

	if (type->base->oid != TEXTOID || !IsA(expression, FuncExpr) ||
		call->funcid != kr_pg_function("keyring_fits", 2, argtypes))
		return false;

	value = (Var *) linitial(call->args);
	max = (Const *) lsecond(call->args);
	if (!IsA(value, Var) || value->varattno != attnum || !IsA(max, Const) || max->constisnull)
		return false;
	*limit = DatumGetInt32(max->constvalue);
	/* others were not made for a varchar, and have to be dropped by whoever made them */
	return *limit > 0 && *limit <= MaxAttrSize;
}

int32
kr_types_length_limit(Relation relation, AttrNumber attnum, const KrEncryptedType *type, List **names)
{
	TupleConstr *constraints = RelationGetDescr(relation)->constr;
	int32 limit = -1;
	char function[32];
	Oid argtypes[2] = { type->oid, INT4OID };

	/* only text has a length limit, and so the function; asked for each statement of a client, most have nothing to look for */
	if (type->base->oid != TEXTOID || constraints == NULL || constraints->num_check == 0)
		return -1;

	/* other checks are not parsed for it */
	snprintf(function, sizeof(function), ":funcid %u ", kr_pg_function("keyring_fits", 2, argtypes));
	for (int i = 0; i < constraints->num_check; i++)
	{
		ConstrCheck *check = &constraints->check[i];
		int32 found;

		if (strstr(check->ccbin, function) == NULL)
			continue;
		if (!kr_types_is_length_check(stringToNode(check->ccbin), attnum, type, &found))
			continue;
		limit = limit < 0 ? found : Min(limit, found);
		if (names != NULL)
			*names = lappend(*names, pstrdup(check->ccname));
	}
	return limit;
}
