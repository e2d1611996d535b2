-- ---------------------------------------------------------------------------
-- Views: what may be seen of the catalog. Wrapped material is in none of them.
-- ---------------------------------------------------------------------------

CREATE VIEW keyring_keys AS
    SELECT k.id, k.label, k.state, k.provider, k.resource, k.kek_version, k.protection,
           h.health, h.since AS health_since, h.message AS health_message, h.verified_at, h.cached,
           encode(k.tag, 'hex') AS tag, k.uuid,
           k.created_at, k.activated_at, k.deprecated_at, k.rewrapped_at, k.destroyed_at
      FROM @extschema@.keyring_key k, LATERAL @extschema@.keyring_key_health(k.id) h
     ORDER BY k.id;
REVOKE ALL ON keyring_keys FROM PUBLIC;
COMMENT ON VIEW keyring_keys IS
    'keys of this database: state, provider, wrapping key, and the health that their last unwrap showed (NULL: not used since the server started)';

CREATE VIEW keyring_events AS
    SELECT e.at, e.key_id, e.action, e.actor, e.login, e.client_addr, e.detail
      FROM @extschema@.keyring_event e
     ORDER BY e.at;
REVOKE ALL ON keyring_events FROM PUBLIC;
COMMENT ON VIEW keyring_events IS 'who changed which key when';

CREATE VIEW keyring_stats AS
    SELECT s.name, s.value FROM @extschema@.keyring_statistics() s;
REVOKE ALL ON keyring_stats FROM PUBLIC;
COMMENT ON VIEW keyring_stats IS 'counters of this cluster since the server started';

