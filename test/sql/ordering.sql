-- ORDER BY and everything else that sorts goes by plaintext: same order as the same values in plain text.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_ordering TEMPLATE template0 LOCALE 'C';
\c regress_ordering
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
SET jit = off;                          -- switched-off plan types look expensive

CREATE TABLE t (id integer PRIMARY KEY, searchable encrypted_text(searchable), randomized encrypted_text, plain text);
INSERT INTO t SELECT i, x, x, x
FROM unnest('{pear,Apple,fig,zebra,banana,apple,fig,NULL,10,9,Banana,cherry,"",zoo}'::text[]) WITH ORDINALITY AS u (x, i);
CREATE INDEX ON t (searchable);
ANALYZE t;

-- Runs a query over the plain column and over both encrypted ones ($ is the column): says where the results differ.
-- Grouping gives no order, neither by hashing nor by tokens: only queries that ask for one are compared with it.
CREATE FUNCTION same(query text, any_order boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text[];
    one text;
BEGIN
    FOR i IN 1..3 LOOP
        EXECUTE format('SELECT array_agg(x::text%s)::text FROM (%s) AS s (x)',
                       CASE WHEN any_order AND query NOT LIKE '%ORDER BY%' THEN ' ORDER BY x::text' END,
                       replace(query, '$', ('{plain,searchable,randomized}'::text[])[i])) INTO one;
        result[i] := one;
    END LOOP;
    IF result[1] IS NULL OR result[1] <> result[2] OR result[1] <> result[3] THEN
        RETURN format(E'%s\n%s', query, array_to_string(result, E'\n', 'nothing'));
    END IF;
    RETURN 'same';
END $$;

-- it must be able to say no
SELECT same('SELECT id FROM t WHERE ''$'' = ''plain'' OR id = 1');

CREATE TABLE query (query text);
CREATE FUNCTION same_for_all(any_order boolean DEFAULT true) RETURNS TABLE (result text, queries bigint) LANGUAGE sql AS $$
    SELECT same(query, any_order), count(*) FROM query GROUP BY 1 ORDER BY 1
$$;
INSERT INTO query VALUES
    ('SELECT $ FROM t ORDER BY $'),
    ('SELECT $ FROM t ORDER BY $ DESC'),
    ('SELECT $ FROM t ORDER BY $ NULLS FIRST'),
    ('SELECT $ FROM t ORDER BY $ DESC NULLS LAST'),
    ('SELECT $ FROM t ORDER BY $ USING <'),
    ('SELECT $ FROM t ORDER BY $ USING >'),
    ('SELECT $ FROM t ORDER BY $ COLLATE "de-x-icu"'),
    ('SELECT id FROM t ORDER BY $, id DESC LIMIT 5 OFFSET 2'),
    ('SELECT id FROM t ORDER BY length($), $, id'),
    ('SELECT DISTINCT $ FROM t'),
    ('SELECT DISTINCT $ FROM t ORDER BY $ DESC'),
    ('SELECT DISTINCT ON ($) id FROM t ORDER BY $, id DESC'),
    ('SELECT $ FROM t GROUP BY $'),
    ('SELECT $ FROM t GROUP BY $ HAVING count(*) > 1 ORDER BY $'),
    ('SELECT concat($, ''-'', count(*)) FROM t GROUP BY ROLLUP ($) ORDER BY $, count(*)'),
    ('SELECT concat($, ''-'', id % 2, ''-'', count(*)) FROM t GROUP BY GROUPING SETS (($, id % 2), ($), ()) ORDER BY $, id % 2, count(*)'),
    ('SELECT $ FROM t WHERE id < 6 UNION SELECT $ FROM t WHERE id > 4'),
    ('SELECT $ FROM t WHERE id < 6 UNION ALL SELECT $ FROM t WHERE id > 4 ORDER BY 1'),
    ('SELECT $ FROM t WHERE id < 9 INTERSECT SELECT $ FROM t WHERE id > 4'),
    ('SELECT $ FROM t EXCEPT SELECT $ FROM t WHERE id > 10'),
    ('(SELECT $ FROM t ORDER BY $ LIMIT 2) UNION ALL (SELECT $ FROM t ORDER BY $ DESC LIMIT 2)'),
    ('SELECT id || '':'' || rank() OVER (ORDER BY $) FROM t ORDER BY id'),
    ('SELECT id || '':'' || dense_rank() OVER (ORDER BY $ DESC) FROM t ORDER BY id'),
    ('SELECT string_agg(id::text, '' '') OVER (ORDER BY $, id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t ORDER BY id'),
    ('SELECT string_agg(id::text, '' '') OVER (ORDER BY $ RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t ORDER BY id'),
    ('SELECT string_agg(id::text, '' '') OVER (ORDER BY $ GROUPS 1 PRECEDING) FROM t ORDER BY id'),
    ('SELECT string_agg(id::text, '' '') OVER (PARTITION BY $ ORDER BY id) FROM t ORDER BY id'),
    ('SELECT first_value($) OVER w FROM t WINDOW w AS (PARTITION BY id % 3 ORDER BY $ DESC) ORDER BY id'),
    ('SELECT array_agg(id ORDER BY $, id) FROM t'),
    ('SELECT array_agg($::text ORDER BY $ DESC NULLS LAST) FROM t'),
    ('SELECT string_agg($, '','' ORDER BY $ DESC) FROM t'),
    ('SELECT array_agg(id ORDER BY $, id) FILTER (WHERE $ > ''b'') FROM t GROUP BY id % 2 ORDER BY id % 2'),
    ('SELECT count(DISTINCT $) FROM t'),
    ('SELECT count(DISTINCT ($, id % 2)) FROM t'),
    ('SELECT min($) FROM t'),
    ('SELECT max($) FROM t'),
    ('SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY $) FROM t'),
    ('SELECT mode() WITHIN GROUP (ORDER BY $) FROM t'),
    ('SELECT rank(''cherry'') WITHIN GROUP (ORDER BY $) FROM t'),
    ('WITH q AS MATERIALIZED (SELECT $ FROM t ORDER BY $ LIMIT 4) SELECT * FROM q'),
    ('WITH RECURSIVE q ($, n) AS (SELECT $, 1 FROM t WHERE id = 3 UNION SELECT t.$, n + 1 FROM t, q WHERE n < 3 AND t.id = n) SELECT $ FROM q ORDER BY $'),
    ('SELECT (SELECT $ FROM t b WHERE b.id > a.id ORDER BY $ LIMIT 1) FROM t a ORDER BY id'),
    ('SELECT array(SELECT $::text FROM t ORDER BY $)'),
    ('SELECT x FROM t, LATERAL (SELECT $ AS x FROM t b WHERE b.$ > t.$ ORDER BY $ LIMIT 1) AS l ORDER BY t.id'),
    ('SELECT id FROM t WHERE $ = (SELECT $ FROM t ORDER BY $ DESC LIMIT 1 OFFSET 3)'),
    ('SELECT GREATEST($, ''cherry'') FROM t ORDER BY id'),
    ('SELECT LEAST(''cherry'', $, ''fig'') FROM t ORDER BY id'),
    ('SELECT id FROM t WHERE $ BETWEEN ''apple'' AND ''fig'' ORDER BY id'),
    ('SELECT id FROM t WHERE $ >= ''b'' OR $ < ''A'' ORDER BY id'),
    ('SELECT id FROM t WHERE ($, id) < (''fig'', 7) ORDER BY id'),
    ('SELECT id FROM t WHERE ($, id) >= (''fig''::text, 7) ORDER BY id'),
    ('SELECT a.id || ''-'' || b.id FROM t a JOIN t b ON a.$ = b.$ ORDER BY a.$, a.id, b.id'),
    ('SELECT a.id || ''-'' || b.id FROM t a JOIN t b USING ($) ORDER BY $ DESC, a.id, b.id'),
    ('SELECT concat(a.id, ''-'', b.id) FROM t a FULL JOIN t b ON a.$ = b.$ AND a.id < b.id ORDER BY a.id, b.id'),
    ('SELECT id FROM t WHERE $ IN (SELECT $ FROM t WHERE id IN (3, 5)) ORDER BY id');
SELECT * FROM same_for_all();

-- by each way to sort, group and join
SET enable_hashagg = off;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT * FROM same_for_all();
SET enable_sort = off;
SET enable_hashagg = on;
SET enable_hashjoin = on;
SET enable_mergejoin = off;
SELECT * FROM same_for_all();
RESET ALL;
SET jit = off;
SET enable_seqscan = off;
SELECT * FROM same_for_all();
RESET ALL;
SET jit = off;

-- in views, which are stored as they were written, and in functions that the planner inlines
CREATE VIEW by_plain AS SELECT id, searchable FROM t ORDER BY plain LIMIT 5;
CREATE VIEW by_searchable AS SELECT id, searchable FROM t ORDER BY searchable LIMIT 5;
CREATE VIEW by_view AS SELECT * FROM by_searchable ORDER BY searchable DESC;
SELECT substring(pg_get_viewdef('by_searchable') FROM 'ORDER BY (?:t\.)?(searchable.*)');
CREATE FUNCTION f_sql() RETURNS SETOF integer STABLE LANGUAGE sql AS 'SELECT id FROM t ORDER BY searchable LIMIT 5';
CREATE FUNCTION f_view() RETURNS SETOF integer STABLE LANGUAGE sql AS 'SELECT id FROM by_searchable';
CREATE FUNCTION f_nested() RETURNS SETOF integer STABLE LANGUAGE sql AS 'SELECT * FROM f_view()';
CREATE FUNCTION f_atomic() RETURNS SETOF integer STABLE LANGUAGE sql
    BEGIN ATOMIC SELECT id FROM t ORDER BY searchable LIMIT 5; END;
CREATE FUNCTION f_atomic_view() RETURNS SETOF integer STABLE LANGUAGE sql BEGIN ATOMIC SELECT id FROM by_searchable; END;
CREATE FUNCTION f_volatile() RETURNS SETOF integer LANGUAGE sql AS 'SELECT id FROM t ORDER BY searchable LIMIT 5';
CREATE FUNCTION f_plpgsql() RETURNS SETOF integer LANGUAGE plpgsql AS
    'BEGIN RETURN QUERY SELECT id FROM t ORDER BY searchable LIMIT 5; END';
SELECT array(SELECT id FROM by_plain) AS plain, array(SELECT id FROM by_searchable) AS view, array(SELECT id FROM by_view) AS view_of_view,
       array(SELECT * FROM f_sql()) AS sql, array(SELECT * FROM f_view()) AS sql_over_view, array(SELECT * FROM f_nested()) AS nested;
SELECT array(SELECT id FROM by_plain) AS plain, array(SELECT * FROM f_atomic()) AS atomic,
       array(SELECT * FROM f_atomic_view()) AS atomic_over_view, array(SELECT f_sql()) AS in_target_list,
       array(SELECT * FROM f_volatile()) AS volatile, array(SELECT * FROM f_plpgsql()) AS plpgsql;
EXPLAIN (COSTS OFF) SELECT * FROM f_sql();

-- cursors and prepared statements
PREPARE p AS SELECT id FROM t WHERE searchable > $1 ORDER BY searchable, id;
EXECUTE p('pear');
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY searchable DESC NULLS LAST;
FETCH 2 FROM c;
COMMIT;
FETCH 1 FROM c;
MOVE BACKWARD ALL IN c;
FETCH 1 FROM c;

-- an index on the column orders by token: it serves equality, not ORDER BY
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE searchable = 'fig' ORDER BY searchable;
EXPLAIN (COSTS OFF) SELECT searchable FROM t ORDER BY searchable;
RESET enable_seqscan;

-- an offset in a RANGE frame needs arithmetic on the values
SELECT count(*) OVER (ORDER BY searchable RANGE 1 PRECEDING) FROM t;

\c :start
DROP DATABASE regress_ordering WITH (FORCE);
