/*
 * src/pg/errcodes.h
 *
 * keyring's own SQLSTATE class. doc/errors.md lists what raises each.
 */
#ifndef KR_PG_ERRCODES_H
#define KR_PG_ERRCODES_H

#define KR_ERRCODE_KEY_UNAVAILABLE MAKE_SQLSTATE('K', 'R', '0', '0', '1')
#define KR_ERRCODE_KMS_DENIED MAKE_SQLSTATE('K', 'R', '0', '0', '2')
#define KR_ERRCODE_KMS_DISABLED MAKE_SQLSTATE('K', 'R', '0', '0', '3')
#define KR_ERRCODE_KEY_DESTROYED MAKE_SQLSTATE('K', 'R', '0', '0', '4')
#define KR_ERRCODE_KMS_UNREACHABLE MAKE_SQLSTATE('K', 'R', '0', '0', '5')
#define KR_ERRCODE_ENVELOPE_DAMAGED MAKE_SQLSTATE('K', 'R', '0', '0', '6')
#define KR_ERRCODE_NO_PRIMARY MAKE_SQLSTATE('K', 'R', '0', '0', '7')
#define KR_ERRCODE_NOT_READER MAKE_SQLSTATE('K', 'R', '0', '0', '8')
#define KR_ERRCODE_KEY_UNKNOWN MAKE_SQLSTATE('K', 'R', '0', '0', '9')

#endif
