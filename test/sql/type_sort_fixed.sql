-- Types that a number orders, for all values or for short ones, are ordered as the base type orders them: ascending,
-- descending, without twins, in a bounded sort, and on disk.
\set ECHO none
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key()) AS activated;
CREATE SCHEMA type_sort_fixed;
SET search_path = type_sort_fixed, public;
\set ECHO all

-- each type with its ends and what lies about zero; some values twice
CREATE TABLE edges (type text, value text);
INSERT INTO edges VALUES ('boolean', '{true,false,true}'), ('smallint', '{-32768,32767,-1,0,1,255,256,-256}'),
    ('integer', '{-2147483648,2147483647,-1,0,1,65535,65536,-65536}'),
    ('bigint', '{-9223372036854775808,9223372036854775807,-1,0,1,4294967295,-4294967296}'),
    ('real', '{-Infinity,Infinity,NaN,NaN,-0,0,1e-45,-1e-45,3.4e38,-3.4e38,1,-1,1.5}'),
    ('double precision', '{-Infinity,Infinity,NaN,NaN,-0,0,5e-324,-5e-324,1.7e308,-1.7e308,1,-1,1.5}'),
    ('date', '{-infinity,infinity,"4713-01-01 BC",5874897-12-31,1999-12-31,2000-01-01,2000-01-02}'),
    ('time', '{00:00,24:00,12:00,00:00:00.000001}'),
    ('timestamp', '{-infinity,infinity,"4713-01-01 BC","294276-12-30 23:59:59",2000-01-01,1999-12-31,"2000-01-01 00:00:00.000001"}'),
    ('timestamptz', '{-infinity,infinity,"4713-01-01 BC","294276-12-30 23:59:59",2000-01-01,1999-12-31,"1999-12-31 23:59:59+01"}'),
    ('interval', '{"1 day","24 hours","-1 day","1 month","30 days","720 hours",0,"-1 month 31 days","178000000 years","-178000000 years"}'),
    ('numeric', '{-Infinity,Infinity,NaN,NaN,0,0.00,1.5,1.50,-1.5,9999,10000,-10000,12345678.9012,
        12345678.90121,-12345678.9012,-12345678.90121,1234567890123456,1234567890123457,1234567890123456.5,-1234567890123456,
        -1234567890123457,-1234567890123456.5,12345678901234560001,12345678901234560002,
        1e-176,1e-177,2e-177,-1e-177,-2e-177,1e-200,9e335,1e336,2e336,-1e336,-2e336}'),
    ('text', E'{"",a,ab,abcdefg,"abcdefg\x01",abcdefgh,abcdefghi,abcdefgi,abcd,abcde,\u00e9,"\x01"}'),
    ('bytea', '{"\\x","\\x00","\\x0000","\\x01","\\x61626364656600","\\x616263646566","\\x61626364656667","\\xff","\\x6162636465666768"}'),
    ('uuid', '{00000000-0000-0000-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff,80000000-0000-0000-0000-000000000000}');

-- the rows that a query returns on encrypted columns, next to those of the plain one
CREATE FUNCTION differs(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plain text; found text; mode text; differing text := '';
BEGIN
    EXECUTE format('SELECT string_agg(x::text, $s$ $s$) FROM (%s) x', replace(query, '@', 'p')) INTO plain;
    FOREACH mode IN ARRAY ARRAY['r', 's'] LOOP
        EXECUTE format('SELECT string_agg(x::text, $s$ $s$) FROM (%s) x', replace(query, '@', mode)) INTO found;
        IF found IS DISTINCT FROM plain THEN
            differing := differing || format(E'\n%s %s: %s, plain %s', mode, query, found, plain);
        END IF;
    END LOOP;
    RETURN CASE differing WHEN '' THEN 'as plain' ELSE differing END;
END $$;

CREATE FUNCTION sorts(type text, vals text) RETURNS TABLE (answer text) LANGUAGE plpgsql AS $$
DECLARE
    encrypted text := 'encrypted_' || CASE type WHEN 'double precision' THEN 'double' ELSE type END;
BEGIN
    DROP TABLE IF EXISTS t;
    EXECUTE format('CREATE TABLE t (id serial, p %s, r %s(randomized), s %2$s(searchable))', type, encrypted);
    EXECUTE format('INSERT INTO t (p, r, s) SELECT v, v, v FROM (SELECT v FROM unnest(%L::%s[]) v, generate_series(1, 60)
        UNION ALL SELECT NULL FROM generate_series(1, 5)) s ORDER BY md5(v::text || random())', vals, type);
    -- of text, where bytes decide
    RETURN QUERY SELECT differs(CASE type WHEN 'text' THEN replace(q, 'ORDER BY @', 'ORDER BY @ COLLATE "C"') ELSE q END) FROM unnest(ARRAY[
        'SELECT id FROM t ORDER BY @, id', 'SELECT id FROM t ORDER BY @ DESC, id', 'SELECT id FROM t ORDER BY @ NULLS FIRST, id',
        'SELECT id FROM t ORDER BY @ DESC NULLS LAST, id', 'SELECT id FROM t ORDER BY @, id LIMIT 7', 'SELECT id FROM t ORDER BY id % 3, @, id',
        'SELECT count(DISTINCT @) FROM t', 'SELECT rank() OVER (ORDER BY @), id FROM t ORDER BY 2',
        'SELECT count(*) FROM t GROUP BY @ ORDER BY @', 'SELECT min(id) FROM t GROUP BY @ ORDER BY 1']) q;
END $$;

SELECT type, answer, count(*) FROM edges, sorts(type, value) GROUP BY 1, 2 ORDER BY 1, 2;
SET work_mem = '64kB';
SET enable_hashagg = off;
SELECT type, answer, count(*) FROM edges, sorts(type, value) GROUP BY 1, 2 ORDER BY 1, 2;

\set ECHO none
DROP SCHEMA type_sort_fixed CASCADE;
DROP EXTENSION keyring;
