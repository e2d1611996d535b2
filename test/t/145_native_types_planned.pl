# The planner sees columns where clients get their base types: the plans are those of keyring.native_types = off, and the casts are
# in the node that evaluates the result, whichever it is.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main', conf => "max_parallel_workers_per_gather = 2\nautovacuum = off");
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, s encrypted_text(searchable), v encrypted_text, n encrypted_numeric(randomized, 10, 2));
	INSERT INTO t SELECT i, 'value ' || i, 'mark ' || i, i FROM generate_series(1, 3000) i;
	CREATE INDEX ON t (s);
	CREATE TABLE small (id integer, v varchar(20));
	INSERT INTO small SELECT i, 'small ' || i FROM generate_series(1, 10) i;
	SELECT keyring_encrypt_column('small', 'v');
	CREATE TABLE parts (id integer, v encrypted_text, n encrypted_numeric(randomized, 10, 2)) PARTITION BY LIST (id);
	CREATE TABLE one PARTITION OF parts FOR VALUES IN (1);
	CREATE TABLE two (n encrypted_numeric(randomized, 10, 2), v encrypted_text, id integer);
	ALTER TABLE parts ATTACH PARTITION two FOR VALUES IN (2);
	INSERT INTO parts VALUES (1, 'part 1', 1), (2, 'part 2', 2);
	VACUUM ANALYZE t, small, parts), 'tables'
);
my %wire = map { $_ => KeyringWire->new($node, settings => { 'keyring.native_types' => $_ }) } qw(on off);

my ($text, $varchar, $numeric) = (25, 1043, 1700);
my $two_digits = (10 << 16 | 2) + 4;

# "type modifier" of each column, without the integers, and the rows.
sub result_of
{
	my ($answer) = @_;
	return $answer->{error}{message} if $answer->{error};
	return (join(', ', map { "$_->{type} $_->{modifier}" } grep { $_->{type} != 23 } @{ $answer->{columns} }),
		join('; ', map { join ',', @$_ } @{ $answer->{rows} }));
}

