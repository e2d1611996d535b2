/*
 * src/types/basetype.h
 *
 * One implementation serves every encrypted type. A base type contributes its
 * Oid, the layout of its bytes and a canonical form: one KrBaseType. What the
 * catalogs of this database hold for it (Oids of the encrypted type, its casts,
 * operators and support functions) is one KrEncryptedType, looked up once.
 *
 * A new base type is a KrBaseType, its name in the table of basetype.c, and a
 * line in sql/parts/types.list.
 */
#ifndef KR_TYPES_BASETYPE_H
#define KR_TYPES_BASETYPE_H

#include "keys/value.h"

typedef struct KrBaseType KrBaseType;

struct KrBaseType
{
	Oid oid;            /* TEXTOID */
	const char *name;   /* "text": the type is encrypted_text, its functions keyring_text_... */
	int16 typlen;       /* as in pg_type */
	bool by_value;      /* as in pg_type */
	bool collatable;    /* comparison depends on a collation */
	bool no_equality;   /* the base type has none: no operators, and never searchable */
	int16 modifier_min; /* the least type modifier of the base type that a column can carry, if it has fit() */

	/* Seals a value of the base type; with a token unless mode is KR_TYPMOD_RANDOMIZED. */
	struct varlena *(*seal)(const KrBaseType *self, Datum plain, int32 mode);

	/* Opens a detoasted envelope to a Datum of the base type, palloc'd unless by_value. */
	Datum (*open)(const KrBaseType *self, const struct varlena *envelope, KrReader reader);

	/* Equality token of a Datum of the base type. */
	void (*token)(const KrBaseType *self, uint8 *out, Datum plain);

	/* The base type's own equality, in a deterministic collation, and a hash that agrees with it. */
	bool (*equal)(const KrBaseType *self, Datum a, Datum b);
	uint32 (*hash)(const KrBaseType *self, Datum plain);

	/* Three-way comparison of two Datums of the base type under a collation. */
	int (*compare)(const KrBaseType *self, Datum a, Datum b, Oid collation);

	/* A number that orders values as the base type does, equal for equal ones only; NULL where there is none. */
	uint64 (*sort_key)(const KrBaseType *self, Datum plain);

	/*
	 * The base type's abbreviated key as a number that orders as its keys do; NULL where they compare as
	 * unsigned numbers themselves. And whether no other value has this number, apart from its lowest bit, which all
	 * such values have in common; NULL: never known. Of a collatable type asked only where bytes decide.
	 */
	uint64 (*key_number)(Datum abbreviated);
	bool (*number_is_exact)(Datum plain, uint64 number);

	/* What the base type's modifier makes of a value: numeric(10,2) rounds. NULL where there are no modifiers. */
	PGFunction fit;

	/*
	 * Short cuts past the base type's input and output functions, for types whose
	 * text form is what is sealed; NULL: those functions are called.
	 */
	struct varlena *(*seal_string)(const KrBaseType *self, const char *string, int32 mode);
	char *(*open_string)(const KrBaseType *self, const struct varlena *envelope, KrReader reader);

	/* The base type's own functions, for what is generic. */
	PGFunction compare_function;
	PGFunction hash_function;

	/* Of types with a fixed size (fixed.c): their bytes, as the base type sends them in binary. */
	Size size;
	void (*pack)(uint8 *out, Datum plain);
	Datum (*unpack)(const uint8 *in);
	void (*canonical)(uint8 *out, Datum plain); /* the same bytes for equal values; NULL: pack() */
};

typedef enum KrOperand
{
	KR_ENC_ENC = 0,
	KR_ENC_BASE = 1,
	KR_BASE_ENC = 2
} KrOperand;

