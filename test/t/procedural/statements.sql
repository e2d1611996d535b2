-- The same in a plain and in an encrypted database, with <text searchable> and the like replaced; psql's output is compared.
CREATE TABLE t (id integer PRIMARY KEY, s <text searchable> UNIQUE, r <text>, n <integer searchable>, d <date>);
INSERT INTO t SELECT i, 's' || i, 'r' || i % 3, i % 4, date '2020-01-01' + i FROM generate_series(1, 10) i;

-- PL/pgSQL: variables, %TYPE, %ROWTYPE, dynamic statements, cursors
DO $$
DECLARE
    v <text> := 'x';
    w t.s%TYPE;
    row t%ROWTYPE;
    rec record;
    c refcursor;
    cc CURSOR (k text) FOR SELECT * FROM t WHERE s = k;
    cnt integer;
    num t.n%TYPE := 7;
    day t.d%TYPE;
    a <text>[];
    plain text[];
BEGIN
    SELECT s INTO w FROM t WHERE id = 3;
    RAISE NOTICE '1 % % %', w, w = 's3', length(w);
    SELECT * INTO row FROM t WHERE s = w;
    RAISE NOTICE '2 % %', row.id, row.r;
    row.r := 'changed'; row.id := 100; row.s := 'hundred';
    INSERT INTO t VALUES (row.*);
    RAISE NOTICE '3 %', (SELECT r FROM t WHERE s = 'hundred');
    EXECUTE 'SELECT count(*) FROM t WHERE s = $1' INTO cnt USING w;
    RAISE NOTICE '4 %', cnt;
    EXECUTE 'SELECT count(*) FROM t WHERE r = $1 OR n = $2' INTO cnt USING 'r1'::text, num;
    RAISE NOTICE '5 %', cnt;
    EXECUTE format('SELECT count(*) FROM t WHERE s = %L', w) INTO cnt;
    RAISE NOTICE '6 %', cnt;
    EXECUTE 'SELECT s, r FROM t WHERE id = $1' INTO rec USING 4;
    RAISE NOTICE '7 % %', rec.s, rec.r = 'r1';
    OPEN cc('s5');
    FETCH cc INTO row;
    UPDATE t SET r = 'by cursor' WHERE CURRENT OF cc;
    CLOSE cc;
    RAISE NOTICE '8 % %', row.n, (SELECT r FROM t WHERE id = 5);
    OPEN c SCROLL FOR SELECT s, n FROM t WHERE n = 2 ORDER BY s DESC;
    FETCH LAST FROM c INTO w, cnt;
    RAISE NOTICE '9 % %', w, cnt;
    FETCH FIRST FROM c INTO w, cnt;
    RAISE NOTICE '10 % %', w, cnt;
    CLOSE c;
    OPEN c FOR EXECUTE 'SELECT s FROM t WHERE r = $1 ORDER BY s' USING 'r1';
    LOOP
        FETCH c INTO v;
        EXIT WHEN NOT FOUND;
        RAISE NOTICE '11 %', v;
    END LOOP;
    CLOSE c;
    FOR rec IN SELECT r, count(*) AS k FROM t GROUP BY r ORDER BY r LOOP
        RAISE NOTICE '12 % %', rec.r, rec.k;
    END LOOP;
    FOR rec IN EXECUTE 'SELECT s FROM t WHERE s IN ($1, $2) ORDER BY s' USING 's1', w LOOP
        RAISE NOTICE '13 %', rec.s;
    END LOOP;
    SELECT array_agg(s ORDER BY s) INTO a FROM t WHERE n = 1;
    plain := array(SELECT s FROM t WHERE n = 1 ORDER BY s);
    RAISE NOTICE '14 % % %', a[1], array_length(a, 1), plain;
    FOREACH v IN ARRAY a LOOP
        RAISE NOTICE '15 %', v;
    END LOOP;
    IF w > 's1' AND w <> 's9' THEN
        CASE w WHEN 's1' THEN RAISE NOTICE '16 no'; WHEN 's6' THEN RAISE NOTICE '16 six'; ELSE RAISE NOTICE '16 %', w; END CASE;
    END IF;
    v := w || '-suffix';
    num := num + 1;
    day := '2020-02-28';
    day := day + 2;
    RAISE NOTICE '17 % % %', v, num, day;
    PERFORM set_config('procedural.v', v, false);
    RAISE NOTICE '18 %', current_setting('procedural.v');
    INSERT INTO t (id, s) VALUES (200, v) RETURNING s INTO w;
    UPDATE t SET n = 8 WHERE s = w RETURNING * INTO row;
    DELETE FROM t WHERE s = w RETURNING n INTO cnt;
    RAISE NOTICE '19 % % %', w, row.n, cnt;
    BEGIN
        INSERT INTO t (id, s) VALUES (201, 's1');
    EXCEPTION WHEN unique_violation THEN
        RAISE NOTICE '20 %', SQLERRM;
    END;
    row := (SELECT t FROM t WHERE id = 2);
    RAISE NOTICE '21 % %', row.s, row;
    w := NULL;
    ASSERT w IS NULL AND v IS NOT NULL;
    GET DIAGNOSTICS cnt = ROW_COUNT;
