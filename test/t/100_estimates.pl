# The planner knows of a searchable column what it knows of a plain one without frequent values: how many rows a
# condition, a join and a grouping give. And it knows what opening costs.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\nmax_parallel_workers_per_gather = 0");
keyring_db($node);

my $columns = 'id integer PRIMARY KEY, uniq %1$s, even %1$s, part %1$s, skewed %1$s, number %2$s, day %3$s';
my %types = (
	plain => [qw(text integer date)],
	sealed => [ map { "encrypted_$_(searchable)" } qw(text integer date) ]
);
for my $name (sort keys %types)
{
	my $definition = sprintf $columns, @{ $types{$name} };
	sql_ok(
		$node,
		qq(CREATE TABLE $name ($definition);
		CREATE TABLE ${name}2 (LIKE $name);
		INSERT INTO $name SELECT i, 'u' || i, 'e' || i % 100, CASE WHEN i % 4 = 0 THEN 'p' || i * 31 % 50 END,
			's' || floor(20 * power((i * 7919 % 10000) / 10000.0, 4)), i % 500, date '2020-01-01' + i % 365
		FROM generate_series(1, 10000) i;
		INSERT INTO ${name}2 SELECT * FROM $name WHERE id <= 4000;
		ANALYZE $name, ${name}2),
		"tables: $name"
	);
}
sql_ok(
	$node,
	q(CREATE FUNCTION estimate(query text) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE plan json;
	BEGIN
		EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
		RETURN plan->0->'Plan'->'Plan Rows';
	END $$),
	'a function for estimates'
);

sub estimate
{
	my ($query) = @_;
	return sql_value($node, "SELECT estimate(\$q\$$query\$q\$)");
}

# T and U are the tables, plain or sealed ones.
my @same = (
	map({ "SELECT FROM T WHERE $_" } "uniq = 'u5'",
		"even = 'e5'",
		"part = 'p4'",
		'number = 5',
		'number = 5::smallint',
		"day = '2020-03-03'",
		"even <> 'e5'",
		"part <> 'p4'",
		'part IS NULL',
		'part IS NOT NULL',
		"even IN ('e5', 'e6', 'e7')",
		"even = ANY (ARRAY['e5', 'e6'])",
		"even NOT IN ('e5', 'e6')",
		"uniq IN ('u5', 'u6', 'u7')",
		'number IN (1, 2, 3, 4)',
		"even = 'e5' AND number = 5",
		"even = 'e5' OR number = 5",
		"even IS DISTINCT FROM 'e5'",
		"even IS NOT DISTINCT FROM 'e5'",
		"even = (SELECT 'e5'::text)",
		'even = NULL',
		"(even, number) = ('e5', 5)",
		"(even, number) IN (('e5', 5), ('e6', 6))",
		'number = id',
		'part = part',
		'uniq IN (SELECT uniq FROM U)',
		'EXISTS (SELECT FROM U u WHERE T.uniq = u.uniq)',
		'NOT EXISTS (SELECT FROM U u WHERE T.uniq = u.uniq)',
		'part IN (SELECT uniq FROM U)'),
	map({ "SELECT FROM T t JOIN U u ON $_" } 't.uniq = u.uniq',
		't.even = u.even',
		't.part = u.part',
		't.number = u.number',
		't.number = u.id',
		't.number = u.number AND t.even = u.even',
		't.even <> u.even',
		't.uniq = u.even'),
	map({ "SELECT FROM T t $_" } 'LEFT JOIN U u ON t.uniq = u.uniq', 'FULL JOIN U u USING (part)'),

	# with a plain table: what a searchable column meets is made an operand
	map({ "SELECT FROM T t JOIN plain u ON $_" } 't.uniq = u.uniq',
		't.even = u.even',
		'u.part = t.part',
		't.number = u.number',
		't.number = u.id',
		't.even <> u.even'),
	# and with two: both are operands, below which their frequent values are compared
	map({ "SELECT FROM T t JOIN plain u ON t.$_ = u.$_ JOIN plain2 v ON v.$_ = t.$_" } qw(even number day uniq)),
	'SELECT FROM T t JOIN plain u ON t.even = u.even WHERE EXISTS (SELECT FROM plain2 v WHERE v.even = t.even)',
	map({ "SELECT $_ FROM T GROUP BY $_" } qw(uniq even part skewed number day),
		'even, part',
		'even, number',
		'day, id'),
	'SELECT DISTINCT number FROM T',
	'SELECT even FROM T UNION SELECT even FROM U',
	'SELECT even FROM T GROUP BY even HAVING count(*) > 5'
);

my @estimates = split /\n/, sql_value(
	$node,
	join "\n",
	map {
		my $query = $_;
		map { my $name = $_; 'SELECT estimate($q$' . ($query =~ s/\bT\b/$name/gr =~ s/\bU\b/${name}2/gr) . '$q$);' }
		  qw(plain sealed)
	} @same
);
is(scalar @estimates, 2 * @same, 'estimates');
for my $query (@same)
{
	my ($plain, $sealed) = splice @estimates, 0, 2;
	ok(abs($plain - $sealed) <= 0.05 * $plain + 1, "as on a plain table: $query")
	  or diag("plain $plain, sealed $sealed");
}

