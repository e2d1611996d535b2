/*
 * src/types/armor.c
 */
#include "postgres.h"

#include "common/base64.h"
#include "types/armor.h"
#include "utils/memutils.h"

#define KR_ARMOR_PREFIX "keyring:"
#define KR_ARMOR_PREFIXLEN 8

char *
kr_types_armor(const struct varlena *envelope)
{
	Size len = VARSIZE_ANY_EXHDR(envelope);
	Size room = (len + 2) / 3 * 4;
	char *result;
	int written;

	if (KR_ARMOR_PREFIXLEN + room + 1 > MaxAllocSize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("could not print an envelope of %zu bytes as text: it would be too long", len),
				 errhint("Use COPY ... WITH (FORMAT binary).")));
	result = palloc(KR_ARMOR_PREFIXLEN + room + 1);
	memcpy(result, KR_ARMOR_PREFIX, KR_ARMOR_PREFIXLEN);
	written = pg_b64_encode((const KrB64Byte *) VARDATA_ANY(envelope), (int) len,
							result + KR_ARMOR_PREFIXLEN, (int) room);
	if (written < 0)
		elog(ERROR, "could not encode an envelope");
	result[KR_ARMOR_PREFIXLEN + written] = '\0';
	return result;
}

struct varlena *
kr_types_unarmor(const char *string, Node *escontext)
{
	Size len = strlen(string);
	Size room = len / 4 * 3;
	struct varlena *result;
	int written = -1;

	if (strncmp(string, KR_ARMOR_PREFIX, KR_ARMOR_PREFIXLEN) == 0)
	{
		result = palloc(VARHDRSZ + room);
		written = pg_b64_decode(string + KR_ARMOR_PREFIXLEN, (int) (len - KR_ARMOR_PREFIXLEN),
								(KrB64Byte *) VARDATA(result), (int) room);
	}
	if (written < 0)
		kr_pg_soft_error(escontext, NULL,
						 (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						  errmsg("value is not an armored envelope"),
						  errdetail("keyring.input_format is ciphertext: values are expected as \"%s\" followed by base64.",
									KR_ARMOR_PREFIX),
						  errhint("Set keyring.input_format to plaintext to load plaintext.")));
	SET_VARSIZE(result, VARHDRSZ + written);
	return result;
}
