# Traps that bit systems of this kind: values and statements that have no other test of their own. doc/development.md lists
# all of them with the tests that keep keyring out.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'jit = off');
keyring_db($node);
my $envelopes =
  'SET keyring.output_format = ciphertext; SELECT count(*), count(DISTINCT keyring_text_send(s)), count(DISTINCT keyring_text_send(r))';

# --- values -----------------------------------------------------------------------------------

sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, p text, r encrypted_text, s encrypted_text(searchable), n encrypted_integer, UNIQUE (s));
	INSERT INTO t VALUES (1, '', '', '', 0), (2, NULL, NULL, NULL, NULL);
	INSERT INTO t SELECT i, 'v' || i, 'v' || i, 'v' || i, i FROM generate_series(3, 12) i), 'a table'
);
sql_is(
	$node,
	q(SELECT id FROM t WHERE s = '' AND r = '' AND s IS NOT NULL AND octet_length(r) = 0 AND (keyring_inspect(s)).plaintext_bytes = 0),
	'1',
	'an empty string is a value, and found'
);
sql_is($node, 'SELECT id FROM t WHERE r IS NULL AND s IS NULL AND keyring_text_send(r) IS NULL',
	'2', 'NULL has no envelope');
sql_fails($node, q(INSERT INTO t (id, s) VALUES (50, '')), '23505', qr/t_s_key/, 'and the empty string is one value');
sql_ok(
	$node,
	q(INSERT INTO t (id) VALUES (51); UPDATE t SET s = NULL, r = NULL WHERE id = 51; UPDATE t SET s = s, r = r WHERE id = 51),
	'NULLs beside each other under UNIQUE'
);
sql_is(
	$node, q(
	CREATE TABLE nulls (r encrypted_text, s encrypted_text(searchable) UNIQUE, n encrypted_integer);
	INSERT INTO nulls DEFAULT VALUES; INSERT INTO nulls VALUES (NULL, NULL, NULL); INSERT INTO nulls SELECT * FROM nulls;
	SELECT count(*), bool_and(nulls IS NULL), count(DISTINCT nulls), (SELECT count(*) FROM nulls GROUP BY r, s, n), max(r) IS NULL,
		(SELECT coalesce(sum(value_count), 0) FROM keyring_census('nulls')) FROM nulls),
	'4|t|1|4|t|0', 'a row of all NULLs'
);

sql_ok(
	$node, q(
	CREATE TABLE long (id integer, p text, r encrypted_text, s encrypted_text(searchable));
	INSERT INTO long SELECT i, v, v, v FROM generate_series(1, 3) i, LATERAL (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 500) j) x (v);
	INSERT INTO long SELECT 10 + i, v, v, v FROM generate_series(1, 3) i, repeat('again ' || i, 20000) v), 'long values'
);
sql_is(
	$node, q(
	SELECT bool_and(p = r AND p = s AND r = s AND p = substr(r, 1) AND md5(p) = md5(s)), count(*) FILTER (WHERE (keyring_inspect(r)).compressed),
		(SELECT count(*) FROM long a JOIN long b ON a.r = b.s) FROM long),
	't|3|6', 'TOASTed and compressed values'
);
sql_is(
	$node, q(
	SELECT pg_relation_size(reltoastrelid) AS before FROM pg_class WHERE relname = 'long' \gset
	UPDATE long SET id = id + 100;
	SELECT pg_relation_size(reltoastrelid) = :before FROM pg_class WHERE relname = 'long';
	SELECT bool_and(p = r AND p = s) FROM long),
	"t\nt", 'and are not stored again when another column changes'
);

sql_ok(
	$node, q(
	CREATE TABLE huge (id integer, r encrypted_text);
	INSERT INTO huge SELECT 1, repeat(repeat('x', 1000), 1073741)),
	'a value near 1 GB',
	timeout => 120
);
sql_is($node, q(SELECT octet_length(r), right(r, 3) FROM huge), '1073741000|xxx', 'is read again', timeout => 120);
sql_fails(
	$node, q(SET keyring.compress_over = 0; INSERT INTO huge VALUES (2, repeat(repeat('x', 100), 10737418))),
	'54000',
	qr/longer than 1073741767 bytes/,
	'and what would grow past it is refused'
);
sql_ok($node, 'DROP TABLE huge', 'gone');

