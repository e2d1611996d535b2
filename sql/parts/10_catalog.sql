-- ---------------------------------------------------------------------------
-- Catalog
-- ---------------------------------------------------------------------------

CREATE TABLE keyring_key (
    id integer PRIMARY KEY CHECK (id > 0),
    tag bytea NOT NULL UNIQUE CHECK (octet_length(tag) = 4),
    uuid uuid NOT NULL UNIQUE,
    label text CHECK (octet_length(label) < 128),
    provider text NOT NULL CHECK (octet_length(provider) < 32),
    resource text NOT NULL DEFAULT '' CHECK (octet_length(resource) < 512),
    state text NOT NULL DEFAULT 'staged' CHECK (state IN ('staged', 'primary', 'deprecated', 'destroyed')),
    wrapped bytea CHECK (octet_length(wrapped) BETWEEN 1 AND 4096),
    kek_version text CHECK (octet_length(kek_version) < 256),
    protection text CHECK (octet_length(protection) < 32),
    check_value bytea NOT NULL CHECK (octet_length(check_value) = 32),
    token_key_id bytea NOT NULL CHECK (octet_length(token_key_id) = 8),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    activated_at timestamptz,
    deprecated_at timestamptz,
    rewrapped_at timestamptz,
    destroyed_at timestamptz,
    CONSTRAINT keyring_key_wrapped_unless_destroyed CHECK ((state = 'destroyed') = (wrapped IS NULL))
) WITH (user_catalog_table = true);
REVOKE ALL ON keyring_key FROM PUBLIC;

COMMENT ON TABLE keyring_key IS 'data keys of this database, wrapped; the view keyring_keys shows what may be seen';
COMMENT ON COLUMN keyring_key.id IS 'number for people; envelopes carry the tag';
COMMENT ON COLUMN keyring_key.tag IS '4 random bytes that envelopes under this key carry';
COMMENT ON COLUMN keyring_key.uuid IS 'identity of the key, authenticated with every value and every wrap';
COMMENT ON COLUMN keyring_key.label IS 'free text, also shown in errors';
COMMENT ON COLUMN keyring_key.provider IS 'kind of key management service that wraps the key';
COMMENT ON COLUMN keyring_key.resource IS 'name of the wrapping key there; empty for managed keys';
COMMENT ON COLUMN keyring_key.state IS 'staged, primary, deprecated or destroyed';
COMMENT ON COLUMN keyring_key.wrapped IS 'version, data key and token key, encrypted under the wrapping key; NULL once destroyed';
COMMENT ON COLUMN keyring_key.kek_version IS 'version of the wrapping key; for managed keys the fingerprint of the root key';
COMMENT ON COLUMN keyring_key.protection IS 'how the wrapping key is kept, as its provider says';
COMMENT ON COLUMN keyring_key.check_value IS 'HMAC-SHA-256 under the data key over uuid and token key, verified at each unwrap';
COMMENT ON COLUMN keyring_key.token_key_id IS 'names the token key, which all keys of a database share';
COMMENT ON COLUMN keyring_key.created_at IS 'when the key was created';
COMMENT ON COLUMN keyring_key.activated_at IS 'when the key became primary';
COMMENT ON COLUMN keyring_key.deprecated_at IS 'when another key became primary';
COMMENT ON COLUMN keyring_key.rewrapped_at IS 'when the data key was last wrapped anew';
COMMENT ON COLUMN keyring_key.destroyed_at IS 'when the wrap was erased';

CREATE UNIQUE INDEX keyring_key_one_primary ON keyring_key (state) WHERE state = 'primary';
COMMENT ON INDEX keyring_key_one_primary IS 'at most one primary key';

CREATE FUNCTION keyring_key_guard() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_key_guard';
REVOKE ALL ON FUNCTION keyring_key_guard() FROM PUBLIC;
COMMENT ON FUNCTION keyring_key_guard() IS 'trigger of keyring_key: keeps rows to the life cycle of keys and tells every session of a change';

CREATE TRIGGER keyring_key_guard BEFORE INSERT OR UPDATE OR DELETE ON keyring_key
    FOR EACH ROW EXECUTE FUNCTION keyring_key_guard();
COMMENT ON TRIGGER keyring_key_guard ON keyring_key IS 'keeps rows to the life cycle of keys';
CREATE TRIGGER keyring_key_guard_truncate BEFORE TRUNCATE ON keyring_key
    FOR EACH STATEMENT EXECUTE FUNCTION keyring_key_guard();
COMMENT ON TRIGGER keyring_key_guard_truncate ON keyring_key IS 'keys cannot be deleted';
ALTER TABLE keyring_key ENABLE ALWAYS TRIGGER keyring_key_guard;
ALTER TABLE keyring_key ENABLE ALWAYS TRIGGER keyring_key_guard_truncate;

CREATE TABLE keyring_event (
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_id integer NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    login text NOT NULL DEFAULT session_user,
    client_addr inet DEFAULT inet_client_addr(),
    detail text
);
REVOKE ALL ON keyring_event FROM PUBLIC;

COMMENT ON TABLE keyring_event IS 'who changed which key when; the view keyring_events shows it';
COMMENT ON COLUMN keyring_event.at IS 'time of the change';
COMMENT ON COLUMN keyring_event.key_id IS 'the key';
COMMENT ON COLUMN keyring_event.action IS 'create, activate, deprecate, rewrap or destroy';
COMMENT ON COLUMN keyring_event.actor IS 'current user';
COMMENT ON COLUMN keyring_event.login IS 'session user';
COMMENT ON COLUMN keyring_event.client_addr IS 'address of the client; NULL for a local one';
COMMENT ON COLUMN keyring_event.detail IS 'particulars';

-- Keys travel only with ciphertext: a plaintext dump is restored under a new primary key.
SELECT pg_catalog.pg_extension_config_dump('keyring_key',
    'WHERE pg_catalog.current_setting(''keyring.output_format'') = ''ciphertext''');
SELECT pg_catalog.pg_extension_config_dump('keyring_event',
    'WHERE pg_catalog.current_setting(''keyring.output_format'') = ''ciphertext''');

