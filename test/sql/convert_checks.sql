-- CHECK constraints are parsed again for the encrypted type, and go on to mean the same.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SET client_min_messages = warning;
CREATE SCHEMA convert_checks;
SET search_path = convert_checks, public;

CREATE TABLE needs_path ();
CREATE FUNCTION short_path(text) RETURNS boolean LANGUAGE sql AS 'SELECT count(*) >= 0 FROM needs_path WHERE $1 <> ''x''';
CREATE TABLE t (
    id integer PRIMARY KEY,
    a text,
    b text,
    v varchar(20),
    p char(6),
    x bytea,
    CONSTRAINT c01 CHECK (a <> 'x'),
    CONSTRAINT c02 CHECK (a NOT IN ('y', 'z')),
    CONSTRAINT c03 CHECK (length(a) < 10),
    CONSTRAINT c04 CHECK (a ~ '^[a-z-]+$'),
    CONSTRAINT c05 CHECK (a <> b OR b IS NULL),
    CONSTRAINT c06 CHECK (coalesce(a, b) IS NOT NULL),
    CONSTRAINT c07 CHECK ((a, b) <> ('p', 'q')),
    CONSTRAINT c08 CHECK (CASE WHEN a LIKE 'n%' THEN id > 0 ELSE true END),
    CONSTRAINT c09 CHECK (a || b <> 'rs'),
    CONSTRAINT c10 CHECK (nullif(a, 'm') IS NOT NULL OR a IS NULL),
    CONSTRAINT c11 CHECK (upper(a) COLLATE "C" > 'A' OR a = 'a'),
    CONSTRAINT c12 CHECK (a IS DISTINCT FROM 'i'),
    CONSTRAINT c13 CHECK (v IN ('one', 'two', 'three')),
    CONSTRAINT c14 CHECK (length(v) > 2),
    CONSTRAINT c15 CHECK (v <> a),
    CONSTRAINT c16 CHECK (p = 'ab' OR p > 'b'),
    CONSTRAINT c17 CHECK (x <> '\x00' AND length(x) < 4),
    CONSTRAINT c18 CHECK (a <> 'never') NOT VALID,
    CONSTRAINT c19 CHECK (a < 'zz') NO INHERIT,
    CONSTRAINT c20 CHECK (t.* IS NOT NULL OR true)
);
INSERT INTO t VALUES (1, 'k', 'l', 'one', 'ab', '\x01'), (2, 'k', NULL, 'two', 'c', '');
SELECT keyring_encrypt_column('t', c) FROM unnest('{a,b,v,p,x}'::name[]) c;
SELECT conname, convalidated, connoinherit, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;

-- each of them still refuses what it refused
CREATE PROCEDURE try(VARIADIC statement text[]) LANGUAGE plpgsql SET search_path = convert_checks, public AS $$
DECLARE
    s text;
    name text;
BEGIN
    FOREACH s IN ARRAY statement LOOP
        BEGIN
            EXECUTE 'INSERT INTO t VALUES (' || s || ')';
            RAISE WARNING 'accepted: %', s;
        EXCEPTION WHEN check_violation THEN
            GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
            RAISE WARNING '%: %', name, s;
        END;
    END LOOP;
END $$;
CALL try($$3, 'x'$$, $$3, 'y'$$, $$3, 'abcdefghijk'$$, $$3, 'B'$$, $$3, 'k', 'k'$$, $$3, NULL, NULL$$, $$3, 'p', 'q'$$,
         $$-3, 'nn'$$, $$3, 'r', 's'$$, $$3, 'm'$$, $$3, 'i'$$, $$3, 'k', NULL, 'four'$$, $$3, 'one', NULL, 'one'$$,
         $$3, 'k', NULL, NULL, 'a'$$, $$3, 'k', NULL, NULL, NULL, '\x00'$$, $$3, 'k', NULL, NULL, NULL, '\x01020304'$$,
         $$3, 'never'$$, $$3, 'zzz'$$);
INSERT INTO t VALUES (3, 'k', 'l', 'three', 'ab ', '\x010203');

-- no constant has become an envelope
SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND conbin::text LIKE '%consttype ' || 'encrypted_text'::regtype::oid || ' %';

-- a dump and restore parses them once more, with an empty search_path
SET search_path = '';
SELECT string_agg(pg_catalog.format('ALTER TABLE convert_checks.t DROP CONSTRAINT %1$I, ADD CONSTRAINT %1$I %2$s', conname, pg_catalog.pg_get_constraintdef(oid)), '; ') AS statements
FROM pg_catalog.pg_constraint WHERE conrelid = 'convert_checks.t'::regclass AND contype = 'c' \gset
:statements;
SET search_path = convert_checks, public;
CALL try($$4, 'x'$$, $$4, 'y'$$, $$4, 'B'$$, $$4, 'p', 'q'$$, $$4, 'k', NULL, 'four'$$, $$4, 'k', NULL, 'abc', 'a'$$);

SELECT keyring_decrypt_column('t', c) FROM unnest('{a,b,v,p,x}'::name[]) c;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;

-- a function that depends on the search_path of its caller: its own error, and nothing has changed
CREATE TABLE by_path (c text CHECK (short_path(c)));
INSERT INTO by_path VALUES ('plain');
\set VERBOSITY terse
SELECT keyring_encrypt_column('by_path', 'c');
\set VERBOSITY default
TABLE by_path;

-- an equality of keyring's own in a CHECK is not plaintext's: it has to go before the way back
CREATE TABLE own (c encrypted_text(searchable) CHECK (c OPERATOR(public.=) 'x'::text));
SELECT keyring_decrypt_column('own', 'c');

DROP SCHEMA convert_checks CASCADE;
DROP EXTENSION keyring;
