/*
 * src/kms/managed.h
 *
 * The provider "managed": DEKs wrapped under a root key that the operator keeps
 * in a file or behind a command (kms/root_key.h).
 *
 * A wrap:
 *
 *   0  1  version: 1
 *   1  8  fingerprint of the root key
 *   9 24  nonce, random
 *  33  n  ciphertext, as long as the secret
 *   . 16  tag
 *
 * XAES-256-GCM under the root key; the additional data is the caller's. The
 * first nine bytes are not part of it: another fingerprint leads to another key,
 * under which nothing verifies, and there is one version.
 */
#ifndef KR_KMS_MANAGED_H
#define KR_KMS_MANAGED_H

#include "crypto/xaes.h"
#include "kms/provider.h"
#include "kms/root_key.h"

#define KR_MANAGED_VERSION 1
#define KR_MANAGED_HEADERBYTES (1 + KR_ROOT_KEY_FINGERPRINTBYTES + KR_XAES_NONCEBYTES)
#define KR_MANAGED_OVERHEADBYTES (KR_MANAGED_HEADERBYTES + KR_XAES_TAGBYTES)

extern const KrKmsProvider kr_kms_managed;

#endif
