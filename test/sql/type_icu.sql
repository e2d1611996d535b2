-- Collations of ICU. A server built without it has nothing to show.
SELECT NOT EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i') AS without_icu \gset
\if :without_icu
\quit
\endif
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_icu;
SET search_path = type_icu, public;
CREATE TABLE t (id integer, p text, r encrypted_text(randomized), s encrypted_text(searchable));
INSERT INTO t SELECT i, v, v, v FROM (SELECT i, chr(65 + i % 26) || chr(97 + i % 7) || i % 90 FROM generate_series(1, 600) i
    UNION ALL SELECT 1000 + i, v FROM unnest(ARRAY['zoe', 'Zoe', 'zoë', '', NULL, 'Ångström', 'z-oe']) WITH ORDINALITY AS w (v, i)) x (i, v);

-- the order of a deterministic one
SELECT r FROM t WHERE id > 1000 ORDER BY r COLLATE "en-x-icu";
SELECT (SELECT array_agg(r ORDER BY r COLLATE "en-x-icu") FROM t)::text = (SELECT array_agg(p ORDER BY p COLLATE "en-x-icu") FROM t)::text AS randomized,
    (SELECT array_agg(s ORDER BY s COLLATE "en-x-icu" DESC) FROM t)::text = (SELECT array_agg(p ORDER BY p COLLATE "en-x-icu" DESC) FROM t)::text AS searchable,
    (SELECT count(DISTINCT r COLLATE "en-x-icu") FROM t) = (SELECT count(DISTINCT p) FROM t) AS distinct_values,
    (SELECT array_agg(id ORDER BY id) FROM t WHERE r COLLATE "en-x-icu" < 'm') = (SELECT array_agg(id ORDER BY id) FROM t WHERE p COLLATE "en-x-icu" < 'm') AS less;

-- nondeterministic ones have no canonical form: opened values compare, tokens do not
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT p FROM t WHERE r COLLATE folded = 'ZOE' ORDER BY id;
SELECT p FROM t WHERE s COLLATE folded = 'ZOE' ORDER BY id;
SELECT p FROM t WHERE r COLLATE folded < 'B' AND id < 80 ORDER BY id;
SELECT count(*) FROM (SELECT r FROM t ORDER BY r COLLATE folded) x;
SELECT count(*) FROM t a JOIN t b ON a.s COLLATE folded = b.s;
SELECT DISTINCT r COLLATE folded FROM t;
SELECT count(DISTINCT s COLLATE folded) FROM t;
SELECT count(DISTINCT r::text COLLATE folded) = count(DISTINCT lower(p)) AS folded FROM t;

DROP SCHEMA type_icu CASCADE;
DROP EXTENSION keyring;
