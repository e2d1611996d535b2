/*
 * src/keys/owner.h
 *
 * SQL as the extension's owner: keyring's tables are closed to everyone else, also
 * to those who may call the functions that write them.
 */
#ifndef KR_KEYS_OWNER_H
#define KR_KEYS_OWNER_H

#include "access/htup.h"
#include "access/tupdesc.h"

/* Called for each row that a command returns, in the memory context of whoever asked. */
typedef void (*KrTakeRow)(HeapTuple row, TupleDesc desc, void *arg);

/*
 * Runs one command with search_path pinned to pg_catalog, pg_temp. %s in the command
 * stands for the extension's schema, quoted. nulls as for SPI_execute_with_args.
 * Returns the number of rows processed. Nothing is resolved through the caller's search_path.
 */
extern uint64 kr_keys_as_owner(const char *command, int nargs, Oid *types, Datum *values, const char *nulls);

/* The same for a command that returns rows; what by-reference Datums point at is gone when take() has returned. */
extern uint64 kr_keys_rows_as_owner(const char *command, int nargs, Oid *types, Datum *values, const char *nulls,
									KrTakeRow take, void *arg);

#endif
