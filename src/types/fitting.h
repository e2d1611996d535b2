/*
 * src/types/fitting.h
 *
 * Values of other types as operands: the value of a base type that equals one of another type, where there is exactly
 * one or none.
 */
#ifndef KR_TYPES_FITTING_H
#define KR_TYPES_FITTING_H

/* Writes the only value of one type that equals plain, of another; false where none does. */
typedef bool (*KrFitting)(Datum plain, Datum *fitting);

/* NULL where that is not known, or where two values of type to may equal one of type from. */
extern KrFitting kr_types_fitting(Oid to, Oid from);

/* Whether there is one from any type: then the encrypted type has the functions keyring_<base>_fitting and _fittings. */
extern bool kr_types_has_fitting(Oid to);

#endif