typedef struct KrEncryptedType
{
	const KrBaseType *base;
	Oid oid;        /* encrypted_text */
	Oid array;      /* encrypted_text[] */
	Oid base_array; /* text[] */

	Oid seal;   /* keyring_text_seal(text, int4, bool): the assignment cast, VOLATILE */
	Oid coerce; /* keyring_text_coerce(encrypted_text, int4, bool): the typmod cast, VOLATILE */
	Oid accept; /* keyring_text_accept(encrypted_text, int4): in its place, for an envelope that is to stay as it is */
	Oid open;   /* keyring_text_open(encrypted_text): the implicit cast to the base type */

	/* STABLE: make an operand that carries a token; they keep their last result */
	Oid operand;       /* keyring_text_operand(text) */
	Oid compared;      /* keyring_text_compared(text): the same for what does not change in a scan, declared to cost nothing */
	Oid operand_self;  /* keyring_text_operand(encrypted_text): passes through what has a token */
	Oid operands;      /* keyring_text_operands(text[]) returns encrypted_text[] */
	Oid operands_self; /* keyring_text_operands(encrypted_text[]) */

	/* the same for values of types that fitting.h lists; InvalidOid where it lists none */
	Oid fitting;  /* keyring_integer_fitting(anyelement) returns encrypted_integer */
	Oid fittings; /* keyring_integer_fittings(anyarray) returns encrypted_integer[] */

	/* operators, indexed by KrOperand; all InvalidOid where the base type has no equality */
	Oid eq[3], ne[3];
	Oid lt[3], le[3]; /* by plaintext */
	Oid gt[3], ge[3];
	Oid token_lt, token_gt; /* ~<~ ~>~ of the default operator class */

	/*
	 * Function keyring_text_token_eq(encrypted_text, encrypted_text): "=" of two
	 * values that both carry a token; leakproof, needs no key, refuses a value
	 * without a token. May stand as opfuncid in an OpExpr whose opno is eq[KR_ENC_ENC].
	 */
	Oid token_eq;
} KrEncryptedType;

/* The encrypted type with this Oid, or NULL: also where keyring is not installed. Cheap: a small cached table. */
extern const KrEncryptedType *kr_types_lookup(Oid type);

/* The encrypted type over a base type Oid, or NULL. */
extern const KrEncryptedType *kr_types_of_base(Oid base);

/* The encrypted type whose array type this is, or NULL. */
extern const KrEncryptedType *kr_types_of_array(Oid array);

/* Whether the database has encrypted types at all; one branch when it does not. */
extern bool kr_types_present(void);

/* Static table: the base type with this Oid, or NULL. */
extern const KrBaseType *kr_types_base(Oid base);

/* The static table by position, for messages that list it; NULL past its end. */
extern const KrBaseType *kr_types_base_at(int position);

/* Wipes and frees a Datum that open or a base type's input function returned. */
extern void kr_types_forget(const KrBaseType *base, Datum plain);

/* The type modifier of the base type that an encrypted column's typmod keeps, or -1. */
extern int32 kr_types_base_typmod(const KrBaseType *base, int32 typmod);

/* A value as a column of this typmod keeps it: rounded or refused as the base type's modifier says. May return plain. */
extern Datum kr_types_fit(const KrBaseType *base, Datum plain, int32 typmod);

/* Seals a value for a column of this typmod, or an operand (-1). */
extern struct varlena *kr_types_seal(const KrBaseType *base, Datum plain, int32 typmod);

/* Equality, hash and order by the functions that a base type names. */
extern bool kr_types_generic_equal(const KrBaseType *self, Datum a, Datum b);
extern uint32 kr_types_generic_hash(const KrBaseType *self, Datum plain);
extern int kr_types_generic_compare(const KrBaseType *self, Datum a, Datum b, Oid collation);

/* Whether a collation, or none, finds equal only what has the same bytes; cheap for the default one, the one of most columns. */
extern bool kr_types_keeps_equality(Oid collation);

#ifdef WORDS_BIGENDIAN
#error "keyring seals numeric and jsonb as little-endian machines store them"
#endif

/* The canonical form of a numeric, palloc'd: 1.5 and 1.50 have the same. To be given to kr_types_forget_form(). */
extern bytea *kr_types_canonical_numeric(Datum plain);

/* Wipes and frees the bytes of a value. */
extern void kr_types_forget_form(bytea *form);

/* The base types, each in a file of its kind. */
extern const KrBaseType kr_types_text;
extern const KrBaseType kr_types_bytea;
extern const KrBaseType kr_types_json;
extern const KrBaseType kr_types_boolean;
extern const KrBaseType kr_types_smallint;
extern const KrBaseType kr_types_integer;
extern const KrBaseType kr_types_bigint;
extern const KrBaseType kr_types_real;
extern const KrBaseType kr_types_double;
extern const KrBaseType kr_types_date;
extern const KrBaseType kr_types_time;
extern const KrBaseType kr_types_timestamp;
extern const KrBaseType kr_types_timestamptz;
extern const KrBaseType kr_types_interval;
extern const KrBaseType kr_types_uuid;
extern const KrBaseType kr_types_numeric;
extern const KrBaseType kr_types_inet;
extern const KrBaseType kr_types_jsonb;

#endif