sql_ok(
	$node, q(
	CREATE TABLE again (id integer, c encrypted_text(searchable) DEFAULT 'first', k integer);
	INSERT INTO again (id) SELECT generate_series(1, 3);
	CREATE INDEX ON again (c);
	ALTER TABLE again DROP COLUMN c;
	INSERT INTO again (id) VALUES (4);
	ALTER TABLE again ADD COLUMN c encrypted_integer(searchable) DEFAULT 7;
	INSERT INTO again (id) VALUES (5);
	UPDATE again SET c = 8 WHERE id = 2;
	CREATE UNIQUE INDEX ON again (c, id)),
	'a column dropped and added again'
);
sql_is(
	$node, q(
	SELECT string_agg(id || ':' || c, ' ' ORDER BY id), (SELECT count(*) FROM again WHERE c = 7), (SELECT sum(value_count) FROM keyring_census('again')),
		(SELECT string_agg(column_name || ' ' || base_type::text, ',') FROM keyring_columns WHERE relation = 'again'::regclass) FROM again),
	'1:7 2:8 3:7 4:7 5:7|4|5|c integer', 'is the new one'
);
sql_is(
	$node,
	q(SELECT keyring_encrypt_column('again', 'k'); INSERT INTO again (id, k) VALUES (6, 66); SELECT k FROM again WHERE k = 66 AND c = 7),
	"\n66",
	'and another column of its table is encrypted'
);
sql_ok(
	$node, q(
	CREATE TABLE full_table AS SELECT generate_series(1, 500) AS id;
	ALTER TABLE full_table ADD r encrypted_text DEFAULT 'same', ADD s encrypted_text(searchable) NOT NULL DEFAULT 'same'),
	'a column added with a default to a full table'
);
sql_is($node, "$envelopes FROM full_table", '500|500|500', 'gives each row an envelope of its own');
sql_is($node, q(SELECT count(*) FROM full_table WHERE s = 'same' AND r = s), '500', 'with that value');

# --- statements -------------------------------------------------------------------------------

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe(
	q(CREATE TABLE sealed (id integer, s encrypted_text(searchable), r encrypted_text);
	PREPARE put(integer, text) AS INSERT INTO sealed VALUES ($1, $2, $2);
	PREPARE literal(integer) AS INSERT INTO sealed VALUES ($1, 'literal', 'literal');
	PREPARE get(text) AS SELECT count(*) FROM sealed WHERE s = $1)
);
$session->query_safe(join ';', map { ("EXECUTE put($_, 'one')", "EXECUTE literal($_)", q(EXECUTE get('one'))) } 1 .. 7);
is($session->query_safe('SELECT min(generic_plans) > 0 FROM pg_prepared_statements'),
	't', 'a generic plan after the fifth execution');
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
$session->query_safe(join ';', map { ("EXECUTE put($_, 'one')", "EXECUTE literal($_)") } 8 .. 10);
is($session->query_safe(q(EXECUTE get('one'))), '10', 'a prepared statement across an activation finds old and new');
sql_is(
	$node,
	'SELECT (keyring_inspect(s)).key_id, (keyring_inspect(r)).key_id, count(*), min(id), max(id) FROM sealed GROUP BY 1, 2 ORDER BY 1',
	"1|1|14|1|7\n2|2|6|8|10",
	'and seals under the new key'
);
sql_is($node, "$envelopes FROM sealed", '20|20|20', 'each value anew');

