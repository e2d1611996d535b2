# Native types open and seal no value that was not opened and sealed without them, and bring no plaintext into what is sorted.
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
	CREATE TABLE t (id integer PRIMARY KEY, s encrypted_text(searchable), r encrypted_text, n encrypted_integer);
	INSERT INTO t SELECT i, 'value ' || i % 50, 'mark ' || i, i FROM generate_series(1, 1000) i;
	CREATE INDEX ON t (s);
	CREATE TABLE few (id integer, s encrypted_text(searchable), r encrypted_text, n encrypted_integer);
	CREATE TABLE known (s encrypted_text(searchable) UNIQUE, r encrypted_text);
	INSERT INTO known VALUES ('value 7', 'a');
	VACUUM ANALYZE t), 'a table'
);

my %wire = map { $_ => KeyringWire->new($node, settings => { 'keyring.native_types' => $_ }) } qw(on off);
my @counters = qw(values_opened values_sealed tokens_computed);

sub counts
{
	my ($wire) = @_;
	my %value = map { @$_ } @{ $wire->query('SELECT name, value FROM keyring_stats')->{rows} };
	return @value{@counters};
}

# What a statement, prepared before, opens, seals and makes tokens for; its rows are checked to be there.
sub cost_of
{
	my ($wire, $sql, @values) = @_;
	my $described = $wire->prepare('', $sql);
	return $described->{error}{message} if $described->{error};
	$wire->query('BEGIN');
	$wire->prepare('cost', $sql);
	my @before = counts($wire);
	my $answer = $wire->execute('cost', parameters => \@values);
	my @after = counts($wire);
	$wire->query('ROLLBACK; DEALLOCATE cost');
	return $answer->{error}{message} if $answer->{error};
	return join ' ', map { $after[$_] - $before[$_] } 0 .. $#after;
}

# name, SQL, what is opened, sealed, given a token: with native types, if that does not depend on how PostgreSQL sorts; without, if
# that is not the same. A parameter of an encrypted type is an operand with a token before anything is known of its column.
my @costs = (
	[ 'all rows', 'SELECT r FROM t', '1000 0 0' ],
	[ 'other columns', 'SELECT id FROM t', '0 0 0' ],
	[ 'one row', 'SELECT r FROM t WHERE id = 7', '1 0 0' ],
	[ 'a sorted column', 'SELECT r FROM t ORDER BY r', '2000 0 0' ],
	[ 'a column sorted by another', 'SELECT r FROM t ORDER BY id', '1000 0 0' ],
	[ 'a page', 'SELECT r FROM t ORDER BY id LIMIT 10 OFFSET 500', '10 0 0' ],
	[ 'a page, unsorted', 'SELECT r FROM t OFFSET 990', '10 0 0' ],
	[ 'a page of what is sorted', 'SELECT r FROM t ORDER BY r LIMIT 10', undef ],
	[ 'LIMIT', 'SELECT r FROM t LIMIT 10', '10 0 0' ],
	[ 'DISTINCT', 'SELECT DISTINCT s FROM t', '50 0 0' ],
	[ 'GROUP BY', 'SELECT s, count(*) FROM t GROUP BY s', '50 0 0' ],
	[ 'UNION', 'SELECT s FROM t UNION SELECT s FROM t', '50 0 0' ],
	[ 'EXCEPT', 'SELECT s FROM t EXCEPT SELECT s FROM t WHERE id % 50 < 49', '1 0 0' ],
	[ 'FOR UPDATE', 'SELECT r FROM t WHERE id < 11 FOR UPDATE', '10 0 0' ],
	[ 'a join', 'SELECT a.s FROM t a JOIN t b ON a.s = b.s AND a.id = b.id', '1000 0 0' ],
	[ 'window', 'SELECT s, count(*) OVER (PARTITION BY n % 2) FROM t', '2000 0 0' ],
	[ 'WITH', 'WITH q AS MATERIALIZED (SELECT r FROM t) SELECT r FROM q LIMIT 3', '3 0 0' ],
	[ 'EXISTS', 'SELECT id FROM t WHERE EXISTS (SELECT r FROM t u WHERE u.id = t.id)', '0 0 0' ],
	[ 'equality, by an index', 'SELECT id FROM t WHERE s = $1', '0 0 1', '1 1 1', 'value 7' ],
	[ 'INSERT of parameters', 'INSERT INTO t VALUES (2000, $1, $2, $3)', '0 3 1', '5 5 3', 'a', 'b', '1' ],
	[ 'INSERT RETURNING', 'INSERT INTO t VALUES (2000, $1, $2, $3) RETURNING r', '1 3 1', '6 5 3', 'a', 'b', '1' ],
	[ 'UPDATE of all rows', 'UPDATE t SET r = $1', '0 1000 0', '1001 1001 1', 'x' ],
	[ 'INSERT SELECT', 'INSERT INTO few SELECT * FROM t', '0 0 0' ],
	[
		'upsert', 'INSERT INTO known VALUES ($1, $2) ON CONFLICT (s) DO UPDATE SET r = EXCLUDED.r RETURNING r',
		'1 2 1', '4 3 2', 'value 7', 'b'
	],
	[ 'DELETE RETURNING', 'DELETE FROM t WHERE id < 11 RETURNING r', '10 0 0' ],
);

