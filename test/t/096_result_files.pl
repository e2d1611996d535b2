# What temporary files hold of results that PostgreSQL keeps before they go to the client. The rows of a SCROLL cursor are
# kept as envelopes. Those that a portal keeps are as they are sent: doc/native-types.md says which.
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
	CREATE TABLE big (id integer, s encrypted_text(searchable), r encrypted_text, n encrypted_numeric);
	INSERT INTO big SELECT i, 'searchable secret ' || i, 'randomized secret ' || i, i * 1.5 FROM generate_series(1, 3000) i;
	CREATE VIEW barrier WITH (security_barrier) AS SELECT a.id, a.s FROM big a JOIN big b USING (id);
	VACUUM ANALYZE big), 'a table'
);
my %wire;
for my $types (qw(on off))
{
	$wire{$types} = KeyringWire->new($node, settings => { 'keyring.native_types' => $types });
	$wire{$types}->query('SET work_mem = 64; SET enable_mergejoin = off; SET enable_hashjoin = on');
	$wire{$types}->query('PREPARE p AS SELECT id, s, r FROM big');
}

# Whether files of the server's temporary ones have the plaintext of a value: 'no files' when there are none.
sub plaintext
{
	my @files = map { slurp_file($_) } grep { -f } glob $node->data_dir . '/base/pgsql_tmp/*';
	return 'no files' unless @files;
	return (grep { /secret/ } @files) ? 'plaintext' : 'envelopes';
}