EXCEPTION WHEN no_data_found THEN
    RAISE;
END $$;
CREATE FUNCTION rows_of(k text) RETURNS SETOF t LANGUAGE plpgsql AS $$
DECLARE
    one t;
BEGIN
    FOR one IN SELECT * FROM t WHERE r = k ORDER BY id LOOP
        one.r := upper(one.r);
        RETURN NEXT one;
    END LOOP;
    RETURN QUERY SELECT * FROM t WHERE s = k;
    RETURN QUERY EXECUTE 'SELECT * FROM t WHERE n = $1 AND s > $2 ORDER BY id' USING 3, k;
END $$;
SELECT id, s, r FROM rows_of('r1');
CREATE FUNCTION table_of(k integer) RETURNS TABLE (word text, number integer) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT t.s::text, t.n::integer FROM t WHERE t.n = k ORDER BY t.s;
END $$;
SELECT * FROM table_of(2);
CREATE PROCEDURE move(INOUT word <text>, by integer) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE t SET n = n + by WHERE s = word RETURNING r INTO word;
    COMMIT;
END $$;
CALL move('s1', 2);

-- SQL functions: written as a string and as BEGIN ATOMIC, called and inlined
CREATE FUNCTION word_of(k text) RETURNS <text> STABLE LANGUAGE sql AS 'SELECT r FROM t WHERE s = k';
CREATE FUNCTION rows_for(k <text>) RETURNS SETOF t STABLE LANGUAGE sql AS 'SELECT * FROM t WHERE s = k';
CREATE FUNCTION atomic_word(k text) RETURNS text STABLE LANGUAGE sql BEGIN ATOMIC SELECT r::text FROM t WHERE s = k; END;
CREATE FUNCTION atomic_rows(k text) RETURNS SETOF t STABLE LANGUAGE sql BEGIN ATOMIC SELECT * FROM t WHERE s = k OR r = k ORDER BY s; END;
CREATE FUNCTION put(k integer, v text) RETURNS <text> LANGUAGE sql AS 'INSERT INTO t (id, s, r) VALUES (k, v, v) RETURNING s';
CREATE PROCEDURE atomic_put(k integer, v text) LANGUAGE sql BEGIN ATOMIC
    INSERT INTO t (id, s, r) VALUES (k, v, v);
    UPDATE t SET r = v || '!' WHERE s = v;
