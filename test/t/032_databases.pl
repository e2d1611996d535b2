# Several databases in one server: keys with the same number, a copy by TEMPLATE, values that stray from one
# into another, another encoding, the extension dropped and made again, and in a schema of any name.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main');
my $table = 'CREATE TABLE t (id int, v encrypted_text, s encrypted_text(searchable))';

sub in_ciphertext
{
	my ($db, $sql) = @_;
	return sql_value($node, "SET keyring.output_format = ciphertext; $sql", db => $db);
}

sub put_ciphertext
{
	my ($db, $sql) = @_;
	return sql_value($node, "SET keyring.input_format = ciphertext; $sql", db => $db);
}

# The same key id in two databases.
for my $db ('postgres', 'second')
{
	keyring_db($node, $db);
	sql_ok($node, "$table; INSERT INTO t VALUES (1, 'in $db', 'word')", "database $db", db => $db);
}
isnt(
	sql_value($node, 'SELECT uuid FROM keyring_keys WHERE id = 1', db => 'second'),
	sql_value($node, 'SELECT uuid FROM keyring_keys WHERE id = 1'),
	'key 1 of one is not key 1 of the other'
);
sql_is($node, 'SELECT v FROM t', "in $_", "$_ reads its own", db => $_) for 'postgres', 'second';
my $stray = in_ciphertext('postgres', 'SELECT v FROM t');
my ($tag) = sql_value($node, 'SELECT tag FROM keyring_keys');
put_ciphertext('second', "INSERT INTO t VALUES (2, '$stray', NULL)");
my %error = sql_error($node, 'SELECT v FROM t WHERE id = 2', db => 'second');
is($error{sqlstate}, 'KR009', 'a value of the other database: SQLSTATE');
is(
	$error{message},
	'could not open a value: it was sealed under a key that this database does not have',
	'a value of the other database: message'
);
is($error{detail}, "The key's tag is $tag.", 'a value of the other database: which key');
like($error{hint}, qr/Restore table keyring_key/, 'a value of the other database: hint');
sql_is(
	$node, 'SELECT (keyring_inspect(v)).key_tag FROM t WHERE id = 2',
	$tag,
	'a value of the other database: header',
	db => 'second'
);
sql_is($node, 'SELECT v FROM t WHERE id = 1', 'in second', 'and its neighbour is fine', db => 'second');
sql_ok($node, 'DELETE FROM t WHERE id = 2', 'it can be deleted', db => 'second');

# A copy has the keys of its template, and from then on its own.
sql_ok($node, 'CREATE DATABASE copy TEMPLATE postgres', 'a copy');
my $unwraps = sql_value($node, q(SELECT value FROM keyring_stats WHERE name = 'unwraps'));
sql_is($node, q(SELECT v FROM t WHERE s = 'word'), 'in postgres', 'the copy reads and finds', db => 'copy');
sql_is(
	$node, q(SELECT value FROM keyring_stats WHERE name = 'unwraps'),
	$unwraps, 'with the key that is in the cache for its template'
);
my $second_key =
  q(SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (2, 'new in ' || current_database(), 'word'));
sql_ok($node, $second_key, "$_ activates a second key", db => $_) for 'postgres', 'copy';
my $old = in_ciphertext('copy', 'SELECT v FROM t WHERE id = 1');
my $new = in_ciphertext('copy', 'SELECT v FROM t WHERE id = 2');
put_ciphertext('postgres', "INSERT INTO t VALUES (3, '$old', NULL), (4, '$new', NULL)");
sql_is($node, 'SELECT v FROM t WHERE id = 3', 'in postgres', 'a value from before the copy opens in both');
sql_fails($node, 'SELECT v FROM t WHERE id = 4', 'KR009', qr/does not have/, 'a value from after it does not');
sql_ok($node, 'DELETE FROM t WHERE id > 2', 'away with them');
sql_ok(
	$node,
	'UPDATE t SET v = v::text, s = s::text; SELECT keyring_destroy_key(1)',
	'the copy destroys the first key',
	db => 'copy'
);
sql_is($node, 'SELECT v FROM t ORDER BY id', "in postgres\nnew in postgres", 'its template still has it');
sql_is($node, 'SELECT v FROM t ORDER BY id', "in postgres\nnew in copy", 'and the copy its values', db => 'copy');

