/*
 * src/types/conversion.h
 *
 * Set while keyring itself changes the type of a column, so that the guards,
 * which refuse ALTER COLUMN ... TYPE away from an encrypted type, let it pass.
 */
#ifndef KR_TYPES_CONVERSION_H
#define KR_TYPES_CONVERSION_H

extern bool kr_types_converting;

#endif
