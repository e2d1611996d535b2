-- varchar, char and name beside encrypted_text. Without the casts, assignment would go through the
-- text forms (and seal twice), char would keep its padding, and UNION, CASE or COALESCE of an encrypted and a
-- varchar or char expression would find no common type.

CREATE CAST (encrypted_text AS varchar) WITH FUNCTION keyring_text_open(encrypted_text) AS IMPLICIT;
COMMENT ON CAST (encrypted_text AS varchar) IS 'opens a value';

CREATE FUNCTION keyring_text_open_bpchar(encrypted_text) RETURNS bpchar
    LANGUAGE c STABLE STRICT PARALLEL SAFE COST 25
    AS 'MODULE_PATHNAME', 'keyring_value_open';
COMMENT ON FUNCTION keyring_text_open_bpchar(encrypted_text) IS 'cast: opens a value';
CREATE CAST (encrypted_text AS bpchar) WITH FUNCTION keyring_text_open_bpchar(encrypted_text) AS IMPLICIT;
COMMENT ON CAST (encrypted_text AS bpchar) IS 'opens a value';

CREATE CAST (varchar AS encrypted_text) WITH FUNCTION keyring_text_seal(text, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (varchar AS encrypted_text) IS 'seals a value';

CREATE FUNCTION keyring_text_seal(bpchar, integer, boolean) RETURNS encrypted_text
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE COST 25
    AS 'MODULE_PATHNAME', 'keyring_bpchar_seal';
COMMENT ON FUNCTION keyring_text_seal(bpchar, integer, boolean) IS 'cast: seals a value without its padding, as a cast to text removes it';
CREATE CAST (bpchar AS encrypted_text) WITH FUNCTION keyring_text_seal(bpchar, integer, boolean) AS ASSIGNMENT;
COMMENT ON CAST (bpchar AS encrypted_text) IS 'seals a value';

-- "= name" would be ambiguous: PostgreSQL compares name with text directly. current_user is a name.

CREATE FUNCTION keyring_text_eq(encrypted_text, name) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN $1 OPERATOR(@extschema@.=) $2::text;
COMMENT ON FUNCTION keyring_text_eq(encrypted_text, name) IS 'implementation of = operator';
CREATE OPERATOR = (
    LEFTARG = encrypted_text, RIGHTARG = name, FUNCTION = keyring_text_eq,
    COMMUTATOR = OPERATOR(@extschema@.=), NEGATOR = OPERATOR(@extschema@.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (encrypted_text, name) IS 'equal';

CREATE FUNCTION keyring_text_eq(name, encrypted_text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN $1::text OPERATOR(@extschema@.=) $2;
COMMENT ON FUNCTION keyring_text_eq(name, encrypted_text) IS 'implementation of = operator';
CREATE OPERATOR = (
    LEFTARG = name, RIGHTARG = encrypted_text, FUNCTION = keyring_text_eq,
    COMMUTATOR = OPERATOR(@extschema@.=), NEGATOR = OPERATOR(@extschema@.<>),
    RESTRICT = eqsel, JOIN = eqjoinsel
);
COMMENT ON OPERATOR = (name, encrypted_text) IS 'equal';

CREATE FUNCTION keyring_text_ne(encrypted_text, name) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN $1 OPERATOR(@extschema@.<>) $2::text;
COMMENT ON FUNCTION keyring_text_ne(encrypted_text, name) IS 'implementation of <> operator';
CREATE OPERATOR <> (
    LEFTARG = encrypted_text, RIGHTARG = name, FUNCTION = keyring_text_ne,
    COMMUTATOR = OPERATOR(@extschema@.<>), NEGATOR = OPERATOR(@extschema@.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (encrypted_text, name) IS 'not equal';

CREATE FUNCTION keyring_text_ne(name, encrypted_text) RETURNS boolean
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN $1::text OPERATOR(@extschema@.<>) $2;
COMMENT ON FUNCTION keyring_text_ne(name, encrypted_text) IS 'implementation of <> operator';
CREATE OPERATOR <> (
    LEFTARG = name, RIGHTARG = encrypted_text, FUNCTION = keyring_text_ne,
    COMMUTATOR = OPERATOR(@extschema@.<>), NEGATOR = OPERATOR(@extschema@.=),
    RESTRICT = neqsel, JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (name, encrypted_text) IS 'not equal';

