-- Ordinary SQL over an encrypted text column resolves and means what it means for text.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_text;
SET search_path = type_text, public;
CREATE TABLE t (id integer, p text, vc varchar(10), c char(5), n name, r encrypted_text(randomized), s encrypted_text(searchable));
INSERT INTO t SELECT i, v, v, v, v, v, v
FROM unnest(ARRAY['bob', 'Al', '', 'carol', 'bob', NULL, 'Zoë', '10%']) WITH ORDINALITY AS x (v, i);

-- asks(...) runs one query over the plain and both encrypted columns ("@") and says where the answers differ
CREATE FUNCTION asks(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plain text;
    encrypted text;
    name text;
BEGIN
    query := format('SELECT string_agg(x::text, %L) FROM (%s) AS x', '; ', query);
    EXECUTE replace(query, '@', 'p') INTO plain;
    FOREACH name IN ARRAY ARRAY['r', 's'] LOOP
        BEGIN
            EXECUTE replace(query, '@', name) INTO encrypted;
        EXCEPTION WHEN OTHERS THEN
            encrypted := sqlstate || ' ' || sqlerrm;
        END;
        IF encrypted IS DISTINCT FROM plain THEN
            RETURN name || ': ' || coalesce(encrypted, 'NULL') || ' instead of ' || coalesce(plain, 'NULL');
        END IF;
    END LOOP;
    RETURN CASE WHEN plain IS NULL THEN 'as text: no row' ELSE 'as text' END;
END $$;

SELECT asks(q), count(*) FROM (VALUES
    -- functions and operators of text
    ('SELECT @ || $$x$$, $$x$$ || @, @ || @, @ || p, p || @, @ || vc, @ || c, @ || n, @ || 1, 1 || @ FROM t'),
    ('SELECT @ FROM t WHERE @ LIKE $$%o%$$'), ('SELECT @ FROM t WHERE @ NOT LIKE $$b%$$ AND @ ILIKE $$a_$$'),
    ('SELECT @ LIKE p, p LIKE @, @ LIKE @, @ ~ p, @ ~* $$^B$$, @ SIMILAR TO $$b%$$ FROM t WHERE id < 3'),
    ('SELECT upper(@), lower(@), initcap(@), length(@), char_length(@), octet_length(@), bit_length(@) FROM t'),
    ('SELECT substring(@, 2), substring(@ FROM 1 FOR 2), substring(@ FROM $$o.$$), substr(@, 1, 1), left(@, 1), right(@, 1) FROM t'),
    ('SELECT trim(@), ltrim(@, $$b$$), lpad(@, 6, $$.$$), rpad(@, 6), repeat(@, 2), reverse(@), replace(@, $$b$$, $$d$$) FROM t'),
    ('SELECT position($$o$$ IN @), strpos(@, $$o$$), split_part(@, $$o$$, 1), translate(@, $$b$$, $$d$$), overlay(@ PLACING $$x$$ FROM 1) FROM t'),
    ('SELECT concat(@, 1, @), concat_ws($$-$$, @, p), format($$%s %L$$, @, @), quote_literal(@), quote_nullable(@), md5(@), ascii(@) FROM t'),
    ('SELECT regexp_replace(@, $$o$$, $$0$$), string_to_array(@, $$o$$), to_tsvector($$simple$$, @), starts_with(@, $$b$$), @::varchar(2), @::bytea FROM t'),
    ('SELECT convert_to(@, $$UTF8$$), normalize(@), unistr(@), sha256(@::bytea), encode(@::bytea, $$hex$$) FROM t'),
    ('SELECT to_json(@), to_jsonb(@), row_to_json(ROW(@)), json_build_object(@, @), jsonb_build_array(@) FROM t WHERE @ <> $$$$'),
    ('SELECT @::integer + 1 FROM t WHERE @ = $$7$$'), ('SELECT (left(@, 2))::integer FROM t WHERE id = 8'),
    -- comparison
    ('SELECT id FROM t WHERE @ = $$bob$$'), ('SELECT id FROM t WHERE $$bob$$ = @'), ('SELECT id FROM t WHERE @ = $$bob$$::text'),
    ('SELECT id FROM t WHERE @ = $$bob$$::varchar'), ('SELECT id FROM t WHERE @ = $$Al$$::char(4)'), ('SELECT id FROM t WHERE @ = n'),
    ('SELECT id FROM t WHERE @ = p'), ('SELECT id FROM t WHERE vc = @'), ('SELECT id FROM t WHERE @ <> $$bob$$'), ('SELECT id FROM t WHERE NOT @ = $$bob$$'),
    ('SELECT id FROM t WHERE @ < $$bob$$'), ('SELECT id FROM t WHERE @ >= $$bob$$::text'), ('SELECT id FROM t WHERE $$bob$$ <= @'),
    ('SELECT id FROM t WHERE @ BETWEEN $$a$$ AND $$c$$'), ('SELECT id FROM t WHERE @ BETWEEN SYMMETRIC $$c$$ AND p'),
    ('SELECT id FROM t WHERE @ IN ($$bob$$, $$Al$$)'), ('SELECT id FROM t WHERE @ NOT IN ($$bob$$, p)'), ('SELECT id FROM t WHERE @ IN (vc, n)'),
    ('SELECT id FROM t WHERE @ = ANY ($${bob,Al}$$)'), ('SELECT id FROM t WHERE @ = ANY ($${bob,NULL}$$::text[])'),
    ('SELECT id FROM t WHERE @ = ANY (ARRAY[p, $$x$$])'), ('SELECT id FROM t WHERE @ <> ALL ($${bob,Al}$$::varchar[])'), ('SELECT id FROM t WHERE @ > ALL ($${Al}$$::text[])'),
    ('SELECT id FROM t WHERE @ IN (SELECT @ FROM t WHERE id > 3)'), ('SELECT id FROM t WHERE @ IN (SELECT p FROM t)'), ('SELECT id FROM t WHERE p NOT IN (SELECT @ FROM t WHERE id < 3)'),
    ('SELECT id FROM t WHERE @ IS DISTINCT FROM $$bob$$'), ('SELECT id FROM t WHERE @ IS NOT DISTINCT FROM NULL'), ('SELECT id FROM t WHERE @ IS NULL'),
    ('SELECT id FROM t WHERE (@, id) < ($$bob$$, 3)'), ('SELECT id FROM t WHERE (id, @) >= (2, $$a$$::text)'), ('SELECT id FROM t WHERE (@, @) = ($$bob$$, p)'),
    ('SELECT id FROM t WHERE (@, id) IN (($$bob$$, 1), ($$Al$$, 5))'), ('SELECT id FROM t WHERE @ = current_user OR session_user <> @'),
    -- types that meet
    ('SELECT coalesce(@, $$none$$), coalesce(@, p), coalesce(p, @), coalesce(@, vc), coalesce(c, @) FROM t'),
    ('SELECT nullif(@, $$bob$$), nullif(@, p), nullif(p, @) FROM t'),
    ('SELECT CASE WHEN id = 1 THEN @ ELSE $$x$$ END, CASE WHEN id = 1 THEN @ ELSE p END, CASE @ WHEN $$bob$$ THEN 1 WHEN p THEN 2 END FROM t'),
    ('SELECT greatest(@, $$bob$$), least(@, p), greatest(@, @), least($$b$$, @, NULL) FROM t'),
    ('SELECT @ FROM t UNION SELECT p FROM t ORDER BY 1'), ('SELECT p FROM t UNION ALL SELECT @ FROM t ORDER BY 1'), ('SELECT @ FROM t UNION SELECT vc FROM t ORDER BY 1'),
    ('SELECT @ FROM t EXCEPT SELECT p FROM t WHERE id = 1 ORDER BY 1'), ('SELECT @ FROM t INTERSECT SELECT @ FROM t WHERE id > 3 ORDER BY 1'),
    ('SELECT @ FROM t UNION SELECT $$new$$ ORDER BY 1'), ('SELECT ARRAY[@, $$x$$], ARRAY[@, p], ARRAY[@], @::text = ANY (ARRAY[@, p]) FROM t'),
    ('SELECT * FROM (VALUES ((SELECT @ FROM t WHERE id = 1)), ($$x$$)) AS v'),
    -- aggregates, grouping, windows
    ('SELECT count(@), count(DISTINCT @), min(@), max(@) FROM t'), ('SELECT string_agg(@, $$,$$ ORDER BY @), string_agg(DISTINCT @, $$,$$) FROM t'),
    ('SELECT array_agg(@ ORDER BY @ DESC NULLS LAST, id), array_agg(DISTINCT @) FROM t'), ('SELECT mode() WITHIN GROUP (ORDER BY @), percentile_disc(0.5) WITHIN GROUP (ORDER BY @) FROM t'),
    ('SELECT rank($$bob$$) WITHIN GROUP (ORDER BY @), dense_rank($$carol$$) WITHIN GROUP (ORDER BY @) FROM t'),
    ('SELECT json_agg(@ ORDER BY id), jsonb_object_agg(id, @) FROM t'), ('SELECT bool_and(@ > $$A$$), max(length(@)) FILTER (WHERE @ LIKE $$b%$$) FROM t'),
    ('SELECT @, count(*) FROM t GROUP BY @ ORDER BY @'), ('SELECT @, count(*) FROM t GROUP BY @ HAVING count(*) > 1 OR @ < $$b$$ ORDER BY 1'), ('SELECT left(@, 1), count(*) FROM t GROUP BY 1 ORDER BY 1'),
    ('SELECT @, id, count(*) FROM t GROUP BY GROUPING SETS ((@), (id), ()) ORDER BY 1, 2'), ('SELECT @, count(*) FROM t GROUP BY CUBE (@) ORDER BY 1, 2'),
    ('SELECT DISTINCT @ FROM t ORDER BY @'), ('SELECT DISTINCT ON (@) @, id FROM t ORDER BY @ DESC, id'), ('SELECT @ FROM t ORDER BY @ DESC NULLS LAST LIMIT 3'), ('SELECT @ FROM t ORDER BY upper(@), id'),
    ('SELECT @ COLLATE "C" FROM t ORDER BY 1'), ('SELECT @ FROM t ORDER BY @ COLLATE "C" DESC, id OFFSET 2'), ('SELECT @ FROM t ORDER BY @ USING >, id'),
    ('SELECT id, rank() OVER w, lag(@) OVER (ORDER BY @, id), first_value(@) OVER (PARTITION BY @ ORDER BY id), count(*) OVER (PARTITION BY @) FROM t WINDOW w AS (ORDER BY @) ORDER BY id'),
    -- joins
    ('SELECT a.id, b.id FROM t a JOIN t b ON a.@ = b.@ ORDER BY 1, 2'), ('SELECT a.id, b.id FROM t a JOIN t b USING (@) ORDER BY 1, 2'), ('SELECT a.id, b.id FROM t a LEFT JOIN t b ON a.@ = b.p AND b.id > 3 ORDER BY 1, 2'),
    ('SELECT a.id, b.id FROM t a JOIN t b ON a.@ < b.p ORDER BY 1, 2'), ('SELECT a.id, b.id FROM t a JOIN t b ON upper(a.@) = upper(b.@) ORDER BY 1, 2'), ('SELECT a.id, b.id FROM t a FULL JOIN t b ON a.@ = b.@ AND a.id <> b.id ORDER BY 1, 2'),
    ('SELECT id, (SELECT max(@) FROM t b WHERE b.@ = a.@) FROM t a'), ('SELECT id FROM t a WHERE EXISTS (SELECT FROM t b WHERE b.@ = a.@ AND b.id > a.id)'),
    ('WITH x AS MATERIALIZED (SELECT @ AS v FROM t) SELECT v FROM x WHERE v > $$a$$ ORDER BY v'),
    ('SELECT x.v FROM t, LATERAL (SELECT upper(@) AS v) x WHERE @ = $$bob$$')
) AS queries (q) GROUP BY 1 ORDER BY 1;

-- parameters, typed and not
PREPARE untyped AS SELECT id FROM t WHERE s = $1 OR r = $1;
EXECUTE untyped('bob');
PREPARE typed(text, varchar, text[]) AS SELECT id FROM t WHERE s = $1 OR r = $2 OR s = ANY ($3);
EXECUTE typed('bob', 'Al', '{carol}');
PREPARE several AS SELECT id FROM t WHERE s IN ($1, $2) AND r BETWEEN $3 AND $4;
EXECUTE several('bob', 'Al', 'B', 'c');
PREPARE sets(text, varchar, char(4)) AS INSERT INTO t (id, r, s, n) VALUES (100, $1, $2, $3) RETURNING r, s, n;
EXECUTE sets('a', 'b', 'c');

-- functions of users: text is preferred, and anyelement keeps the type
CREATE FUNCTION f(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION f(varchar) RETURNS text LANGUAGE sql AS 'SELECT NULL';
CREATE FUNCTION f(char) RETURNS text LANGUAGE sql AS 'SELECT NULL';
CREATE FUNCTION g(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION h(anyelement) RETURNS text LANGUAGE sql AS 'SELECT pg_typeof($1)';
SELECT f(r), g(r), h(r) FROM t WHERE id = 1;

-- what needs a cast: name, and the column types of a recursive query
SELECT n FROM t UNION SELECT r FROM t;
SELECT n FROM t WHERE id = 1 UNION SELECT r::text FROM t WHERE id = 1;
WITH RECURSIVE x AS (SELECT r FROM t WHERE id = 1 UNION ALL SELECT r || 'x' FROM x WHERE length(r) < 5) SELECT * FROM x;
WITH RECURSIVE x AS (SELECT r::text FROM t WHERE id = 1 UNION ALL SELECT r || 'x' FROM x WHERE length(r) < 5) SELECT * FROM x;

DROP SCHEMA type_text CASCADE;
DROP EXTENSION keyring;
