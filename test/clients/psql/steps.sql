-- psql's own commands on the table of the drivers. Variable "dir": where \copy may write, which takes no variables itself.
\cd :dir
\set ON_ERROR_STOP off
\set VERBOSITY verbose
\set SHOW_CONTEXT never
\pset null (null)
\echo empty
TRUNCATE item;
\echo create
INSERT INTO item VALUES (1, 'Ada', 'née Byron', 7, 12.5, '2024-02-29', '2024-02-29 12:30:00.123456Z', true,
    'a0000000-0000-4000-8000-000000000001', '{"a": [1, "x"]}'), (2, 'Bob', '100%', 0, 0.1, '1970-01-01', '1970-01-01Z', false, NULL, '{}')
    RETURNING *;
\echo gdesc
SELECT * FROM item \gdesc
SELECT name, amount + 1 AS more, price * 2, min(day), doc->'a', coalesce(note, 'none') FROM item GROUP BY item.id \gdesc
UPDATE item SET note = note RETURNING * \gdesc
\echo copy
\copy item TO copied
\copy item TO copied CSV HEADER
\copy (SELECT name, price FROM item ORDER BY name) TO STDOUT
\copy item TO copied BINARY
TRUNCATE item;
\copy item FROM copied BINARY
\copy item (id, name, amount, doc) FROM STDIN CSV
3,Cy,3,"[1, null]"
4,Zoë,,
\.
\copy item (id, name) FROM STDIN
5	Ada
\.
\copy item (id, name, amount) FROM STDIN
5	Eve	many
\.
SELECT * FROM item ORDER BY id;
\echo gset
SELECT name AS who, amount AS many FROM item WHERE id = 1 \gset
\echo :who :many
SELECT id FROM item WHERE name = :'who' AND amount = :many;
\echo crosstabview
SELECT name, active, amount FROM item ORDER BY id \crosstabview
\echo gexec
SELECT format('SELECT count(*) FROM item WHERE name = %L', name) FROM item WHERE id < 3 ORDER BY id \gexec
\echo expanded
\x on
SELECT * FROM item WHERE name = 'Ada';
\x off
\echo fetch count
\set FETCH_COUNT 2
SELECT * FROM item ORDER BY id;
\unset FETCH_COUNT
\echo prepare
PREPARE found AS SELECT id, name FROM item WHERE name = $1 AND amount IN ($2, 0) ORDER BY id;
EXECUTE found('Ada', 7);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'found';
\echo errors
INSERT INTO item (id, name) VALUES (9, 'Ada');
INSERT INTO item (id, name, amount) VALUES (9, 'Eve', 'many');
UPDATE item SET amount = -1 WHERE name = 'Ada';
SELECT * FROM item WHERE ref = 'nonsense';
\echo delete
DELETE FROM item WHERE name = 'Ada' RETURNING name, ref;
\echo left
SELECT count(*) FROM item;
