/*
 * src/types/printed.h
 *
 * What input and output functions and the statements they run in tell each other.
 * All are plain flags of this backend; the hooks of src/search reset them at the
 * start and the end of each outermost statement. Defined in printed.c.
 */
#ifndef KR_TYPES_PRINTED_H
#define KR_TYPES_PRINTED_H

/* An output function has printed plaintext since the outermost statement began: an error's DETAIL may quote it. */
extern bool kr_types_printed_plaintext;

/* An input function was given plaintext: an error's message may quote it. */
extern bool kr_types_took_plaintext;

/*
 * A table is being modified and no encrypted column goes to the client: what is
 * printed now is part of an error message, and a user who may not read gets
 * "(encrypted)" there, so that a 23505 stays a 23505.
 */
extern bool kr_types_placeholder;

/*
 * The role that was given a placeholder, or InvalidOid. A statement that ends well
 * printed it elsewhere than in an error message, where it may be about to be stored
 * as if it were the value: such a statement fails instead.
 */
extern Oid kr_types_placeholder_for;

#endif
