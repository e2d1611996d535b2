-- Equality with a searchable column uses the index, whatever the other operand is and however the statement is planned.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_statements_index;
\c regress_statements_index
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
SET jit = off;                          -- switched-off plan types look expensive

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), r encrypted_text, plain text);
INSERT INTO t SELECT i, 'v' || i % 50, 'v' || i % 7, 'v' || i % 50 FROM generate_series(1, 500) AS i;
CREATE INDEX by_v ON t (v);
CREATE INDEX by_plain ON t (plain);
CREATE TABLE operand (id integer PRIMARY KEY, plain text, r encrypted_text, v encrypted_text(searchable), c varchar(10), f char(10));
INSERT INTO operand SELECT i, 'v' || i, 'v' || i, 'v' || i, 'v' || i, 'v' || i FROM generate_series(1, 3) AS i;
ANALYZE t, operand;
SET enable_seqscan = off;               -- the tables are small

-- Whether a query is planned with a condition on the index of a column.
CREATE FUNCTION uses_index(query text, index_column name DEFAULT 'v') RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    line text;
    condition boolean := false;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        condition := condition OR line ~ format('Index Cond: \(\(*%s\)*(::encrypted_text)* (=|IS)', index_column);
    END LOOP;
    RETURN condition;
END $$;
-- it must be able to say no
SELECT uses_index($$SELECT id FROM t WHERE v > 'v1'$$), uses_index($$SELECT id FROM t WHERE r = 'v1'$$);

CREATE TABLE query (n serial, condition text);
INSERT INTO query (condition) VALUES
    ($$@ = 'v1'$$), ($$'v1' = @$$), ($$@ = 'v1'::text$$), ($$'v1'::text = @$$), ($$@ = 'v1'::varchar$$), ($$@ = 'v1'::varchar(10)$$),
    ($$@ = 'v1'::char(4)$$), ($$@ = 'v1'::name$$), ($$@ = 'v' || 1$$), ($$@ = lower('V1')$$), ($$@ = 'v1' COLLATE "C"$$),
    ($$@ = 'v1'::encrypted_text$$), ($$@ = 'v1'::text::encrypted_text$$), ($$@ = 'v1'::encrypted_text(searchable)$$), ($$'v1'::text::encrypted_text(searchable) = @$$),
    ($$@ = (SELECT o.r FROM operand o WHERE o.id = 1)::encrypted_text(searchable)$$), ($$@ IN ('v1')$$), ($$@ IN ('v1', 'v2')$$),
    ($$@ IN ('v1'::text, 'v2'::text)$$), ($$@ IN ('v1'::varchar, 'v2'::varchar)$$), ($$@ = ANY ('{v1,v2,NULL}')$$),
    ($$@ = ANY ('{v1,v2}'::text[])$$), ($$@ = ANY (ARRAY['v1', 'v2'])$$), ($$@ = ANY (ARRAY(SELECT o.plain FROM operand o))$$),
    ($$@ = ANY (ARRAY(SELECT o.r FROM operand o))$$), ($$@ = (SELECT o.plain FROM operand o WHERE o.id = 1)$$),
    ($$@ = (SELECT o.r FROM operand o WHERE o.id = 1)$$), ($$@ = (SELECT o.v FROM operand o WHERE o.id = 1)$$),
    ($$@ IN (SELECT o.plain FROM operand o)$$), ($$@ IN (SELECT o.r FROM operand o)$$), ($$@ IN (SELECT o.v FROM operand o)$$),
    ($$@ IN (VALUES ('v1'), ('v2'))$$), ($$EXISTS (SELECT FROM operand o WHERE o.plain = @)$$),
    ($$EXISTS (SELECT FROM operand o WHERE o.r = @)$$), ($$@ = 'v1' OR @ = 'v2'$$), ($$(@, id) IN (('v1', 1), ('v2', 2))$$),
    ($$(@, id) = ('v1', 1)$$), ($$@ = COALESCE(NULL, 'v1')$$), ($$@ IS NULL$$);
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT condition, uses_index('SELECT id FROM t WHERE ' || replace(condition, '@', 'v')) FROM query ORDER BY n;
SELECT condition AS only_for_plain FROM query
WHERE uses_index('SELECT id FROM t WHERE ' || replace(condition, '@', 'plain'), 'plain')
    AND NOT uses_index('SELECT id FROM t WHERE ' || replace(condition, '@', 'v'));
