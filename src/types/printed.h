/*
 * src/types/printed.h
 *
 * What the output functions and the statements they run in tell each other.
 * Both are plain flags of this backend; the hooks of src/search reset them at the
 * start of each outermost statement. Defined in printed.c.
 */
#ifndef KR_TYPES_PRINTED_H
#define KR_TYPES_PRINTED_H

/* An output function has printed plaintext since the outermost statement began: an error's DETAIL may quote it. */
extern bool kr_types_printed_plaintext;

/*
 * A table is being modified and no encrypted column goes to the client: what is
 * printed now is part of an error message, and a user who may not read gets
 * "(encrypted)" there, so that a 23505 stays a 23505.
 */
extern bool kr_types_placeholder;

#endif