$node->restart;
sql_is($node, 'SELECT count(v::text), count(*) FROM t', $_ eq 'second' ? '1|1' : '2|2', "after a restart: $_", db => $_)
  for 'postgres', 'second', 'copy';

# Another encoding. What is sealed is UTF-8 everywhere.
sql_ok($node, q(CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0), 'a database in LATIN1');
my $keys = $node->basedir . '/keys';
sql_ok(
	$node, q(INSERT INTO t VALUES (5, 'Zürich', 'Zürich'), (6, '5 €', '5 €');
	COPY keyring_key TO ') . "$keys'", 'values with letters of their own'
);
sql_ok($node, 'CREATE EXTENSION keyring', 'keyring there', db => 'latin');
put_ciphertext('latin', "COPY keyring_key FROM '$keys'");
sql_ok($node, $table, 'and a table', db => 'latin');
for my $id (5, 6)
{
	my ($v, $s) = split /\|/, in_ciphertext('postgres', "SELECT v, s FROM t WHERE id = $id");
	put_ciphertext('latin', "INSERT INTO t VALUES ($id, '$v', '$s')");
}
my $utf8 = q(SET client_encoding = 'UTF8';);
sql_is(
	$node, "$utf8 SELECT v, s, octet_length(v::text) FROM t WHERE id = 5",
	'Zürich|Zürich|6',
	'LATIN1: the value is converted',
	db => 'latin'
);
sql_is($node, "$utf8 SELECT id FROM t WHERE s = 'Zürich'", '5', 'LATIN1: it is found by its token', db => 'latin');
sql_fails(
	$node, "$utf8 SELECT v FROM t WHERE id = 6",
	'22P05',
	qr/no equivalent in encoding "LATIN1"/,
	'LATIN1: what it cannot hold is an error',
	db => 'latin'
);
sql_ok($node, "$utf8 INSERT INTO t VALUES (7, 'Åland', 'Åland')", 'LATIN1: a value of its own', db => 'latin');
my ($v, $s) = split /\|/, in_ciphertext('latin', 'SELECT v, s FROM t WHERE id = 7');
put_ciphertext('postgres', "INSERT INTO t VALUES (7, '$v', '$s')");
sql_is($node, "$utf8 SELECT v FROM t WHERE s = 'Åland'", 'Åland', 'goes the other way, too');

# Dropped and made again, under a session that stays.
my $db = keyring_db($node, 'again');
my $session = background($node, db => $db);
$session->query_safe(
	"$table; INSERT INTO t VALUES (1, 'first life', 'word'); PREPARE p AS SELECT v FROM t WHERE s = 'word'");
is($session->query_safe('EXECUTE p'), 'first life', 'a session of the first life');
sql_fails($node, 'DROP EXTENSION keyring', '2BP01', qr/t|encrypted/, 'not while a column needs it', db => $db);
sql_fails(
	$node, 'DROP EXTENSION keyring CASCADE',
	'2BP01',
	qr/keyring.allow_drop_cascade|keyring_decrypt_column/,
	'nor with CASCADE',
	db => $db
);
is($session->query_safe('EXECUTE p'), 'first life', 'all is as it was');
sql_ok($node, 'SET keyring.allow_drop_cascade = on; DROP EXTENSION keyring CASCADE', 'unless one insists', db => $db);
sql_is(
	$node,
	q(SELECT string_agg(attname, ' ') FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped),
	'id',
	'then the columns are gone, too',
	db => $db
);
my ($out) = $session->query(q(SELECT 'x'::encrypted_text));
like($session->{stderr}, qr/42704/, 'the session notices');
$session->{stderr} = '';
$out = $session->query('EXECUTE p');
like($session->{stderr}, qr/ERROR:  \w{5}/, 'its prepared statement fails properly');
$session->{stderr} = '';
sql_ok($node, 'CREATE EXTENSION keyring; SELECT keyring_activate(keyring_create_key())', 'made again', db => $db);
$session->query_safe(
	qq(ALTER TABLE t ADD v encrypted_text, ADD s encrypted_text(searchable); INSERT INTO t VALUES (2, 'second life', 'word'))
);
is($session->query_safe(q(SELECT v FROM t WHERE s = 'word')), 'second life', 'the session goes on with the new one');
is($session->query_safe('SELECT id, state FROM keyring_keys'), '1|primary', 'and its keys');
$session->quit;

# A schema that wants quotes.
sql_ok($node, 'CREATE DATABASE elsewhere', 'one more database');
$db = 'elsewhere';
sql_ok(
	$node, q(CREATE SCHEMA "Key Ring, No. 1"; CREATE EXTENSION keyring SCHEMA "Key Ring, No. 1";
	SELECT "Key Ring, No. 1".keyring_activate("Key Ring, No. 1".keyring_create_key(label => 'k'));
	CREATE TABLE t (id int PRIMARY KEY, v "Key Ring, No. 1".encrypted_text, s "Key Ring, No. 1".encrypted_text(searchable), p text);
	INSERT INTO t VALUES (1, 'secret', 'word', 'plain')), 'in a schema that is not on the search path', db => $db
);
my $there = q(SET search_path = "Key Ring, No. 1", public;);
sql_is($node, q(SELECT v, s FROM t WHERE s = 'word'), 'secret|word', 'not on the path: reading and finding', db => $db);
sql_is($node, qq($there SELECT v FROM t WHERE s = 'word' ORDER BY v), 'secret', 'on the path: too', db => $db);
sql_ok($node, qq($there SELECT keyring_encrypt_column('t', 'p', searchable => true)), 'encrypting a column', db => $db);
sql_is($node, qq($there SELECT p FROM t WHERE p = 'plain'), 'plain', 'encrypted', db => $db);
sql_is($node, qq($there SELECT sum(value_count) FROM keyring_census()), '3', 'counting', db => $db);
sql_is($node, qq($there SELECT bool_and(ok) FROM keyring_doctor() WHERE subject IN ('primary', 'key 1 (k)')),
	't', 'the doctor', db => $db);
sql_ok(
	$node,
	qq($there SELECT keyring_rewrap_key(1); SELECT keyring_decrypt_column('t', 'p')),
	'rewrapping, decrypting',
	db => $db
);
sql_ok(
	$node, q(CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA "Key Ring, No. 1" TO reader; GRANT SELECT ON t TO reader;
	ALTER DATABASE elsewhere SET keyring.require_reader = on), 'a reader', db => $db
);
sql_fails($node, 'SELECT v FROM t', 'KR008', qr/keyring_grant/, 'who may not read yet', db => $db, user => 'reader');
sql_ok($node, qq($there SELECT keyring_grant('reader', 'reader')), 'granting', db => $db);
sql_is($node, 'SELECT v FROM t', 'secret', 'and then may', db => $db, user => 'reader');
sql_fails(
	$node, 'ALTER EXTENSION keyring SET SCHEMA public',
	'0A000',
	qr/does not support SET SCHEMA/,
	'it cannot be moved',
	db => $db
);
sql_ok($node, q(ALTER SCHEMA "Key Ring, No. 1" RENAME TO "Rings"), 'but its schema can be renamed', db => $db);
sql_is(
	$node,
	q(SET search_path = "Rings", public; SELECT keyring_activate(keyring_create_key()) IS NULL; UPDATE t SET v = v || '!';
	SELECT v, key_id, state FROM t, keyring_inspect(v), keyring_keys k WHERE k.id = key_id), "f\nsecret!|2|primary",
	'and all goes on', db => $db
);

# Names that PostgreSQL itself refuses, so that no script can be led astray by them.
sql_fails(
	$node, q(CREATE SCHEMA "O'Ring"; CREATE EXTENSION keyring SCHEMA "O'Ring"),
	'22P02',
	qr/invalid character in extension "keyring" schema/,
	'a quote in the name of the schema is refused',
	db => 'second_quote'
) if sql_ok($node, 'CREATE DATABASE second_quote', 'and one more');

done_testing();
