/*
 * src/keys/value.h
 *
 * Seal and open one value: all that upper rooms know of cryptography. Errors are
 * thrown with the SQLSTATEs of pg/errcodes.h. On the fast path nothing is
 * locked or fetched, and only the result is allocated, in the current memory
 * context.
 *
 * base_type is the Oid of the plain type; it is part of what is authenticated,
 * so a value opens only as the type it was sealed as.
 */
#ifndef KR_KEYS_VALUE_H
#define KR_KEYS_VALUE_H

#include "pg/compat.h"

/* typmods of encrypted columns; -1 is what literals, parameters and operands have */
#define KR_TYPMOD_NONE (-1)
#define KR_TYPMOD_RANDOMIZED 0
#define KR_TYPMOD_SEARCHABLE 1

/*
 * The mode is the lowest bit. Above it a column of numeric(10,2) or timestamp(3) keeps
 * the modifier of its base type, so that values are rounded as they were; 0 = none.
 */
#define KR_TYPMOD_MODE(typmod) ((typmod) < 0 ? KR_TYPMOD_NONE : ((typmod) &1))
#define KR_TYPMOD_MODIFIER(typmod) ((typmod) < 0 ? 0 : (typmod) >> 1)
#define KR_TYPMOD_MAKE(mode, modifier) ((mode) | ((modifier) << 1))

typedef enum KrReader
{
	KR_FOR_USER,  /* plaintext goes to the current user: keyring.require_reader applies */
	KR_FOR_SYSTEM /* jobs, length checks, equality of two stored values: never shown */
} KrReader;

/* The canonical form of a value, for its token. */
typedef struct KrCanonical
{
	const char *bytes;
	Size len;
	bool operand; /* of KR_TYPMOD_NONE: looked for, not stored */
} KrCanonical;

/*
 * A fresh envelope under the current primary; with a token when canonical is not
 * NULL. KR007 without a primary, KR001.. when its key cannot be had, 54000 when too long.
 * An operand is sealed under another key while the primary cannot be had, so that values under that one
 * are found: before it gets into a column it meets the column's typmod, and is sealed anew.
 */
extern struct varlena *kr_keys_seal(Oid base_type, const char *plain, Size len, const KrCanonical *canonical);

/*
 * Verifies and decrypts. envelope is detoasted, with either kind of varlena
 * header. Returns a chunk of reserve + *len + 1 bytes with the plaintext at
 * offset reserve (VARHDRSZ makes a varlena of it in place); the last byte is the
 * caller's, to end a string with. KR006 for damage, KR009 for an
 * unknown key, KR004 for a destroyed one, KR008 for a user who may not read.
 */
extern char *kr_keys_open(Oid base_type, const struct varlena *envelope, Size reserve, Size *len, KrReader reader);

/* As kr_keys_open, but NULL when the key is unknown to this database; every other failure still throws. */
extern char *kr_keys_open_if_known(Oid base_type, const struct varlena *envelope, Size reserve, Size *len, KrReader reader);

/* The token of a canonical form (12 bytes, crypto/token.h). */
extern void kr_keys_token(uint8 *out, Oid base_type, const KrCanonical *canonical);

/* A token in the place of an envelope: it compares as one, and never opens. */
extern struct varlena *kr_keys_token_only(const uint8 *token);

/* The token that an envelope carries, leading into it, or NULL. KR006 when the header is damaged. Needs no key. */
extern const uint8 *kr_keys_stored_token(const struct varlena *envelope);

/*
 * True when the envelope may be stored as it is in a column of this typmod: under
 * the current primary, token as the typmod asks (-1 takes either). Header only.
 */
extern bool kr_keys_is_current(const struct varlena *envelope, int32 typmod);

/* Whether the key of an envelope that this backend has sealed is still in memory. */
extern bool kr_keys_is_openable(const struct varlena *envelope);

/* Becomes true when this backend opens a value; whoever watches clears it. */
extern bool kr_keys_opened_value;

/* Becomes true when a value for a searchable column is sealed or taken in; whoever watches clears it. */
extern bool kr_keys_made_searchable;

/*
 * Checks an envelope that came from outside (input_format = ciphertext): header
 * always; tag and token flag against typmod; the authentication tag if the key is
 * known and available here. Locks the key it names against destruction until the transaction ends.
 */
extern void kr_keys_accept(Oid base_type, const struct varlena *envelope, int32 typmod);

/* KR006: what an envelope held is not a value of its type. */
pg_noreturn extern void kr_keys_damaged_value(void);

/* KR008 unless the current user may read plaintext in this database. Cached per user. */
extern void kr_keys_require_reader(void);
extern bool kr_keys_may_read(void);

/* Throws KR008 for a role that was found not to be a reader. */
pg_noreturn extern void kr_keys_refuse_reading(Oid role);

/* 42501 unless the current user has one of these capabilities ("admin", "backup", "reader"). */
extern bool kr_keys_has_capability(const char *capability);

#endif
