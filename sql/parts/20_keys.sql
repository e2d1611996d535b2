-- ---------------------------------------------------------------------------
-- Keys. None of these is STRICT where a NULL argument has a meaning or deserves an error.
-- ---------------------------------------------------------------------------

CREATE FUNCTION keyring_create_key(provider text DEFAULT 'managed', resource text DEFAULT NULL, label text DEFAULT NULL)
    RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_create_key';
REVOKE ALL ON FUNCTION keyring_create_key(text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION keyring_create_key(text, text, text) IS
    'makes a data key, has it wrapped, verifies the wrap and stores it as staged; returns its id; never changes the primary key';

CREATE FUNCTION keyring_check_key(key_id integer, OUT step text, OUT ok boolean, OUT detail text, OUT hint text)
    RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_check_key';
REVOKE ALL ON FUNCTION keyring_check_key(integer) FROM PUBLIC;
COMMENT ON FUNCTION keyring_check_key(integer) IS
    'asks the key''s provider now, whatever is cached: credentials, metadata of the wrapping key, permissions, unwrap, check value, wrap';

CREATE FUNCTION keyring_check_resource(provider text, resource text, OUT step text, OUT ok boolean, OUT detail text, OUT hint text)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_check_resource';
REVOKE ALL ON FUNCTION keyring_check_resource(text, text) FROM PUBLIC;
COMMENT ON FUNCTION keyring_check_resource(text, text) IS
    'does all that making a key would, and keeps nothing: name, credentials, metadata of the wrapping key, permissions, wrap, unwrap';

CREATE FUNCTION keyring_service_account(provider text)
    RETURNS text LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_service_account';
REVOKE ALL ON FUNCTION keyring_service_account(text) FROM PUBLIC;
COMMENT ON FUNCTION keyring_service_account(text) IS
    'who this server is to a key management service: whom the owner of a key there must grant its use';

CREATE FUNCTION keyring_activate(key_id integer)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_activate';
REVOKE ALL ON FUNCTION keyring_activate(integer) FROM PUBLIC;
COMMENT ON FUNCTION keyring_activate(integer) IS
    'checks a staged key, makes it primary and the former primary deprecated, at commit; on the primary itself only checks';

CREATE FUNCTION keyring_rewrap_key(key_id integer)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_rewrap_key';
REVOKE ALL ON FUNCTION keyring_rewrap_key(integer) FROM PUBLIC;
COMMENT ON FUNCTION keyring_rewrap_key(integer) IS
    'wraps the same data key under the current version of its wrapping key; stored values do not change';

CREATE FUNCTION keyring_destroy_key(key_id integer, force boolean DEFAULT false)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_destroy_key';
REVOKE ALL ON FUNCTION keyring_destroy_key(integer, boolean) FROM PUBLIC;
COMMENT ON FUNCTION keyring_destroy_key(integer, boolean) IS
    'erases the wrap of a staged or deprecated key, for good; refused while any value needs it, or did since the call began, unless a superuser sets force';

CREATE FUNCTION keyring_flush_cache()
    RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_flush_cache';
REVOKE ALL ON FUNCTION keyring_flush_cache() FROM PUBLIC;
COMMENT ON FUNCTION keyring_flush_cache() IS 'wipes every unwrapped data key of the cluster from memory; the next use unwraps anew';

CREATE FUNCTION keyring_key_health(key_id integer, OUT cached boolean, OUT health text, OUT since timestamptz,
                                   OUT verified_at timestamptz, OUT message text,
                                   OUT current_version text, OUT next_rotation timestamptz,
                                   OUT destroy_time timestamptz, OUT kek_checked_at timestamptz)
    RETURNS record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_key_health';
REVOKE ALL ON FUNCTION keyring_key_health(integer) FROM PUBLIC;
COMMENT ON FUNCTION keyring_key_health(integer) IS 'what the server remembers of a key''s last unwrap, without asking anybody';

CREATE FUNCTION keyring_statistics(OUT name text, OUT value bigint)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_statistics';
REVOKE ALL ON FUNCTION keyring_statistics() FROM PUBLIC;
COMMENT ON FUNCTION keyring_statistics() IS 'counters of this cluster since the server started; the view keyring_stats shows them';

CREATE FUNCTION keyring_doctor(OUT subject text, OUT ok boolean, OUT detail text, OUT hint text)
    RETURNS SETOF record LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'keyring_doctor';
REVOKE ALL ON FUNCTION keyring_doctor() FROM PUBLIC;
COMMENT ON FUNCTION keyring_doctor() IS 'what an operator must know, one line each; works on a standby too';

-- Capabilities: the right to execute one of these three.

CREATE FUNCTION keyring_may_admin() RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT true';
REVOKE ALL ON FUNCTION keyring_may_admin() FROM PUBLIC;
COMMENT ON FUNCTION keyring_may_admin() IS 'marker: who may execute it has the admin capability; use keyring_grant()';

CREATE FUNCTION keyring_may_read() RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT true';
REVOKE ALL ON FUNCTION keyring_may_read() FROM PUBLIC;
COMMENT ON FUNCTION keyring_may_read() IS 'marker: who may execute it may read plaintext under keyring.require_reader; use keyring_grant()';

CREATE FUNCTION keyring_may_backup() RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT true';
REVOKE ALL ON FUNCTION keyring_may_backup() FROM PUBLIC;
COMMENT ON FUNCTION keyring_may_backup() IS 'marker: who may execute it may dump ciphertext and wrapped keys; use keyring_grant()';

CREATE FUNCTION keyring_grant(role regrole, capability text)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_grant';
REVOKE ALL ON FUNCTION keyring_grant(regrole, text) FROM PUBLIC;
COMMENT ON FUNCTION keyring_grant(regrole, text) IS 'gives a role the capability admin, reader or backup in this database';

CREATE FUNCTION keyring_revoke(role regrole, capability text)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_revoke';
REVOKE ALL ON FUNCTION keyring_revoke(regrole, text) FROM PUBLIC;
COMMENT ON FUNCTION keyring_revoke(regrole, text) IS 'takes a capability away from a role';

