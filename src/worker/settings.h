/*
 * src/worker/settings.h
 *
 * What the KMS worker lends to providers' calls. The strings are copies that stay where they are: a call that
 * runs over a reload of the settings sees the new ones, and never freed memory.
 */
#ifndef KR_WORKER_SETTINGS_H
#define KR_WORKER_SETTINGS_H

#include "kms/provider.h"

/* Copies the settings as they are now. */
extern void kr_worker_load_settings(void);

/* Everything but should_abort, arg and may_create_root_key. */
extern KrKmsHost kr_worker_host(void);

#endif