for my $case (@costs)
{
	my ($name, $sql, $on, $off, @values) = @$case;
	my $cost = cost_of($wire{on}, $sql, @values);
	is($cost, $on, "$name: native types on") if defined $on;
	is(cost_of($wire{off}, $sql, @values), $off // $cost, "$name: native types off");
}

# The same of several statements of the simple protocol.
sub cost_of_script
{
	my ($wire, @statements) = @_;
	$wire->query('BEGIN');
	my @before = counts($wire);
	my @errors = grep { defined } map { $wire->query($_)->{error}{message} } @statements;
	my @after = counts($wire);
	$wire->query('ROLLBACK');
	$wire->query('CLOSE ALL; DEALLOCATE ALL');
	return @errors ? "@errors" : join ' ', map { $after[$_] - $before[$_] } 0 .. $#after;
}

my $file = $node->basedir . '/copied';
my $join = 'SELECT a.r FROM t a JOIN t b ON a.id + 0 = b.id + 0';
for my $case (
	[ 'PREPARE', '0 0 0', undef, 'PREPARE p AS SELECT r FROM t WHERE s = $1' ],
	[ 'EXPLAIN', '0 0 0', undef, 'EXPLAIN VERBOSE SELECT r FROM t ORDER BY id' ],
	[ 'EXPLAIN ANALYZE', '1000 0 0', '0 0 0', 'EXPLAIN ANALYZE SELECT r FROM t' ],
	[ 'EXECUTE', '1000 0 0', undef, 'PREPARE p AS SELECT r FROM t', 'EXECUTE p' ],
	[
		'EXECUTE with a parameter, ten times',
		'200 0 10', undef,
		'PREPARE p (text) AS SELECT r FROM t WHERE s = $1',
		(q(EXECUTE p ('value 7'))) x 10
	],
	[
		'a cursor', '15 0 0', undef,
		'DECLARE c CURSOR FOR SELECT r FROM t ORDER BY id',
		'FETCH 10 FROM c',
		'FETCH 5 FROM c'
	],
	[ 'MOVE', '15 0 0', '5 0 0', 'DECLARE c CURSOR FOR SELECT r FROM t', 'MOVE 10 FROM c', 'FETCH 5 FROM c' ],
	[ 'a cursor that is not read', '0 0 0', undef, 'DECLARE c SCROLL CURSOR FOR SELECT r FROM t ORDER BY id' ],
	[ 'a SCROLL cursor', '1000 0 0', undef, "DECLARE c SCROLL CURSOR FOR $join", 'FETCH ALL FROM c' ],
	[
		'a SCROLL cursor, twice the same row',
		'4 0 0', undef,
		"DECLARE c SCROLL CURSOR FOR $join",
		'FETCH 3 FROM c',
		'FETCH PRIOR FROM c'
	],
	[
		'a cursor WITH HOLD',
		'1000 0 0', undef, 'DECLARE c CURSOR WITH HOLD FOR SELECT r FROM t',
		'COMMIT', 'BEGIN', 'FETCH ALL FROM c'
	],
	[
		'WHERE CURRENT OF',
		'1 0 0', undef,
		'DECLARE c CURSOR FOR SELECT r FROM t',
		'FETCH 1 FROM c',
		'UPDATE t SET id = -1 WHERE CURRENT OF c'
	],
	[ 'COPY of a query', '1000 0 0', undef, "COPY (SELECT id, r FROM t ORDER BY id) TO '$file'" ],
	[ 'COPY of a table', '1000 0 0', undef, "COPY t (id, r) TO '$file'" ],
	[ 'COPY FROM', '0 1000 0', undef, "COPY few (id, r) FROM '$file'" ],
	[ 'CREATE TABLE AS', '0 0 0', undef, 'CREATE TABLE made AS SELECT s, r FROM t ORDER BY id' ],
	[ 'a view', '10 0 0', undef, 'CREATE VIEW w AS SELECT id, r FROM t', 'SELECT r FROM w WHERE id < 11' ],
	[
		'a function that is inlined',
		'10 0 0', undef,
		q(CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM t'),
		'SELECT r FROM f() WHERE id < 11'
	],
	[
		'MERGE',
		'0 0 0',
		undef,
		q(MERGE INTO few USING t ON few.id = t.id AND t.id < 100 WHEN NOT MATCHED THEN INSERT VALUES (t.id, t.s, t.r, t.n))
	],
	[ 'UPDATE from another table', '0 0 0', undef, 'UPDATE t SET r = o.r FROM t o WHERE o.id = t.id + 1' ],
  )
{
	my ($name, $on, $off, @statements) = @$case;
	is(cost_of_script($wire{on}, @statements), $on, "$name: native types on");
	is(cost_of_script($wire{off}, @statements), $off // $on, "$name: native types off");
}

# Rows that others have locked are skipped before they are opened.
my $other = KeyringWire->new($node);
$other->query('BEGIN');
$other->query('SELECT id FROM t WHERE id < 10 FOR UPDATE');
is(cost_of($wire{$_}, 'SELECT r FROM t WHERE id < 11 FOR UPDATE SKIP LOCKED'), '1 0 0', "SKIP LOCKED, native types $_")
  for qw(on off);
$other->query('ROLLBACK');
$other->close;

# --- temporary files ------------------------------------------------------------------------------

# Files that a sort, a hash or a materialized result has written while the cursor is open.
sub temporary_files
{
	my @files = glob $node->data_dir . '/base/pgsql_tmp/*';
	return map { slurp_file($_) } grep { -f } @files;
}

sql_ok(
	$node, q(
	CREATE TABLE big (id integer, s encrypted_text(searchable), r encrypted_text);
	INSERT INTO big SELECT i, 'searchable secret ' || i, 'randomized secret ' || i FROM generate_series(1, 5000) i;
	VACUUM ANALYZE big), 'a larger table'
);
my $setup =
  'SET work_mem = 64; SET hash_mem_multiplier = 1; SET enable_indexscan = off; SET max_parallel_workers_per_gather = 0';
my $session = KeyringWire->new($node);
$session->query($setup);
for my $sql (
	'SELECT s, r FROM big ORDER BY id',
	'SELECT s, r FROM big ORDER BY s',
	'SELECT DISTINCT s, r FROM big',
	'SELECT DISTINCT ON (s) s, r FROM big',
	'SELECT s, count(*) FROM big GROUP BY s',
	'SELECT s FROM big UNION SELECT r FROM big',
	'SELECT s FROM big EXCEPT SELECT r FROM big',
	'SELECT s, r, row_number() OVER (ORDER BY id) FROM big',
	'SELECT s, lag(r, 4000) OVER (ORDER BY id), count(*) OVER (PARTITION BY s) FROM big',
	'SELECT a.s, b.r FROM big a JOIN big b USING (s)',
	'SELECT a.s, b.r FROM big a LEFT JOIN big b ON b.id = a.id ORDER BY b.id',
	'WITH q AS MATERIALIZED (SELECT s, r FROM big) SELECT a.s, b.r FROM q a JOIN q b ON a.s = b.s',
	'SELECT array_agg(s), max(r) FROM big GROUP BY id % 2500'
  )
{
	$session->query('BEGIN');
	my $error = $session->query("DECLARE c NO SCROLL CURSOR FOR $sql")->{error};
	my $row = $session->query('FETCH 4000 FROM c')->{rows}[-1];
	my @files = temporary_files();

	like($row->[0] // $error->{message}, qr/secret/, "$sql: rows come");
	cmp_ok(scalar @files, '>', 0, "$sql: there are temporary files");
	is(scalar(grep { /secret/ } @files), 0, "$sql: without plaintext");
	$session->query('ROLLBACK');
}

$_->close for values %wire, $session;
done_testing();
