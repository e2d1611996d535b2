/*
 * src/reencrypt/header.h
 *
 * What a stored value's header says about it. Needs no key.
 */
#ifndef KR_REENCRYPT_HEADER_H
#define KR_REENCRYPT_HEADER_H

#include "types/envelope.h"

typedef enum KrValueState
{
	KR_VALUE_CURRENT, /* under the target key, with a token if the column wants one */
	KR_VALUE_OLD,
	KR_VALUE_DAMAGED /* no header that could be read */
} KrValueState;

/* typmod is the column's; *tag is 0 for a damaged one. */
static inline KrValueState
kr_reencrypt_value_state(Datum value, int32 typmod, uint32 target_tag, uint32 *tag)
{
	struct varlena *header = kr_types_header(value);
	KrEnvelope envelope;
	KrValueState state = KR_VALUE_OLD;
	bool wants_token = KR_TYPMOD_MODE(typmod) == KR_TYPMOD_SEARCHABLE;

	*tag = 0;
	if (kr_crypto_envelope_parse_header(&envelope, (const uint8 *) VARDATA_ANY(header), VARSIZE_ANY_EXHDR(header)) != KR_OK)
		state = KR_VALUE_DAMAGED;
	else
	{
		*tag = envelope.key_tag;
		if (envelope.key_tag == target_tag && (envelope.token != NULL) == wants_token)
			state = KR_VALUE_CURRENT;
	}
	kr_types_free_detoasted(header, value);
	return state;
}

#endif
