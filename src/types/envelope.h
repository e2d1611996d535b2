/*
 * src/types/envelope.h
 *
 * Detoasting of envelopes. What only looks at the header fetches one TOAST chunk
 * of a value that is stored out of line, and copies nothing of one that is not.
 */
#ifndef KR_TYPES_ENVELOPE_H
#define KR_TYPES_ENVELOPE_H

#include "crypto/envelope.h"
#include "keys/value.h"

/* The shortest leading slice that the keys room takes for an envelope. */
#define KR_HEADER_SLICE (KR_ENVELOPE_HEADERMAX + KR_XAES_TAGBYTES)

/* The value's header at least; free with kr_types_free_detoasted. */
static inline struct varlena *
kr_types_header(Datum value)
{
	struct varlena *pointer = (struct varlena *) DatumGetPointer(value);

	if (likely(!VARATT_IS_EXTENDED(pointer) || (VARATT_IS_SHORT(pointer) && !VARATT_IS_EXTERNAL(pointer))))
		return pointer;
	if (VARATT_IS_EXTERNAL(pointer))
		return pg_detoast_datum_slice(pointer, 0, KR_HEADER_SLICE);
	return pg_detoast_datum_packed(pointer);
}

/* The token in a header, or NULL; KR006 for one that is damaged. */
static inline const uint8 *
kr_types_token_in(const struct varlena *header)
{
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(header);
	Size len = VARSIZE_ANY_EXHDR(header);
	const uint8 *token = kr_crypto_envelope_token(bytes, len);

	if (likely(token != NULL || kr_crypto_envelope_lacks_token(bytes, len)))
		return token;
	return kr_keys_stored_token(header);
}

/* The whole value, with either kind of varlena header. */
static inline struct varlena *
kr_types_detoast(Datum value)
{
	return pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
}

static inline void
kr_types_free_detoasted(struct varlena *detoasted, Datum value)
{
	if (unlikely((Pointer) detoasted != DatumGetPointer(value)))
		pfree(detoasted);
}

/* Whether a value carries a token; KR006 for one that is damaged. */
static inline bool
kr_types_has_token(Datum value)
{
	struct varlena *header = kr_types_header(value);
	bool result = kr_types_token_in(header) != NULL;

	kr_types_free_detoasted(header, value);
	return result;
}

#endif
