-- An envelope is of the type that it was sealed as: every other refuses it, also where the plaintext would have the right size.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_envelopes;
SET search_path = type_envelopes, public;
CREATE TABLE sealed (type text, envelope text);
CREATE FUNCTION seal(type text, literal text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    value text;
BEGIN
    EXECUTE format('CREATE TEMP TABLE one AS SELECT %L::encrypted_%s(randomized) AS v', literal, type);
    SET LOCAL keyring.output_format = ciphertext;
    EXECUTE 'SELECT format(''%s'', keyring_' || type || '_out(v)) FROM one' INTO value;
    RESET keyring.output_format;
    INSERT INTO sealed VALUES (type, value);
    DROP TABLE one;
END $$;
SELECT seal(type, literal) FROM (VALUES ('text', '1'), ('bytea', '\x31'), ('boolean', 't'), ('smallint', '1'), ('integer', '1'), ('bigint', '1'), ('real', '1'),
    ('double', '1'), ('numeric', '1'), ('date', '2000-01-02'), ('time', '00:00:01'), ('timestamp', '2000-01-02'), ('timestamptz', '2000-01-02'), ('interval', '1 s'),
    ('uuid', '00000000-0000-0000-0000-000000000001'), ('inet', '0.0.0.1'), ('json', '1'), ('jsonb', '1')) v (type, literal);

CREATE FUNCTION outcome(type text, envelope text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    SET LOCAL keyring.input_format = ciphertext;
    EXECUTE format('CREATE TEMP TABLE one AS SELECT %L::encrypted_%s(randomized) AS v', envelope, type);
    EXECUTE 'SELECT v::text FROM one' INTO result;
    DROP TABLE one;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT other.type = sealed.type AS same, outcome(other.type, sealed.envelope) AS outcome, count(*)
FROM sealed, sealed other GROUP BY 1, 2 ORDER BY 1, 2;

DROP SCHEMA type_envelopes CASCADE;
DROP EXTENSION keyring;
