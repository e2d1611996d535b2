/*
 * src/pg/guc.h
 *
 * keyring's settings. doc/settings.md describes each.
 */
#ifndef KR_PG_GUC_H
#define KR_PG_GUC_H

typedef enum KrFormat
{
	KR_FORMAT_PLAINTEXT,
	KR_FORMAT_CIPHERTEXT
} KrFormat;

extern char *kr_guc_root_key_file; /* "" = keyring_root.key beside the data directory */
extern char *kr_guc_root_key_command;
extern char *kr_guc_gcp_endpoint;
extern char *kr_guc_gcp_credentials_file;  /* "" = the metadata server */
extern char *kr_guc_kms_ca_file;           /* "" = the system's */
extern char *kr_guc_kms_allowed_resources; /* "" = all */
extern int kr_guc_kms_connect_timeout;     /* ms */
extern int kr_guc_kms_timeout;             /* ms */
extern int kr_guc_max_cached_keys;         /* slots, fixed at start */
extern int kr_guc_cache_ttl;               /* s */
extern int kr_guc_cache_grace;             /* s */
extern int kr_guc_compress_over;           /* bytes; 0 = never */
extern int kr_guc_reencrypt_workers;
extern int kr_guc_reencrypt_batch_time; /* ms */
extern int kr_guc_reencrypt_delay;      /* ms */
extern bool kr_guc_native_types;        /* clients see base types */
extern bool kr_guc_require_reader;
extern bool kr_guc_allow_drop_cascade; /* superuser: DROP EXTENSION ... CASCADE over encrypted columns */

/*
 * Whether what is printed now goes into a stream of changes: in a walsender, or
 * while pg_logical_slot_get_changes() and the like decode.
 */
extern bool kr_pg_streaming(void);

/*
 * The formats in force in this process: the settings, but ciphertext where changes are streamed (output),
 * unless a superuser chose otherwise, and by default in a logical replication worker (input).
 */
extern KrFormat kr_pg_output_format(void);
extern KrFormat kr_pg_input_format(void);

/* The root key file in force, absolute; palloc'd. */
extern char *kr_pg_root_key_file(void);

extern void kr_pg_guc_init(void);

#endif
