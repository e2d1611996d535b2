# Native types when something changes under a statement that is prepared: the settings, the formats, the column, the key.
# And keyring.require_reader, which the cast obeys as output does.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), n encrypted_integer, plain text, amount numeric(10,2));
	INSERT INTO t SELECT i, 'value ' || i, i, 'plain ' || i, i / 3.0 FROM generate_series(1, 3) i;
	CREATE ROLE clerk LOGIN;
	CREATE ROLE nobody LOGIN;
	GRANT SELECT, INSERT, UPDATE ON t TO clerk, nobody;
	SELECT keyring_grant('clerk', 'reader')), 'a table and two roles'
);
my $encrypted = sql_value($node, q(SELECT 'encrypted_text'::regtype::oid));
my $wire = KeyringWire->new($node);

sub types_of
{
	my ($answer) = @_;
	return $answer->{error} ? $answer->{error}{message} : join ' ', map { $_->{type} } @{ $answer->{columns} // [] };
}

sub values_of
{
	my ($answer) = @_;
	return $answer->{error} ? $answer->{error}{message} : join '|', map {
		join ',',
		  map { $_ // 'NULL' }
		  @$_
	} @{ $answer->{rows} };
}

my $select = 'SELECT v FROM t WHERE v = $1';
my $changed = 'cached plan must not change result type';

# --- the setting ----------------------------------------------------------------------------------

is(types_of($wire->prepare('on', $select)), '25', 'native_types on');
is(types_of($wire->prepare('other', 'SELECT plain, count(*) FROM t WHERE v = $1 GROUP BY 1')),
	'25 20', 'no encrypted result');
$wire->query('PREPARE p AS SELECT v, n FROM t ORDER BY v');
$wire->query('BEGIN');
$wire->query('DECLARE c CURSOR FOR SELECT v FROM t ORDER BY v');
$wire->query('SET keyring.native_types = off');
is(types_of($wire->query('FETCH 1 FROM c')), '25', 'an open cursor goes on');
$wire->query('COMMIT');
is(types_of($wire->query('SELECT v FROM t')), $encrypted, 'native_types off');
is(values_of($wire->query('SELECT v FROM t ORDER BY v')), 'value 1|value 2|value 3', 'and the values are the same');
my $off = $wire->prepare('off', $select);
is(types_of($off), $encrypted, 'off: a result');
is("@{ $off->{parameters} }", $encrypted, 'off: a parameter');
is(values_of($wire->execute('off', parameters => ['value 2'])), 'value 2', 'off: executed');
is(values_of($wire->execute('on', parameters => ['value 2'])), $changed, 'what was prepared for base types');
is(values_of($wire->describe('on')), $changed, 'and its description');
is(values_of($wire->query('EXECUTE p')), $changed, 'and by EXECUTE');
is(values_of($wire->execute('other', parameters => ['value 2'])), 'plain 2,1', 'what has no encrypted result goes on');
$wire->query('RESET keyring.native_types');
is(values_of($wire->execute('on', parameters => ['value 2'])), 'value 2', 'the setting is back');
is(types_of($wire->describe('on')), '25', 'and the description');
is(types_of($wire->query('EXECUTE p')), '25 23', 'and EXECUTE');
is(values_of($wire->execute('off', parameters => ['value 2'])), $changed, 'what was prepared without');
$wire->query('BEGIN');
$wire->query('SET LOCAL keyring.native_types = off');
is(types_of($wire->query('SELECT v FROM t')), $encrypted, 'SET LOCAL');
$wire->query('ROLLBACK');
is(types_of($wire->execute('on', parameters => ['value 2'])), '25', 'and after ROLLBACK');
my $session = KeyringWire->new($node, settings => { 'keyring.native_types' => 'off' });
is(types_of($session->query('SELECT v FROM t')), $encrypted, 'off from the start of a session');
$session->close;

# --- formats --------------------------------------------------------------------------------------

$wire->query('SET keyring.output_format = ciphertext');
is(types_of($wire->query('SELECT v FROM t')), $encrypted, 'output_format = ciphertext: the type stays');
like(values_of($wire->query('SELECT v FROM t WHERE id = 1')), qr/^keyring:/, 'an armored envelope');
is(values_of($wire->query('SELECT v::text FROM t WHERE id = 1')), 'value 1', 'a cast still opens');
$wire->prepare('', 'SELECT v FROM t WHERE id = 1');
my $envelope = $wire->execute('', format => 'binary')->{rows}[0][0];
is(
	length $envelope,
	sql_value($node, q(SELECT pg_column_size(v) - 1 FROM t WHERE id = 1)),
	'an envelope in binary form'
);
is(values_of($wire->execute('on', parameters => ['value 2'])), $changed, 'what was prepared for plaintext gives none');
is("@{ $wire->prepare('', $select)->{parameters} }", '25', 'parameters are plaintext still');
$wire->query('RESET keyring.output_format');
is(values_of($wire->execute('on', parameters => ['value 2'])), 'value 2', 'output_format is back');

$wire->query('SET keyring.input_format = ciphertext');
my $given = $wire->prepare('given', 'INSERT INTO t (id, v) VALUES ($1, $2) RETURNING v');
is("@{ $given->{parameters} }", "23 $encrypted", 'input_format = ciphertext: parameters keep their type');
is(types_of($given), '25', 'results do not');
is(values_of($wire->execute('given', parameters => [ pack('N', 10), $envelope ], parameter_format => 'binary')),
	'value 1', 'an envelope is given');
$wire->query('RESET keyring.input_format');
is(
	sql_value(
		$node,
		'SELECT keyring_inspect(a.v) = keyring_inspect(b.v) AND a.v::text = b.v::text FROM t a, t b WHERE a.id = 1 AND b.id = 10'
	),
	't',
	'and is stored'
);
$wire->query('DELETE FROM t WHERE id = 10');

# --- the plan cache -------------------------------------------------------------------------------

my $stays = $wire->prepare('stays', 'SELECT v, n, plain, amount FROM t WHERE plain = $1 AND amount < $2');
my $read = sub { $wire->execute('stays', parameters => [ 'plain 2', 5 ]) };
my $before = $read->();
is(values_of($before), 'value 2,2,plain 2,0.67', 'before anything changes');

for my $change (
	'ANALYZE t',
	'CREATE INDEX ON t (v)',
	'ALTER TABLE t ADD COLUMN added encrypted_text',
	'SELECT keyring_activate(keyring_create_key())',
	q(SELECT keyring_encrypt_column('t', 'plain', true)),
	q(SELECT keyring_encrypt_column('t', 'amount')),
	'REINDEX TABLE t',
	q(SELECT keyring_decrypt_column('t', 'plain')),
	q(SELECT keyring_decrypt_column('t', 'amount')),
	'ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME TO t'
  )
{
	sql_ok($node, $change, $change);
	is_deeply($wire->describe('stays'), $stays, "$change: the description stays");
	is_deeply($read->(), $before, "$change: so does what comes");
}
$wire->query('SET enable_seqscan = off');
like(values_of($wire->query(q(EXPLAIN (COSTS OFF) SELECT v FROM t WHERE v = 'value 2'))),
	qr/Index.*Cond/, 'an index is used');
$wire->query('PREPARE i AS SELECT v FROM t WHERE v = $1 ORDER BY v FOR UPDATE');
$wire->query("EXECUTE i ('value $_')") for 1 .. 6;
like(values_of($wire->query(q(EXPLAIN (COSTS OFF) EXECUTE i ('value 1')))), qr/Index Cond/, 'by a generic plan too');

# --- who may read ---------------------------------------------------------------------------------

sql_ok($node, 'ALTER DATABASE postgres SET keyring.require_reader = on', 'readers only');
for my $types (qw(on off))
{
	for my $user (qw(clerk nobody))
	{
		my $reader = KeyringWire->new($node, user => $user, settings => { 'keyring.native_types' => $types });
		my $name = "$user, native_types $types";
		my @statements = (
			'SELECT v FROM t ORDER BY id',
			'SELECT id, v FROM t ORDER BY v',
			'SELECT DISTINCT n FROM t',
			q(UPDATE t SET v = 'value 1' WHERE id = 1 RETURNING v),
			'SELECT id FROM t',
			q(UPDATE t SET v = 'value 1' WHERE id = 1)
		);
		my @states = map { $reader->query($_)->{error} // { sqlstate => 'none' } } @statements;

		is_deeply(
			[ map { $_->{sqlstate} } @states ],
			[ (($user eq 'clerk' ? 'none' : 'KR008')) x 4, 'none', 'none' ],
			"$name: who reads"
		);
		$reader->query('PREPARE p AS SELECT v FROM t WHERE id = 1');
		is(
			$reader->query('EXECUTE p')->{error}{sqlstate} // 'none',
			$user eq 'clerk' ? 'none' : 'KR008',
			"$name: EXECUTE"
		);
		$reader->close;
	}
}
my %message;
for my $types (qw(on off))
{
	my $reader = KeyringWire->new($node, user => 'nobody', settings => { 'keyring.native_types' => $types });
	$message{$types} = $reader->query('SELECT v FROM t')->{error};
	is($reader->query(q(INSERT INTO t (id, v) VALUES (1, 'x') RETURNING id))->{error}{sqlstate},
		'23505', "a violated constraint is told to who may not read, native_types $types");
	$reader->close;
}
is_deeply($message{on}, $message{off}, 'the error is the same');

$wire->close;
done_testing();
