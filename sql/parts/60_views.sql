-- ---------------------------------------------------------------------------
-- Views: what may be seen of the catalog. Wrapped material is in none of them.
-- ---------------------------------------------------------------------------

CREATE VIEW keyring_keys AS
    SELECT k.id, k.label, k.state, k.provider, k.resource, k.kek_version, k.protection,
           h.health, h.since AS health_since, h.message AS health_message, h.verified_at, h.cached,
           h.current_version, h.next_rotation, h.destroy_time, h.kek_checked_at,
           encode(k.tag, 'hex') AS tag, k.uuid,
           k.created_at, k.activated_at, k.deprecated_at, k.rewrapped_at, k.destroyed_at
      FROM @extschema@.keyring_key k, LATERAL @extschema@.keyring_key_health(k.id) h
     ORDER BY k.id;
REVOKE ALL ON keyring_keys FROM PUBLIC;
COMMENT ON VIEW keyring_keys IS
    'keys of this database: state, provider, wrapping key, and the health that their last unwrap showed (NULL: not used since the server started)';
COMMENT ON COLUMN keyring_keys.id IS 'number for people; envelopes carry the tag';
COMMENT ON COLUMN keyring_keys.label IS 'free text, also shown in errors';
COMMENT ON COLUMN keyring_keys.state IS 'staged, primary, deprecated or destroyed';
COMMENT ON COLUMN keyring_keys.provider IS 'kind of key management service that wraps the key';
COMMENT ON COLUMN keyring_keys.resource IS 'name of the wrapping key there; empty for managed keys';
COMMENT ON COLUMN keyring_keys.kek_version IS 'version of the wrapping key; for managed keys the fingerprint of the root key';
COMMENT ON COLUMN keyring_keys.protection IS 'how the wrapping key is kept, as its provider says';
COMMENT ON COLUMN keyring_keys.health IS 'how the last unwrap ended; NULL if none is remembered';
COMMENT ON COLUMN keyring_keys.health_since IS 'since when it has ended so';
COMMENT ON COLUMN keyring_keys.health_message IS 'particulars of a failure';
COMMENT ON COLUMN keyring_keys.verified_at IS 'last successful unwrap';
COMMENT ON COLUMN keyring_keys.cached IS 'whether the unwrapped key is in memory';
COMMENT ON COLUMN keyring_keys.current_version IS 'the current version of the wrapping key, where it has versions';
COMMENT ON COLUMN keyring_keys.next_rotation IS 'when the wrapping key gets a new version by itself';
COMMENT ON COLUMN keyring_keys.destroy_time IS 'when the version in kek_version is destroyed, or was; NULL if that is not scheduled';
COMMENT ON COLUMN keyring_keys.kek_checked_at IS 'when the metadata of the wrapping key were last read';
COMMENT ON COLUMN keyring_keys.tag IS '4 bytes, in hexadecimal, that envelopes under this key carry';
COMMENT ON COLUMN keyring_keys.uuid IS 'identity of the key, authenticated with every value and every wrap';
COMMENT ON COLUMN keyring_keys.created_at IS 'when the key was created';
COMMENT ON COLUMN keyring_keys.activated_at IS 'when the key became primary';
COMMENT ON COLUMN keyring_keys.deprecated_at IS 'when another key became primary';
COMMENT ON COLUMN keyring_keys.rewrapped_at IS 'when the data key was last wrapped anew';
COMMENT ON COLUMN keyring_keys.destroyed_at IS 'when the wrap was erased';

CREATE VIEW keyring_events AS
    SELECT e.at, e.key_id, e.action, e.actor, e.login, e.client_addr, e.detail
      FROM @extschema@.keyring_event e
     ORDER BY e.at;
REVOKE ALL ON keyring_events FROM PUBLIC;
COMMENT ON VIEW keyring_events IS 'who changed which key when';
COMMENT ON COLUMN keyring_events.at IS 'time of the change';
COMMENT ON COLUMN keyring_events.key_id IS 'the key';
COMMENT ON COLUMN keyring_events.action IS 'create, activate, deprecate, rewrap or destroy';
COMMENT ON COLUMN keyring_events.actor IS 'current user';
COMMENT ON COLUMN keyring_events.login IS 'session user';
COMMENT ON COLUMN keyring_events.client_addr IS 'address of the client; NULL for a local one';
COMMENT ON COLUMN keyring_events.detail IS 'particulars';

CREATE VIEW keyring_stats AS
    SELECT s.name, s.value FROM @extschema@.keyring_statistics() s;
REVOKE ALL ON keyring_stats FROM PUBLIC;
COMMENT ON VIEW keyring_stats IS 'counters of this cluster since the server started';
COMMENT ON COLUMN keyring_stats.name IS 'what is counted';
COMMENT ON COLUMN keyring_stats.value IS 'how often since the server started, or how many now';