RESET enable_hashjoin;
RESET enable_mergejoin;

-- and finds what the plain column would; also without the index
CREATE FUNCTION differing() RETURNS TABLE (condition text, actual bigint, expected bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR condition IN SELECT q.condition FROM query q ORDER BY n LOOP
        EXECUTE 'SELECT count(*) FROM t WHERE ' || replace(condition, '@', 'v') INTO actual;
        EXECUTE 'SELECT count(*) FROM t WHERE ' || replace(condition, '@', 'plain') INTO expected;
        IF actual <> expected OR actual = 0 AND condition <> '@ IS NULL' THEN RETURN NEXT; END IF;
    END LOOP;
END $$;
INSERT INTO query (condition) VALUES
    ($$@ <> 'v1'$$), ($$@ NOT IN ('v1', 'v2')$$), ($$@ NOT IN (SELECT o.plain FROM operand o)$$), ($$@ NOT IN (SELECT o.r FROM operand o)$$),
    ($$@ IS DISTINCT FROM 'v1'$$), ($$@ <> ALL (ARRAY(SELECT o.r FROM operand o))$$), ($$NOT @ = ANY ('{v1,v2}'::text[])$$),
    ($$@ = CASE WHEN id > 0 THEN 'v1' END$$), ($$NULLIF(@, 'v1') IS NULL$$), ($$CASE @ WHEN 'v1' THEN true WHEN 'v2' THEN true END$$), ($$@ = r$$), ($$r <> @$$),
    ($$r = 'v3'$$), ($$r IN ('v3', 'v4')$$), ($$r = ANY (ARRAY['v3'::text])$$), ($$r = @::text$$), ($$r IN (SELECT o.plain FROM operand o)$$),
    ($$r IN (SELECT o.r FROM operand o)$$), ($$r NOT IN (SELECT o.v FROM operand o)$$);
SELECT * FROM differing();
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET enable_seqscan = on;
SELECT * FROM differing();
RESET ALL;
SET jit = off;
SET enable_seqscan = off;

-- parameters, typed as a driver may type them, in custom and in generic plans
PREPARE untyped AS SELECT count(*) FROM t WHERE v = $1;
PREPARE typed (text) AS SELECT count(*) FROM t WHERE v = $1;
PREPARE typed_varchar (varchar) AS SELECT count(*) FROM t WHERE $1 = v;
PREPARE typed_encrypted (encrypted_text) AS SELECT count(*) FROM t WHERE v = $1;
PREPARE untyped_array AS SELECT count(*) FROM t WHERE v = ANY ($1);
PREPARE typed_array (text[]) AS SELECT count(*) FROM t WHERE v = ANY ($1);
PREPARE listed AS SELECT count(*) FROM t WHERE v IN ($1, $2);
SELECT name, parameter_types FROM pg_prepared_statements ORDER BY name;
CREATE TABLE execution (call text);
INSERT INTO execution VALUES ('untyped(''v1'')'), ('typed(''v1'')'), ('typed_varchar(''v1'')'), ('typed_encrypted(''v1'')'),
    ('untyped_array(''{v1,v2}'')'), ('typed_array(''{v1,v2}'')'), ('listed(''v1'', ''v2'')');
SET plan_cache_mode = force_custom_plan;
SELECT call, uses_index('EXECUTE ' || call) FROM execution;
SET plan_cache_mode = force_generic_plan;
SELECT call, uses_index('EXECUTE ' || call) FROM execution;
SELECT format('EXECUTE %s', call) FROM execution \gexec
RESET plan_cache_mode;

-- in functions: PL/pgSQL variables, and bodies that the planner inlines
CREATE FUNCTION f_plpgsql(x text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    e encrypted_text := x;
    s encrypted_text(searchable) := x;
    row t;
    counts bigint[];
    n bigint;
BEGIN
    SELECT * INTO row FROM t WHERE v = x LIMIT 1;
    SELECT count(*) INTO n FROM t WHERE v = x; counts := counts || n;
    SELECT count(*) INTO n FROM t WHERE v = e; counts := counts || n;
    SELECT count(*) INTO n FROM t WHERE v = s; counts := counts || n;
    SELECT count(*) INTO n FROM t WHERE v = row.v; counts := counts || n;
    IF e = x AND s = e AND row.v = x AND s IN ('v1', 'v2') AND e <> 'other' THEN counts := counts || n; END IF;
    RETURN (SELECT sum(c) FROM unnest(counts) c);
END $$;
SELECT f_plpgsql('v1') FROM generate_series(1, 7);
CREATE FUNCTION f_sql(x text) RETURNS SETOF t STABLE LANGUAGE sql AS 'SELECT * FROM t WHERE v = x';
CREATE VIEW of_v1 AS SELECT * FROM t WHERE v = 'v1';
CREATE FUNCTION f_view() RETURNS SETOF of_v1 STABLE LANGUAGE sql AS 'SELECT * FROM of_v1';
CREATE FUNCTION f_atomic(x text) RETURNS SETOF t STABLE LANGUAGE sql BEGIN ATOMIC SELECT * FROM t WHERE v = x; END;
CREATE FUNCTION f_scalar(a encrypted_text, b text) RETURNS boolean STABLE LANGUAGE sql AS 'SELECT a = b';
SELECT uses_index('SELECT id FROM f_sql(''v1'')') AS sql, uses_index('SELECT id FROM of_v1') AS view,
       uses_index('SELECT id FROM f_view()') AS view_in_sql, uses_index('SELECT id FROM t WHERE f_scalar(v, ''v1'')') AS scalar;
SELECT (SELECT count(*) FROM f_sql('v1')) AS sql, (SELECT count(*) FROM f_atomic('v1')) AS atomic, (SELECT count(*) FROM f_view()) AS view_in_sql;

-- row-level security and security barriers: the comparison of tokens is leakproof
CREATE ROLE regress_statements_reader;
GRANT SELECT ON t TO regress_statements_reader;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON t USING (id % 2 = 1 OR v = 'v2'::text);
CREATE VIEW barrier WITH (security_barrier) AS SELECT id, v AS name FROM t WHERE id > 0;
SET ROLE regress_statements_reader;
SELECT uses_index('SELECT id FROM t WHERE v = ''v1''') AS literal, uses_index('SELECT id FROM t WHERE v IN (''v1'', ''v2'')') AS list,
       uses_index('SELECT id FROM t WHERE r = ''v1''') AS randomized;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE v = 'v1';
SELECT count(*) FROM t WHERE v = 'v1';
SELECT count(*) FROM t WHERE v = 'v2';
RESET ROLE;
SELECT uses_index('SELECT id FROM barrier WHERE name = ''v1''');

-- a value that is searchable by declaration only has no token, and is compared all the same
CREATE FUNCTION record_of_r() RETURNS SETOF record LANGUAGE sql AS 'SELECT id, r FROM t WHERE id < 10';
SELECT count(*) FROM record_of_r() AS x (id integer, v encrypted_text(searchable)) WHERE x.v = 'v3';

-- joins
SET enable_nestloop = off;
SELECT count(*) FROM t JOIN operand o ON t.v = o.plain;
SELECT count(*) FROM t JOIN operand o ON t.v = o.r;
SELECT count(*) FROM t JOIN operand o ON t.r = o.plain;
SELECT count(*) FROM t JOIN operand o ON t.r = o.c;
SELECT count(*) FROM t JOIN operand o USING (v);
SELECT count(*) FROM t FULL JOIN operand o ON t.v = o.plain;
SELECT count(*) FROM t FULL JOIN operand o USING (r);
SELECT count(o.id) FROM t LEFT JOIN operand o ON t.v = o.f;

\c :start
DROP DATABASE regress_statements_index WITH (FORCE);
DROP ROLE regress_statements_reader;
