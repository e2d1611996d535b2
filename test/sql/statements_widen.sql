-- Numbers beside floating-point columns: compared as PostgreSQL compares them, not after they were rounded.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA statements_widen;
SET search_path = statements_widen, public;
CREATE TABLE plain (r real, d double precision, l bigint, n numeric);
CREATE TABLE searchable (r encrypted_real(searchable), d encrypted_double(searchable), l encrypted_bigint(searchable), n encrypted_numeric(searchable));
CREATE TABLE randomized (r encrypted_real, d encrypted_double, l encrypted_bigint, n encrypted_numeric);
INSERT INTO plain VALUES (16777216, 9007199254740992, 9007199254740993, 0.1), (0.1, 0.1, 16777217, 16777217), (5, 5, 5, 5), (-3, -3, -3, -3);
INSERT INTO searchable SELECT * FROM plain;
INSERT INTO randomized SELECT * FROM plain;
CREATE TABLE conditions (condition text);
INSERT INTO conditions SELECT format(form, c, o) FROM unnest('{r,d,l,n}'::text[]) c,
    unnest('{16777217,16777217::bigint,16777217::real,0.1,0.1::real,0.1::double precision,9007199254740993,9007199254740993::numeric,5,5::smallint,5::real,-3::integer,-3::numeric}'::text[]) o,
    unnest('{%s = %s,%2$s = %1$s,%s <> %s,%s < %s,%2$s >= %1$s}'::text[]) form;
CREATE FUNCTION matches(source text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text) FROM %s WHERE %s', source, condition) INTO result;
    RETURN coalesce(result, 'none');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT condition, source, matches('plain', condition) AS plain, matches(source, condition) AS encrypted
FROM conditions, unnest('{searchable,randomized}'::text[]) source WHERE matches('plain', condition) <> matches(source, condition);
SELECT count(*), count(*) FILTER (WHERE matches('plain', condition) ~ '^\d{5}') AS failed, count(DISTINCT matches('plain', condition)) > 8 AS various FROM conditions;

DROP SCHEMA statements_widen CASCADE;
DROP EXTENSION keyring;