sub plan_of
{
	my ($wire, $sql, $verbose) = @_;
	my $answer = $wire->query('EXPLAIN (COSTS OFF, VERBOSE ' . ($verbose // 'off') . ") $sql");
	return $answer->{error}{message} // join "\n", map { $_->[0] } @{ $answer->{rows} };
}

# settings, a statement, what its plan must have, the types and the values that the client gets.
my @cases = (
	[ '', 'SELECT v FROM t WHERE id = 7', 'Index Scan', "$text -1", 'mark 7' ],
	[ '', 'SELECT v, n FROM t WHERE id = 7', 'Index Scan', "$text -1, $numeric $two_digits", 'mark 7,7.00' ],
	[ '', "SELECT id FROM t WHERE s = 'value 7'", 'Index Scan', '', '7' ],
	[ '', 'SELECT n, id, v FROM t LIMIT 1', 'Limit', "$numeric $two_digits, $text -1", '1.00,1,mark 1' ],
	[ 'enable_seqscan = off', 'SELECT s FROM t WHERE s = $$value 7$$', 'Index Only Scan', "$text -1", 'value 7' ],
	[ 'enable_indexscan = off', 'SELECT v FROM t WHERE id = 7', 'Bitmap Heap Scan', "$text -1", 'mark 7' ],
	[ '', "SELECT v FROM t WHERE ctid = '(0,1)'", 'Tid Scan', "$text -1", 'mark 1' ],
	[ '', "SELECT v FROM t WHERE ctid < '(0,2)'", 'Tid Range Scan', "$text -1", 'mark 1' ],
	[ '', 'SELECT v FROM t TABLESAMPLE SYSTEM (100) LIMIT 1', 'Sample Scan', "$text -1", 'mark 1' ],
	[ '', 'SELECT v, id FROM small WHERE id = 3', 'Seq Scan', "$varchar 24", 'small 3,3' ],
	[ '', 'SELECT v FROM small WHERE false', 'One-Time Filter: false', "$varchar 24", '' ],
	[ '', 'SELECT v FROM small WHERE id = 3 AND now() IS NOT NULL', 'One-Time Filter', "$varchar 24", 'small 3' ],
	[
		'', 'SELECT t.v, small.v FROM t JOIN small USING (id) WHERE id = 4',
		'Nested Loop',
		"$text -1, $varchar 24",
		'mark 4,small 4'
	],
	[
		'enable_nestloop = off, enable_mergejoin = off',
		'SELECT t.v, small.v FROM t JOIN small USING (id) WHERE small.v LIKE $$% 9$$',
		'Hash Join',
		"$text -1, $varchar 24",
		'mark 9,small 9'
	],
	[
		'enable_nestloop = off, enable_hashjoin = off',
		'SELECT t.v, small.v FROM t JOIN small USING (id) WHERE small.v LIKE $$% 9$$',
		'Merge Join',
		"$text -1, $varchar 24",
		'mark 9,small 9'
	],
	[
		'', 'SELECT a.v FROM small b LEFT JOIN t a ON a.id = b.id + 5000 WHERE b.id = 1',
		'Left Join', "$text -1", 'NULL'
	],
	[ '', 'SELECT v, n FROM parts', 'Append', "$text -1, $numeric $two_digits", 'part 1,1.00; part 2,2.00' ],
	[ '', 'SELECT v, (SELECT max(id) FROM t) FROM t WHERE id = 2', 'InitPlan', "$text -1", 'mark 2,3000' ],
	[
		'', "UPDATE t SET v = 'new' WHERE id = 7 RETURNING n, v", 'Update', "$numeric $two_digits, $text -1",
		'7.00,new'
	],
	[
		'', 'DELETE FROM t USING small WHERE t.id = small.id AND small.id = 3 RETURNING t.v, small.v',
		'Delete',
		"$text -1, $varchar 24",
		'mark 3,small 3'
	],
	[
		'', "INSERT INTO t VALUES (5000, 'a', 'b', 1.234) RETURNING v, n, s",
		'Insert', "$text -1, $numeric $two_digits, $text -1",
		'b,1.23,a'
	],
	[
		'', "UPDATE parts SET v = 'new ' || v RETURNING v, n",
		'Update on',
		"$text -1, $numeric $two_digits",
		'new part 1,1.00; new part 2,2.00'
	],
);

for my $case (@cases)
{
	my ($settings, $sql, $node_type, $types, $rows) = @$case;
	my $name = "$sql" . ($settings && " with $settings");

	for my $wire (values %wire)
	{
		$wire->query("SET $_") for split /, /, $settings;
	}
	my ($plan, $plain) = map { plan_of($wire{$_}, $sql) } qw(on off);
	like($plan, qr/\Q$node_type\E/, "$name: the plan");
	is($plan, $plain, "$name: it is the one without native types");
	for my $mode (qw(simple prepared))
	{
		my $wire = $wire{on};
		$wire->query('BEGIN');
		$wire->prepare('', $sql) if $mode eq 'prepared';
		my $answer = $mode eq 'simple' ? $wire->query($sql) : $wire->execute('');
		$_ = [ map { $_ // 'NULL' } @$_ ] for @{ $answer->{rows} };
		$wire->query('ROLLBACK');
		is_deeply([ result_of($answer) ], [ $types, $rows ], "$name: $mode");
	}
	for my $wire (values %wire)
	{
		$wire->query('RESET ALL');
		$wire->query('SET keyring.native_types = off') if $wire == $wire{off};
	}
}

# Workers open what they find, where it is opened at all.
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0';
for my $wire (values %wire)
{
	$wire->query($parallel);
}
like(
	plan_of($wire{on}, 'SELECT v::text, id FROM t WHERE n > 2998', 'on'),
	qr/Gather\n.*\n.*\n.*Parallel Seq Scan on public\.t\n +Output: \(v\)::text, id/,
	'a cast over a parallel scan is evaluated by the workers'
);
is_deeply(
	[ map { $_->[0] } sort { $a->[0] cmp $b->[0] } @{ $wire{on}->query('SELECT v FROM t WHERE n > 2998')->{rows} } ],
	[ 'mark 2999', 'mark 3000' ],
	'what parallel workers have found is opened'
);

# A cursor that goes backwards keeps rows below the cast.
sql_ok(
	$node, q(
	DO $$
	DECLARE
		c SCROLL CURSOR FOR SELECT a.v::text FROM t a JOIN small b USING (id) WHERE random() < 2 LIMIT 5;
		first text; again text;
	BEGIN
		OPEN c;
		FETCH c INTO first;
		FETCH LAST FROM c INTO again;
		FETCH FIRST FROM c INTO again;
		IF first NOT LIKE 'mark %' OR first <> again THEN
			RAISE 'fetched % and %', first, again;
		END IF;
	END $$), 'a scrolling cursor over a cast'
);

# A plan that is kept follows its table.
my $wire = $wire{on};
$wire->query('CREATE TABLE changing (id integer, v encrypted_text); INSERT INTO changing VALUES (1, $$kept$$)');
$wire->prepare('kept', 'SELECT v FROM changing WHERE id = $1');
$wire->execute('kept', parameters => [1]) for 1 .. 7;
$wire->query(
	'CREATE INDEX ON changing (id); CREATE TABLE child () INHERITS (changing); INSERT INTO child VALUES (1, $$of a child$$)'
);
is_deeply(
	[ sort map { $_->[0] } @{ $wire->execute('kept', parameters => [1])->{rows} } ],
	[ 'kept', 'of a child' ],
	'a prepared statement goes on when its table gets a child'
);

done_testing();
