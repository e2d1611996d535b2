/*
 * src/types/printed.c
 */
#include "postgres.h"

#include "types/printed.h"

bool kr_types_printed_plaintext = false;
bool kr_types_took_plaintext = false;
bool kr_types_placeholder = false;
Oid kr_types_placeholder_for = InvalidOid;