sub rows_of
{
	my ($answer) = @_;
	return $answer->{error} ? $answer->{error}{message} : join '; ', map {
		join ',',
		  map { $_ // 'NULL' }
		  @$_
	} @{ $answer->{rows} };
}

# --- cursors that are scrolled --------------------------------------------------------------------

my $wire = $wire{on};
my $stores = 0;
my @fetches = (
	'NEXT',
	'FORWARD 2000',
	'LAST',
	'PRIOR',
	'ABSOLUTE 2',
	'RELATIVE 3',
	'BACKWARD 2',
	'FIRST',
	'BACKWARD ALL',
	'ABSOLUTE -1'
);
for my $query (
	'SELECT a.id, a.s, b.r, a.n, random() FROM big a JOIN big b ON a.id = b.id',
	'SELECT a.id, a.s, b.r, a.n FROM big a JOIN big b ON a.id = b.id ORDER BY a.id + b.id',
	'SELECT s, count(*), (SELECT min(id) FROM big) FROM big GROUP BY s ORDER BY s',
	'SELECT DISTINCT r, n FROM big',
	'SELECT s, r FROM big ORDER BY id LIMIT 2990',
	'SELECT s FROM big UNION ALL SELECT r FROM big',
	'WITH q AS MATERIALIZED (SELECT s, id FROM big) SELECT q.s, ARRAY[b.r] FROM q JOIN big b USING (id)',
	'SELECT s, lag(r) OVER (ORDER BY id) FROM big',
	'SELECT * FROM barrier'
  )
{
	$wire->query('BEGIN');
	my $declared = $wire->query("DECLARE c SCROLL CURSOR FOR $query");
	is($declared->{error}, undef, "scrolled: $query");
	my %row;
	for my $fetch (@fetches)
	{
		my $answer = $wire->query("FETCH $fetch FROM c");
		is($answer->{error}, undef, "$fetch: no error");
		my ($first, $last) = @{ $answer->{rows} }[ 0, -1 ];
		$row{$fetch} = join '; ', map { defined ? rows_of({ rows => [$_] }) : 'none' } $first, $last;
	}
	like($row{NEXT}, qr/secret/, 'rows come');
	is($row{FIRST}, $row{NEXT}, 'the first row comes again');
	is($row{'ABSOLUTE -1'}, $row{LAST}, 'and so does the last');
	my $files = plaintext();
	like($files, qr/^(?:envelopes|no files)$/, "there is no plaintext in files: $files");
	my @plan = map { $_->[0] } @{ $wire->query("EXPLAIN (COSTS OFF) DECLARE d SCROLL CURSOR FOR $query")->{rows} };
	unlike("@plan", qr/^Materialize/, 'what is kept is below the cast') or diag(join "\n", @plan);

	if ("@plan" =~ /^Subquery Scan on query\s+->  Materialize/)
	{
		is($files, 'envelopes', 'and there are files');
		$stores++;
	}
	$wire->query('ROLLBACK');
}

cmp_ok($stores, '>', 4, 'most of them keep their rows');

# The store has the same rows as the query, and the types on the wire are those of the plain column.
$wire->query('BEGIN');
$wire->query('DECLARE c SCROLL CURSOR FOR SELECT a.id, a.s, b.n FROM big a JOIN big b ON a.id = b.id');
$wire->query('MOVE LAST IN c');
my $backwards = $wire->query('FETCH BACKWARD ALL FROM c');
is(join(' ', map { $_->{type} } @{ $backwards->{columns} }), '23 25 1700', 'types of a scrolled cursor');
my %seen = map { $_->[0] => "$_->[1] $_->[2]" } @{ $backwards->{rows} };
is(scalar keys %seen, 2999, 'all rows but the last come backwards');
is(scalar(grep { $seen{$_} ne sprintf 'searchable secret %d %.1f', $_, $_ * 1.5 } keys %seen), 0, 'with their values');
$wire->query('ROLLBACK');

# What stands at a row of it may be changed through it, where the plan keeps nothing.
$wire->query('BEGIN');
$wire->query('DECLARE c SCROLL CURSOR FOR SELECT id, s FROM big');
$wire->query('FETCH 3 FROM c');
$wire->query('FETCH PRIOR FROM c');
is(rows_of($wire->query(q(UPDATE big SET s = 'changed' WHERE CURRENT OF c RETURNING id, s))),
	'2,changed', 'WHERE CURRENT OF a SCROLL cursor');
$wire->query('ROLLBACK');

# A view that is a barrier is a sub-query that is kept apart, too; what is computed on top of it stays what it was.
$wire{off}->query('BEGIN');
$wire{off}->query('DECLARE c SCROLL CURSOR FOR SELECT random(), s FROM barrier');
my @twice = map { rows_of($wire{off}->query('FETCH FIRST FROM c')) } 1, 2;
like($twice[0], qr/secret/, 'a view that is a barrier');
is($twice[1], $twice[0], 'and a row that is the same again');
$wire{off}->query('ROLLBACK');

# A function's cursor keeps what it has, as nothing is cast there.
sql_ok(
	$node, q(
	SET work_mem = 64;
	DO $$
	DECLARE c SCROLL CURSOR FOR SELECT a.s FROM big a JOIN big b ON a.id = b.id; v encrypted_text;
	BEGIN
		OPEN c;
		FETCH LAST FROM c INTO v;
		FETCH FIRST FROM c INTO v;
		ASSERT v::text LIKE 'searchable secret %' AND pg_typeof(v) = 'encrypted_text'::regtype;
	END $$), 'a SCROLL cursor in a function'
);

# --- what a portal keeps --------------------------------------------------------------------------

# name, statements before; the last is executed and stopped after its first row, so that its files can be read
my @kept = (
	[ 'EXECUTE', 'EXECUTE p' ],
	[ 'RETURNING', 'UPDATE big SET id = id RETURNING s, r' ],
	[ 'WITH that modifies', 'WITH u AS (UPDATE big SET id = id RETURNING s, r) SELECT * FROM u' ],
	[ 'FETCH of many rows', 'DECLARE c CURSOR FOR SELECT s, r FROM big', 'FETCH ALL FROM c' ],
	[
		'a cursor WITH HOLD, after COMMIT',
		'DECLARE c CURSOR WITH HOLD FOR SELECT s, r FROM big',
		'COMMIT', 'BEGIN', 'FETCH 1 FROM c'
	],
);
for my $case (@kept)
{
	my ($name, @statements) = @$case;
	for my $types (qw(on off))
	{
		$wire{$types}->query('BEGIN');
		my @answers = map { $wire{$types}->prepare('', $_); $wire{$types}->execute('', rows => 1) } @statements;
		is_deeply([ grep { $_->{error} } @answers ], [], "$name, native types $types: no error");
		like(rows_of($answers[-1]), qr/secret/, "$name, native types $types: a row comes");
		is(
			plaintext(),
			$types eq 'on' ? 'plaintext' : 'envelopes',
			"$name, native types $types: temporary files have what doc/native-types.md says"
		);
		$wire{$types}->query('ROLLBACK; CLOSE ALL');
	}
}
for my $types (qw(on off))
{
	$wire{$types}->query('BEGIN');
	$wire{$types}->prepare('', 'SELECT s, r FROM big');
	like(rows_of($wire{$types}->execute('', rows => 1)), qr/secret/, "SELECT, native types $types: a row comes");
	is(plaintext(), 'no files', "SELECT, native types $types: nothing is kept");
	$wire{$types}->query('ROLLBACK');
}

$_->close for values %wire;
done_testing();