# Generic plans: the value is not known on either side.
for my $condition ('even = $1', 'even = ANY ($1)')
{
	my $type = $condition =~ /ANY/ ? 'text[]' : 'text';
	my ($plain, $sealed) = map {
		my ($plan) = sql_value($node,
			"SET plan_cache_mode = force_generic_plan; PREPARE p ($type) AS SELECT FROM $_ WHERE $condition; EXPLAIN EXECUTE p ('{e5}')"
		);
		$plan =~ /rows=(\d+)/;
	} qw(plain sealed);
	is($sealed, $plain, "as on a plain table in a generic plan: $condition");
}

# Frequent values are not stored: each value counts as much as any other. doc/types.md says so.
is(estimate("SELECT FROM sealed WHERE skewed = 's0'"), 500, 'a frequent value: rows by distinct values');
is(estimate("SELECT FROM sealed WHERE skewed = 's15'"), 500, 'a rare value: the same');
cmp_ok(estimate("SELECT FROM plain WHERE skewed = 's0'"), '>', 4000, 'which a plain column knows better');

# Estimating shows nothing of values, so nobody needs to be a reader for it.
sql_ok($node, 'CREATE ROLE clerk; GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk', 'a role that is no reader');
is(
	sql_value(
		$node,
		"SET keyring.require_reader = on; SET ROLE clerk; SELECT estimate('SELECT FROM sealed t JOIN plain u ON t.even = u.even')"
	),
	1000000,
	'a role that may not read values sees the same estimate'
);

# Nor a key: operands of a list are counted, not sealed.
for my $condition (
	"even = 'e5'",
	"even IN ('e5', 'e6', NULL)",
	"even = ANY ('{e5,e6}')",
	"number = ANY ('{5,6}'::bigint[])",
	'even = ANY (ARRAY[part, skewed])'
  )
{
	is(
		sql_value($node,
			"SET keyring.require_reader = on; SET ROLE clerk; EXPLAIN (COSTS OFF) SELECT FROM sealed WHERE $condition")
		  =~ /Filter/,
		1,
		"a role that may not read values sees a plan: $condition"
	);
	sql_fails($node, "SET keyring.require_reader = on; SET ROLE clerk; SELECT count(*) FROM sealed WHERE $condition",
		'KR008', qr/clerk/, "and no rows: $condition");
}
sql_ok(
	$node,
	q(CREATE FUNCTION found() RETURNS text LANGUAGE plpgsql STABLE AS $$
	DECLARE n bigint;
	BEGIN
		SELECT count(*) INTO n FROM sealed WHERE even = ANY (ARRAY['e5', 'e6']);
		PERFORM set_config('test.found', n::text, false);
		RETURN 'e' || n;
	END $$),
	'a function that the planner calls for an estimate'
);
like(
	sql_value(
		$node, "EXPLAIN SELECT FROM plain WHERE even = found(); SELECT 'found ' || current_setting('test.found')"
	),
	qr/^found 200$/m,
	'what it compares is meant'
);

# What opens is looked at last, and indexes are preferred to opening.
my %order = (
	"lower(skewed) = 'x' AND id > 5" => qr/\(\(id > 5\) AND .*lower/,
	"lower(skewed) = 'x' AND lower(md5(id::text)) = 'y'" => qr/lower\(md5.* AND .*lower\(\(skewed/,
	"skewed > 'a' AND md5(md5(id::text)) = 'y'" => qr/md5.* AND .*skewed/,
	"skewed LIKE 'a%' AND even = 'e5'" => qr/even = .* AND .*skewed/,
	"number + 1 = 5 AND id % 7 = 3 AND uniq <> 'x'" => qr/uniq.* AND .*id % 7.* AND .*number/,
	"skewed BETWEEN 'a' AND 'b' AND id = ANY (ARRAY[1, 2, 3])" => qr/id = ANY.* AND .*skewed/,
);
for my $condition (sort keys %order)
{
	like(
		sql_value(
			$node,
			"SET enable_indexscan = off; SET enable_bitmapscan = off; EXPLAIN SELECT FROM sealed WHERE $condition"
		),
		qr/Filter: .*$order{$condition}/,
		"evaluated first is what opens nothing: $condition"
	);
}
sql_ok($node, 'CREATE INDEX ON sealed (uniq); CREATE INDEX ON sealed (even)', 'indexes');
like(
	sql_value($node, "EXPLAIN SELECT FROM sealed WHERE lower(skewed) = 'x' AND even = 'e5'"),
	qr/Index Cond: \(even = /,
	'an index instead of opening all rows'
);
like(
	sql_value($node, 'EXPLAIN SELECT FROM plain2 p JOIN sealed s ON s.uniq = p.even WHERE p.id = 3'),
	qr/Nested Loop.*Index Cond: \(uniq = /s,
	'an index for a join with few rows'
);

# Equality by token costs about what it does on text, and an operand that stays the same is paid once.
my $cost = sub { (sql_value($node, "EXPLAIN SELECT FROM $_[0]") =~ /\.\.([\d.]+) rows/)[0] };
my $scan = $cost->('sealed');
my $by_token = $cost->("sealed WHERE part = 'p4'") - $scan;
my $by_text = $cost->("plain WHERE part = 'p4'") - $cost->('plain');
cmp_ok($by_token, '<=', 4 * $by_text, 'cost of a condition by token');
cmp_ok($cost->("sealed WHERE lower(part) = 'p4'") - $scan, '>=', 10 * $by_text, 'cost of a condition that opens');

done_testing();