is(
	$session->query_safe(
		q(BEGIN; DECLARE c CURSOR FOR SELECT * FROM sealed WHERE s = 'one' ORDER BY id FOR UPDATE; MOVE 2 IN c; FETCH 1 FROM c;
		UPDATE sealed SET r = s, s = 'moved' WHERE CURRENT OF c; DELETE FROM sealed WHERE id = 1 AND s = 'one'; COMMIT;
		SELECT id, s, r, (keyring_inspect(r)).searchable, (keyring_inspect(s)).key_id FROM sealed WHERE s = 'moved')
	),
	"3|one|one\n3|moved|one|f|2",
	'WHERE CURRENT OF'
);
is(
	$session->query_safe(
		q(DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT id, r FROM sealed WHERE s = 'one' ORDER BY r, id; SELECT keyring_activate(keyring_create_key());
		FETCH 2 FROM h; FETCH LAST FROM h; FETCH PRIOR FROM h; CLOSE h)
	) =~ s/^\n//r,
	"2|one\n4|one\n10|one\n9|one",
	'a cursor WITH HOLD, scrolled after an activation'
);
is(
	$session->query_safe(
		q(SET keyring.native_types = off; DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT id, r, s FROM sealed WHERE s = 'one' ORDER BY r, id;
		SELECT keyring_activate(keyring_create_key()); FETCH 2 FROM h; FETCH LAST FROM h; FETCH PRIOR FROM h; CLOSE h; RESET keyring.native_types)
	) =~ s/^\n//r,
	"2|one|one\n4|one|one\n10|one|one\n9|one|one",
	'and one that holds envelopes'
);
$session->quit;

sql_ok(
	$node, q(
	CREATE TABLE parted (id integer, place integer, r encrypted_text, s encrypted_text(searchable), UNIQUE (place, s)) PARTITION BY LIST (place);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
	CREATE TABLE parted_2 (s encrypted_text(searchable), gone integer, place integer, r encrypted_text, id integer);
	ALTER TABLE parted_2 DROP COLUMN gone;
	ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
	INSERT INTO parted SELECT i, 1, 'r' || i, 's' || i FROM generate_series(1, 4) i;
	SELECT keyring_activate(keyring_create_key());
	UPDATE parted SET place = 2 WHERE s = 's2';
	UPDATE parted SET place = 2, r = s, s = r WHERE id = 3), 'moving a row between partitions'
);
sql_is(
	$node,
	'SELECT tableoid::regclass, id, r, s, (keyring_inspect(s)).searchable, (keyring_inspect(r)).searchable FROM parted ORDER BY id',
	"parted_1|1|r1|s1|t|f\nparted_2|2|r2|s2|t|f\nparted_2|3|s3|r3|t|f\nparted_1|4|r4|s4|t|f",
	'keeps its values and their modes'
);
sql_is($node, q(SELECT id FROM parted WHERE place = 2 AND s = 'r3'), '3', 'and its place in the index');
sql_fails($node, q(INSERT INTO parted VALUES (9, 2, '', 'r3')), '23505', qr/parted_2/, 'and UNIQUE');

sql_ok(
	$node, q(
	CREATE TABLE source (s encrypted_text(searchable), r encrypted_text); CREATE TABLE target (LIKE source); CREATE TABLE heir () INHERITS (source);
	INSERT INTO heir SELECT 'x', 'x' FROM generate_series(1, 5);
	INSERT INTO target SELECT * FROM source; INSERT INTO target SELECT r, s FROM source; INSERT INTO target TABLE heir;
	SELECT keyring_activate(keyring_create_key());
	INSERT INTO target SELECT * FROM source; INSERT INTO target SELECT r, s FROM source),
	'INSERT ... SELECT between encrypted columns'
);
sql_is(
	$node,
	q(SELECT (keyring_inspect(s)).key_id = (keyring_inspect(r)).key_id, (keyring_inspect(s)).searchable, (keyring_inspect(r)).searchable, count(*) FROM target
		WHERE s = 'x' GROUP BY (keyring_inspect(s)).key_id, 1, 2, 3 ORDER BY (keyring_inspect(s)).key_id),
	"t|t|f|15\nt|t|f|10",
	'writes under the primary key of its time'
);
done_testing();
