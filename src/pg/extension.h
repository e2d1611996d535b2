/*
 * src/pg/extension.h
 *
 * Where the extension is in this database. The answer is kept in the backend
 * until a catalog change may have altered it, so that a statement in a database
 * without keyring pays for one branch.
 */
#ifndef KR_PG_EXTENSION_H
#define KR_PG_EXTENSION_H

/* The schema of the extension, or InvalidOid where it is not installed. Needs a transaction. */
extern Oid kr_pg_schema(void);

/* Oid of one of keyring's own relations ("keyring_key"); ERROR when it is missing. */
extern Oid kr_pg_relation(const char *name);

/* Oid of the extension's function of this name and argument types, looked up in its schema alone; ERROR when missing. */
extern Oid kr_pg_function(const char *name, int nargs, const Oid *argtypes);

/* Oid of the extension's operator, in its schema alone; ERROR when missing. */
extern Oid kr_pg_operator(const char *name, Oid left, Oid right);

/*
 * Registers a function to be called whenever types or the extension may have
 * changed (also while a transaction aborts: it may only forget things).
 */
extern void kr_pg_on_change(void (*forget)(void));

/* The owner of a relation; InvalidOid when there is none with this Oid. */
extern Oid kr_pg_owner_of(Oid relation);

#endif