END;
CREATE FUNCTION shout(a <text>) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS 'SELECT upper(a)';
CREATE FUNCTION is_one(a <text>, b text) RETURNS boolean LANGUAGE sql RETURN a = b;
SELECT word_of('s1'), word_of(s), atomic_word('s1'), atomic_word(s), shout(r), is_one(s, 's2') FROM t WHERE id = 2;
SELECT id, r FROM rows_for('s4');
SELECT id FROM atomic_rows('r2');
SELECT t.id, x.r FROM t, atomic_rows(t.s) x WHERE t.n = 3 ORDER BY 1;
SELECT put(300, 'put'), count(*) FROM t;
CALL atomic_put(301, 'atomic');
SELECT id, s, r FROM t WHERE id >= 300 ORDER BY id;
SELECT count(*) FROM t WHERE shout(r) = 'R1' AND NOT is_one(s, 's4');

-- rules
CREATE TABLE log (id integer, s <text searchable>, r <text>, at text);
CREATE RULE instead AS ON INSERT TO t WHERE new.id > 1000 DO INSTEAD INSERT INTO log VALUES (new.id, new.s, new.r);
CREATE RULE also AS ON UPDATE TO t WHERE old.s <> new.s DO ALSO INSERT INTO log VALUES (old.id, old.s, new.s, 'update');
CREATE RULE gone AS ON DELETE TO t WHERE old.r = 'kept'::text DO INSTEAD NOTHING;
INSERT INTO t (id, s, r) VALUES (1001, 'rule', 'ruler'), (400, 'four', 'kept');
UPDATE t SET s = 'forty' WHERE s = 'four';
DELETE FROM t WHERE s = 'forty' OR s = 's9';
SELECT * FROM log ORDER BY id;
SELECT id FROM t WHERE id > 8 ORDER BY id;
DROP RULE instead ON t;
DROP RULE also ON t;
DROP RULE gone ON t;

-- views that are written to, with and without triggers
CREATE VIEW open_view AS SELECT id, s, r, n FROM t WHERE n IS NULL WITH CHECK OPTION;
INSERT INTO open_view (id, s) VALUES (500, 'in the view');
UPDATE open_view SET r = 'updated' WHERE s = 'in the view';
UPDATE open_view SET n = 1 WHERE s = 'in the view';
SELECT * FROM open_view WHERE s = 'in the view';
CREATE VIEW made AS SELECT s, upper(r) AS r FROM t;
CREATE FUNCTION instead_of() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO t (id, s, r) VALUES (length(new.s), new.s, lower(new.r));
    ELSE
        UPDATE t SET r = lower(new.r) WHERE s = old.s;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER instead_of INSTEAD OF INSERT OR UPDATE ON made FOR EACH ROW EXECUTE FUNCTION instead_of();
INSERT INTO made VALUES ('a word of exactly 35 characters ....', 'UPPER');
UPDATE made SET r = 'CHANGED' WHERE s = 's2';
SELECT id, s, r FROM t WHERE id = 2 OR s LIKE 'a word%' ORDER BY id;

-- triggers: for rows, with conditions, for statements with their rows, deferred
TRUNCATE log;
CREATE FUNCTION before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.s = 'refuse' THEN
        RETURN NULL;
    END IF;
    new.r := COALESCE(new.r, 'none') || '+';
    IF TG_OP = 'UPDATE' AND old.s IS DISTINCT FROM new.s THEN
        new.d := date '2021-01-01';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION before_row();
CREATE FUNCTION after_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log VALUES (new.id, new.s, new.r, TG_NAME || ' ' || TG_OP);
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER UPDATE ON t FOR EACH ROW WHEN (old.s IS DISTINCT FROM new.s OR old.r = 'r2'::text) EXECUTE FUNCTION after_row();
CREATE TRIGGER inserted AFTER INSERT ON t FOR EACH ROW WHEN (new.s > 'm'::text) EXECUTE FUNCTION after_row();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION after_row();
CREATE FUNCTION after_statement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rec record;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        FOR rec IN SELECT o.s AS old, n.s AS new, n.r, o.r = n.r AS same FROM old_rows o JOIN new_rows n USING (id) ORDER BY n.s LOOP
            RAISE NOTICE '% -> %, % %', rec.old, rec.new, rec.r, rec.same;
        END LOOP;
        RAISE NOTICE '% rows, % of s7', (SELECT count(*) FROM new_rows), (SELECT count(*) FROM old_rows WHERE s = 's7');
    ELSE
        INSERT INTO log SELECT id, s, r, 'statement' FROM new_rows WHERE r LIKE 'n%';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER statement_insert AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION after_statement();
