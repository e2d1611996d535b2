# A column that was varchar(n) is told to clients as varchar(n), wherever a plain one would be; the limit is that of its CHECK.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main');
keyring_db($node);
for my $table (qw(plain sealed))
{
	sql_ok(
		$node,
		qq(CREATE TABLE $table (id integer PRIMARY KEY CHECK (id < 1000), v varchar(20), w varchar(5), t text, CHECK (length(v) <> 7));
		CREATE VIEW view_$table AS SELECT w AS second, v AS first, upper(v) AS third FROM $table;
		CREATE VIEW outer_$table AS SELECT first, second FROM view_$table WHERE first IS NOT NULL;
		INSERT INTO $table VALUES (1, 'value', 'w', 't'), (2, NULL, NULL, NULL)),
		"table: $table"
	);
}

my $wire = KeyringWire->new($node);
$wire->prepare("before", 'SELECT v FROM sealed ORDER BY id LIMIT 1');
sql_ok(
	$node,
	q(DROP VIEW outer_sealed; DROP VIEW view_sealed;
	ALTER TABLE sealed DROP CONSTRAINT sealed_v_check;
	SELECT keyring_encrypt_column('sealed', 'v', searchable => true), keyring_encrypt_column('sealed', 'w'), keyring_encrypt_column('sealed', 't');
	ALTER TABLE sealed ADD CHECK (length(v) <> 7);
	CREATE VIEW view_sealed AS SELECT w AS second, v AS first, upper(v) AS third FROM sealed;
	CREATE VIEW outer_sealed AS SELECT first, second FROM view_sealed WHERE first IS NOT NULL),
	'encrypted'
);

# "type modifier table column" of each column.
sub told
{
	my ($answer) = @_;
	return $answer->{error}{message} if $answer->{error};
	return join ', ', map { "$_->{type} $_->{modifier}" } @{ $answer->{columns} };
}

my $answer = $wire->execute('before');
is($answer->{rows}[0][0], 'value', 'a statement that was prepared before goes on') or diag $answer->{error}{message};

for my $query (
	'SELECT v, w, t, id FROM T',
	'SELECT v, w FROM T WHERE w IS NOT NULL ORDER BY v LIMIT 5',
	'SELECT DISTINCT v FROM T',
	'SELECT v, count(*) FROM T GROUP BY v HAVING count(*) > 0',
	'SELECT a.w, b.v FROM T a LEFT JOIN T b USING (id)',
	'SELECT x.v FROM (SELECT v FROM T OFFSET 0) x',
	'WITH x AS (SELECT v, w FROM T) SELECT w, v FROM x',
	'SELECT first, second FROM view_T',
	'SELECT first, second FROM outer_T ORDER BY first',
	'SELECT v || w, max(v), upper(v) FROM T GROUP BY v, w',
	"UPDATE T SET v = 'x' WHERE id = 1 RETURNING v, w, t",
	"INSERT INTO T VALUES (3, 'a', 'b', 'c') RETURNING w",
	'DELETE FROM T WHERE id = 3 RETURNING v',
	'SELECT v FROM T FOR UPDATE'
  )
{
	my ($plain, $sealed) = map { told($wire->query($query =~ s/\bT\b/$_/gr =~ s/_T\b/_$_/gr)) } qw(plain sealed);
	is($sealed, $plain, "as of a plain table: $query");
	like($plain, qr/^(?:1043|25) /, "which is text of some kind: $query");
}
$wire->query('BEGIN');
$wire->query('DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT w FROM sealed ORDER BY v');
is(told($wire->query('FETCH 1 FROM c')), '1043 9', 'a cursor');
$wire->query('COMMIT');
is($wire->prepare('binary', 'SELECT v FROM sealed WHERE v = $1')->{columns}[0]{type}, 1043, 'a prepared statement');
is($wire->execute('binary', parameters => ['x'], format => 'binary')->{rows}[0][0], 'x', 'and its binary result');

# Tables are made of what they were made of before.
sql_ok($node, 'CREATE TABLE copied AS SELECT v FROM sealed', 'CREATE TABLE AS');
sql_is($node,
	q(SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'copied'::regclass AND attnum = 1),
	'encrypted_text(searchable)', 'is of the encrypted type');

# The constraint is asked, as it is now.
sql_ok(
	$node,
	'ALTER TABLE sealed DROP CONSTRAINT sealed_w_length, ADD CHECK (keyring_fits(w, 9)), ADD CHECK (keyring_fits(w, 7))',
	'two limits of ones own'
);
is(told($wire->query('SELECT w FROM sealed')), '1043 11', 'the smaller counts');
sql_ok($node, 'ALTER TABLE sealed DROP CONSTRAINT sealed_v_length', 'no limit');
is(told($wire->query('SELECT v FROM sealed')), '25 -1', 'text');
like(
	told($wire->execute('binary', parameters => ['x'])),
	qr/cached plan must not change result type/,
	'a statement that was prepared as varchar says so'
);
$wire->query('SET keyring.native_types = off');
unlike(told($wire->query('SELECT w FROM sealed')), qr/1043/, 'native_types off');
$wire->close;
done_testing();
