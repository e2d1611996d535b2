/*
 * src/types/columns.h
 *
 * A change of one column's type, to the encrypted type or back. doc/columns.md says
 * what carries over and what stands in the way.
 */
#ifndef KR_TYPES_COLUMNS_H
#define KR_TYPES_COLUMNS_H

#include "nodes/pg_list.h"
#include "types/basetype.h"

typedef struct KrColumnChange
{
	Oid relation; /* what is inherited is changed from the top */
	char *table;  /* its name, for messages; NULL until it was found */
	char *column;
	bool encrypt;                /* to the encrypted type; otherwise back from it */
	bool searchable;             /* what the encrypted type is, or was, declared as */
	const KrEncryptedType *type; /* the encrypted side */
	Oid old_type;
	Oid new_type;
	int32 new_typmod;
	Oid collation;    /* of the column: kept */
	int32 max_length; /* of varchar(n), char(n): becomes a length check, or was one; -1 without */
	List *checks;     /* decrypting: names (char *) of the length checks that the new type makes needless */

	List *relations;  /* Oids: the relation and its heirs, parents first */
	List *numparents; /* of each, as find_all_inheritors gives it */
	List *together;   /* all KrColumnChange of the conversion, this one too: foreign keys link the columns */
} KrColumnChange;

/*
 * Fills in what the change starts from and leads to, from the catalogs as they are now;
 * relation, column, encrypt and searchable are set. Needs no lock, so that nobody can stop a table of
 * others with it. 42P01, 42703, 42809, 42501: no such column, or not one that the current user
 * may change; 42804: no encrypted type takes it; 55000: encrypted already, or not encrypted.
 */
extern void kr_types_plan_change(KrColumnChange *change);

/* The encrypted type that takes the values of columns of this type, or NULL. */
extern const KrEncryptedType *kr_types_counterpart(Oid type);

/* The direction in words: "encrypt" or "decrypt". */
extern const char *kr_types_verb(bool encrypt);

#endif
