/*
 * src/types/armor.h
 *
 * The text form of an envelope: "keyring:" and standard base64, one line.
 */
#ifndef KR_TYPES_ARMOR_H
#define KR_TYPES_ARMOR_H

#include "nodes/nodes.h"
#include "pg/compat.h"

/* palloc'd. */
extern char *kr_types_armor(const struct varlena *envelope);

/*
 * The envelope in an armored string, not yet looked at; palloc'd. 22P02 for
 * anything else: reported through escontext where the server has soft errors
 * and the caller asks for them, and then the result is NULL.
 */
extern struct varlena *kr_types_unarmor(const char *string, Node *escontext);

#endif
