-- Subscripts of encrypted_jsonb.

CREATE FUNCTION keyring_jsonb_subscript(internal) RETURNS internal
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'keyring_jsonb_subscript';
COMMENT ON FUNCTION keyring_jsonb_subscript(internal) IS 'subscripts: those of the opened document';
ALTER TYPE encrypted_jsonb SET (SUBSCRIPT = keyring_jsonb_subscript);
