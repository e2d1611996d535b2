-- Expressions that the catalogs keep and that no hook sees before: a constant in them must be base-typed.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_guard_stored;
\c regress_guard_stored
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
\set VERBOSITY terse

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), r encrypted_text);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';

-- each refused, then in the form that works
ALTER TABLE t ADD CHECK (v <> 'x');
ALTER TABLE t ADD CHECK (v <> 'x'::text);
ALTER TABLE t ADD CHECK (r NOT IN ('x', 'y'));
ALTER TABLE t ADD CHECK (r NOT IN ('x'::text, 'y'::text));
CREATE TABLE refused (v encrypted_text CHECK (v <> 'x'));
CREATE POLICY condition ON t USING (v = 'x');
CREATE POLICY condition ON t USING (v = 'x'::text);
ALTER POLICY condition ON t WITH CHECK (v = ANY ('{x,y}'));
ALTER POLICY condition ON t WITH CHECK (v = ANY ('{x,y}'::text[]));
CREATE RULE condition AS ON INSERT TO t WHERE NEW.v = 'x' DO NOTHING;
CREATE RULE condition AS ON INSERT TO t WHERE NEW.v = 'x'::text DO NOTHING;
CREATE RULE other AS ON DELETE TO t DO ALSO INSERT INTO t VALUES (OLD.id, 'x');
CREATE RULE other AS ON DELETE TO t DO ALSO INSERT INTO t VALUES (OLD.id, 'x'::text);
CREATE TRIGGER condition BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.v = 'x') EXECUTE FUNCTION nothing();
CREATE TRIGGER condition BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.v = 'x'::text) EXECUTE FUNCTION nothing();
CREATE FUNCTION defaulted(a encrypted_text DEFAULT 'x') RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION defaulted(a encrypted_text DEFAULT 'x'::text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION atomic() RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT v = 'x' FROM t; END;
CREATE FUNCTION atomic() RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT v = 'x'::text FROM t; END;
CREATE FUNCTION returned() RETURNS boolean LANGUAGE sql RETURN 'x'::encrypted_text = 'y';
CREATE PROCEDURE atomic_insert() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1, 'x'); END;
CREATE PROCEDURE atomic_insert() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1, 'x'::text); END;
CREATE DOMAIN defaulted AS encrypted_text DEFAULT 'x';
CREATE DOMAIN checked AS encrypted_text CHECK (VALUE <> 'x');
CREATE DOMAIN checked AS encrypted_text CHECK (VALUE <> 'x'::text);
ALTER DOMAIN checked SET DEFAULT 'x';
ALTER TABLE t ALTER COLUMN v SET DEFAULT COALESCE('x'::encrypted_text, 'y');
ALTER TABLE t ALTER COLUMN v SET DEFAULT COALESCE('x', 'y');
INSERT INTO t VALUES (7, 'y', 'z');
SET keyring.output_format = ciphertext;
SELECT format('%s', v) AS armored FROM t WHERE id = 7 \gset
SET keyring.input_format = ciphertext;
ALTER TABLE t ALTER COLUMN v SET DEFAULT :'armored';
RESET keyring.input_format;
RESET keyring.output_format;
-- inside an array, a row or a range, too
CREATE TYPE composite AS (a integer, b encrypted_text);
CREATE TYPE nested AS (c composite[]);
CREATE DOMAIN a_composite AS composite;
CREATE TYPE a_range AS RANGE (subtype = encrypted_text);
CREATE FUNCTION part_of(composite) RETURNS encrypted_text IMMUTABLE LANGUAGE sql AS 'SELECT ($1).b';
CREATE FUNCTION holds(nested) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
CREATE TABLE plain (id integer, n integer);
ALTER TABLE t ALTER COLUMN v SET DEFAULT ('(1,x)'::composite).b;
ALTER TABLE t ALTER COLUMN v SET DEFAULT part_of('(1,x)');
ALTER TABLE t ALTER COLUMN v SET DEFAULT ('{x}'::encrypted_text[])[1];
ALTER TABLE t ALTER COLUMN v SET DEFAULT lower('[x,x]'::a_range);
ALTER TABLE t ADD COLUMN w encrypted_text DEFAULT ('(1,x)'::a_composite).b;
ALTER TABLE plain ADD CHECK (holds('("{""(1,x)""}")'));
CREATE TABLE refused (n integer GENERATED ALWAYS AS (CASE WHEN holds('("{""(1,x)""}")') THEN 1 END) STORED);
CREATE INDEX refused ON plain (id) WHERE holds('("{""(1,x)""}")');
CREATE INDEX refused ON plain ((holds('("{""(1,x)""}")')));
CREATE STATISTICS refused ON (id + (CASE WHEN holds('("{""(1,x)""}")') THEN 1 END)), n FROM plain;
CREATE STATISTICS refused ON (id = (CASE WHEN 'x'::encrypted_text IS NULL THEN 1 END)), n FROM plain;
CREATE TABLE refused (id integer) PARTITION BY LIST ((id + CASE WHEN holds('("{""(1,x)""}")') THEN 1 END));
CREATE VIEW refused AS SELECT '(1,x)'::composite AS c;
CREATE VIEW refused AS SELECT ('{"(1,x)"}'::composite[])[1].b AS c;
CREATE VIEW refused AS SELECT 1 AS n WHERE '[x,x]'::a_range IS NOT NULL;
CREATE VIEW refused AS SELECT '{[x,x]}'::a_multirange AS r;
CREATE MATERIALIZED VIEW refused AS SELECT ('(1,x)'::composite).b AS c;
CREATE RULE another AS ON DELETE TO plain DO ALSO INSERT INTO t VALUES (OLD.id, ('(1,x)'::composite).b);
CREATE POLICY another ON plain USING (holds('("{""(1,x)""}")'));
CREATE TRIGGER another BEFORE INSERT ON plain FOR EACH ROW WHEN (holds('("{""(1,x)""}")')) EXECUTE FUNCTION nothing();
CREATE FUNCTION defaulted_row(a composite DEFAULT '(1,x)') RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION returned_row() RETURNS composite LANGUAGE sql RETURN '(1,x)'::composite;
CREATE DOMAIN defaulted_row AS composite DEFAULT '(1,x)';
CREATE DOMAIN checked_row AS composite CHECK (VALUE IS DISTINCT FROM '(1,x)'::composite);
SET keyring.input_format = ciphertext;
SELECT format('(1,%s)', :'armored') AS armored_row \gset
CREATE VIEW refused AS SELECT :'armored_row'::composite AS c;
ALTER TABLE t ALTER COLUMN v SET DEFAULT (:'armored_row'::composite).b;
RESET keyring.input_format;
-- but not those without a value in them, nor those of one statement
CREATE VIEW without AS SELECT NULL::composite AS c, NULL::encrypted_text[] AS a, ROW(1, 'x'::text)::composite AS r, ARRAY['x'::text::encrypted_text] AS e;
SELECT * FROM without;
SELECT '(1,x)'::composite, ('{"(1,x)"}'::composite[])[1].b, '[x,x]'::a_range @> 'x'::encrypted_text;

\set VERBOSITY default
ALTER TABLE t ADD CHECK (v > 'x');

-- what was stored works, and is dumped as it was written
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 't'::regclass;
SELECT qual, with_check FROM pg_policies WHERE tablename = 't';
SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = 't'::regclass ORDER BY rulename;
SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT pg_get_functiondef('atomic_insert'::regproc);
INSERT INTO t VALUES (1, 'x', 'z');
INSERT INTO t VALUES (2, 'a', 'x');
SELECT count(*) FROM t WHERE id < 7;
CALL atomic_insert();
INSERT INTO t (id, r) VALUES (3, 'z');
DELETE FROM t WHERE id = 7;
SELECT defaulted(), 'y'::checked;
SELECT 'x'::checked;

\c :start
DROP DATABASE regress_guard_stored WITH (FORCE);