CREATE TRIGGER statement_update AFTER UPDATE ON t REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION after_statement();
BEGIN;
INSERT INTO t (id, s) VALUES (600, 'zzz'), (601, 'aaa'), (602, 'refuse');
SELECT * FROM log ORDER BY at, id;
COMMIT;
SELECT * FROM log ORDER BY at, id;
UPDATE t SET s = s || 'x' WHERE n = 3;
UPDATE t SET r = 'r2' WHERE s = 's8';
UPDATE t SET n = 0 WHERE s = 's8';
SELECT id, s, r, d FROM t WHERE n IN (0, 3) ORDER BY id;
SELECT * FROM log WHERE at ~ 'UPDATE' ORDER BY at, id, r;

-- MERGE, with triggers still there
MERGE INTO t USING (VALUES ('s8', 'merged'), ('new one', 'by merge'), ('aaa', 'gone')) AS v (s, r) ON t.s = v.s
    WHEN MATCHED AND v.r = 'gone' THEN DELETE
    WHEN MATCHED AND t.r <> 'x' THEN UPDATE SET r = v.r, n = t.n + 5
    WHEN NOT MATCHED THEN INSERT (id, s, r) VALUES (700, v.s, v.r);
MERGE INTO log l USING t ON l.s = t.s AND t.n > 1 WHEN MATCHED THEN UPDATE SET r = t.r, at = t.s WHEN NOT MATCHED AND t.r LIKE '%merge%' THEN INSERT VALUES (t.id, t.s, t.r, 'merge');
SELECT * FROM log ORDER BY id, at, r;
SELECT id, s, r, n FROM t WHERE s IN ('s8', 'new one', 'aaa') ORDER BY id;

-- row-level security
CREATE TABLE secret (owner <text searchable>, note <text>, level <integer searchable>);
CREATE INDEX ON secret (owner);
INSERT INTO secret SELECT 'user' || i % 20, 'note ' || i, i % 5 FROM generate_series(1, 400) i;
ANALYZE secret;
CREATE POLICY own ON secret USING (owner = current_setting('procedural.who')) WITH CHECK (owner = current_setting('procedural.who') AND level < 4);
CREATE POLICY nobody ON secret AS RESTRICTIVE USING (note <> 'hidden'::text);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
GRANT ALL ON secret TO procedural_user;
SET procedural.who = 'user7';
SET ROLE procedural_user;
SELECT count(*), count(DISTINCT owner), min(note) FROM secret;
SELECT note FROM secret WHERE level = 2 AND note LIKE '%7' ORDER BY note LIMIT 3;
SELECT count(*) FROM secret WHERE owner = 'user8';
INSERT INTO secret VALUES ('user7', 'mine', 1);
INSERT INTO secret VALUES ('user8', 'not mine', 1);
INSERT INTO secret VALUES ('user7', 'too high', 4);
INSERT INTO secret VALUES ('user7', 'hidden', 1);
UPDATE secret SET note = 'changed' WHERE note = 'mine' RETURNING note, level;
UPDATE secret SET owner = 'user9' WHERE note = 'changed';
DELETE FROM secret WHERE note = 'changed' OR owner = 'user8' RETURNING owner;
RESET ROLE;
SELECT count(*) FROM secret;
CREATE VIEW barrier WITH (security_barrier) AS SELECT owner, note FROM secret WHERE level < 2;
GRANT SELECT ON barrier TO procedural_user;
SET ROLE procedural_user;
SELECT count(*) FROM barrier WHERE owner = 'user7';
RESET ROLE;
