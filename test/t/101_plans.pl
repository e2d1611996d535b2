# Plans over encrypted columns: how often they open values, in parallel workers, compiled, over partitions.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node =
  KeyringTest->new_node('main', conf => "jit = off\nmax_parallel_workers_per_gather = 0\nmax_parallel_workers = 4");
keyring_db($node);

my %types = (
	plain => [qw(text text integer integer)],
	sealed => [qw(encrypted_text(searchable) encrypted_text encrypted_integer(searchable) encrypted_integer)]
);
for my $name (sort keys %types)
{
	my @type = @{ $types{$name} };
	sql_ok(
		$node,
		qq(CREATE TABLE $name (id integer PRIMARY KEY, n integer, s $type[0], r $type[1], sn $type[2], rn $type[3]);
		CREATE TABLE few_$name (LIKE $name);
		INSERT INTO $name SELECT i, i % 10, 'v' || i % 100, 'v' || i % 100, i % 100, i % 100 FROM generate_series(1, 2000) i;
		INSERT INTO few_$name SELECT * FROM $name WHERE id <= 100;
		CREATE INDEX ON $name (s);
		VACUUM ANALYZE $name, few_$name),
		"tables: $name"
	);
}

# --- Opening. 2000 rows, 100 of them in the second table. ---

# An open for the operand's literal is allowed for: parse analysis makes one.
my @opens = (
	[ "SELECT id FROM sealed WHERE s = 'v5'", 2 ],
	[ "SELECT id FROM sealed WHERE s IN ('v5', 'v6')", 4 ],
	[ 'SELECT s FROM sealed', 2000 ],
	[ "SELECT id FROM sealed WHERE r = 'v5'", 2002 ],
	[ "SELECT id FROM sealed WHERE r IN ('v5', 'v6', 'v7')", 2004 ],
	[ "SELECT id FROM sealed WHERE r = 'v5' AND n = 3", 202 ],
	[ "SELECT id FROM sealed WHERE lower(r) = 'v5' AND lower(n::text) = '3'", 202 ],
	[ "SELECT id FROM sealed WHERE r LIKE 'v%' AND s = 'v5'", 22 ],
	[ 'SELECT id FROM sealed WHERE rn BETWEEN 5 AND 1000', 2002 ],
	[ "SELECT id FROM sealed WHERE lower(r) > 'a' AND upper(r) > 'A' AND length(r) > 1 AND r LIKE 'v%'", 2005 ],
	[ "WITH c AS (SELECT lower(r) AS x FROM sealed) SELECT x FROM c WHERE x > 'a' AND x < 'z'", 2002 ],
	[ "WITH c AS MATERIALIZED (SELECT lower(r) AS x FROM sealed) SELECT x FROM c WHERE x > 'a' AND x < 'z'", 2002 ],
	[ 'SELECT x, x || x, length(x) FROM (SELECT lower(r) AS x FROM sealed) y', 2005 ],
	[ 'SELECT r::text FROM sealed ORDER BY n, id LIMIT 10', 10 ],
	[ 'SELECT upper(r) || s FROM sealed ORDER BY n, id LIMIT 10', 20 ],
	[ 'SELECT r::text FROM sealed ORDER BY id OFFSET 20 LIMIT 10', 30 ],
	[ 'SELECT id FROM sealed ORDER BY r, id', 2000 ],
	[ 'SELECT id FROM sealed ORDER BY r, id LIMIT 5', 2100 ],
	[ 'SELECT r::text FROM sealed ORDER BY 1', 2000 ],
	[ 'SELECT min(id) FROM sealed GROUP BY s', 0 ],
	[ 'SELECT s::text FROM sealed GROUP BY s', 100 ],
	[ 'SELECT rank() OVER (PARTITION BY s ORDER BY id) FROM sealed', 0 ],
	[ 'SELECT DISTINCT s IS NULL FROM sealed', 0 ],
	[ 'SELECT lower(r) FROM sealed GROUP BY lower(r)', 2000 ],
	[ 'SELECT sum(sn), avg(sn), count(sn), max(n) FROM sealed', 2005 ],
	[ 'SELECT max(r) FROM sealed', 2001 ],
	[ 'SELECT count(DISTINCT s) FROM sealed', 0 ],
	[ 'SELECT count(*) FROM sealed a JOIN few_sealed b ON a.s = b.s', 0 ],
	[ 'SELECT count(*) FROM sealed a JOIN few_sealed b ON a.s = b.r', 200 ],
	[ 'SELECT count(*) FROM sealed a JOIN few_sealed b ON a.rn = b.id', 2002 ],
	[ 'SELECT count(*) FROM few_sealed a JOIN plain b ON a.r = b.s', 202 ],
	[ 'SELECT count(*) FROM few_sealed a JOIN few_plain b ON a.r < b.s', 202 ],
	[ 'SELECT count(*) FROM sealed a WHERE EXISTS (SELECT FROM few_sealed b WHERE a.s = b.s)', 0 ],
	[ 'SELECT id FROM sealed WHERE s IN (SELECT s FROM few_sealed)', 0 ],
	[ 'SELECT count(s) FROM sealed', 0 ],
	[ 'SELECT count(*) FROM sealed WHERE r IS NULL', 0 ],
);

# Values that are equal without a token: their grouping or sorting opens each, and so does their comparison, which is
# another expression. The bound is that of two.
push @opens,
  [ 'SELECT count(*) FROM sealed GROUP BY r', 4000 ],
  [ 'SELECT count(DISTINCT r) FROM sealed', 4000 ],
  [ 'SELECT count(*) FROM sealed a JOIN (SELECT * FROM few_sealed WHERE id <= 20) b ON a.rn = b.rn', 4000 ];

# Searchable columns are grouped by token also where that is done by sorting.
my $sorted = 'SET enable_hashagg = off; ';
push @opens,
  [ "$sorted SELECT count(*) FROM sealed GROUP BY s", 0 ],
  [ "$sorted SELECT count(*) FROM (SELECT DISTINCT s, n FROM sealed) x", 0 ],
  [ "$sorted SELECT count(*) FROM sealed GROUP BY s ORDER BY s; RESET enable_hashagg", 2000 ];

my $opened = q(SELECT 'opened ' || value FROM keyring_stats WHERE name = 'values_opened';);
my @said = split /\n/,
  sql_value($node, join "\n", map { "$opened $_->[0];" } @opens) . "\n" . sql_value($node, $opened);
my @counts = grep { defined } map { /^opened (\d+)$/ ? $1 : undef } @said;
is(scalar @counts, @opens + 1, 'counts');
for my $i (0 .. $#opens)
{
	my ($query, $most) = @{ $opens[$i] };
	my $count = $counts[ $i + 1 ] - $counts[$i];
	my $least = $most > 1000 ? 1000 : 0;
	ok($count <= $most && $count >= $least, "opens once per row: $query") or diag("opened $count, at most $most");
}

# A SQL function that uses its argument twice is not inlined where that would open it twice.
sql_ok(
	$node,
	q(CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || $1';
	CREATE FUNCTION once(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ''x''';
	CREATE FUNCTION sealed_twice(encrypted_text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1::text || length($1)'),
	'SQL functions'
);
unlike(sql_value($node, 'EXPLAIN (VERBOSE) SELECT twice(r) FROM sealed'),
	qr/\|\|/, 'an argument that is used twice: called');
like(sql_value($node, 'EXPLAIN (VERBOSE) SELECT once(r) FROM sealed'),
	qr/\|\|/, 'an argument that is used once: inlined');

like(
	sql_value(
		$node, 'SET enable_hashagg = off; SET enable_seqscan = off; EXPLAIN SELECT s, count(*) FROM sealed GROUP BY s'
	),
	qr/GroupAggregate.*Index Only Scan using sealed_s_idx/s,
	'an index serves grouping'
);
like(
	sql_value(
		$node,
		'SET enable_hashagg = off; SET enable_seqscan = off; EXPLAIN SELECT s, count(*) FROM sealed GROUP BY s ORDER BY s'
	),
	qr/GroupAggregate.*Sort Key: (sealed\.)?s USING </s,
	'but not ORDER BY'
);

# --- The same rows on plain tables and on sealed ones, in workers and compiled. ---

# Each with the plan nodes that must be there.
my @queries = (
	[ "SELECT count(*), sum(id) FROM T WHERE r LIKE 'v1%'", 'Partial Aggregate', 'Parallel Seq Scan' ],
	[ "SELECT id, s, r FROM T WHERE rn > 90 ORDER BY id", 'Gather Merge', 'Parallel Seq Scan' ],
	[ "SELECT id, r FROM T WHERE sn = 7 ORDER BY r, id", 'Gather Merge', 'Sort Key: .*r' ],
	[ 'SELECT s::text, count(*), sum(sn) FROM T GROUP BY s ORDER BY 1', 'Partial HashAggregate' ],
	[ 'SELECT r::text, count(*), max(r), min(rn) FROM T GROUP BY r ORDER BY 1', 'Partial HashAggregate' ],
	[ 'SELECT DISTINCT s::text FROM T ORDER BY 1', 'Gather' ],
	[ 'SELECT max(r), min(r), max(sn), avg(rn) FROM T', 'Partial Aggregate' ],
	[ "SELECT string_agg(r, ',' ORDER BY r, id) FROM T WHERE id < 100", 'Aggregate' ],
	[ 'SELECT count(*), sum(a.id) FROM T a JOIN T b ON a.s = b.s', 'Parallel Hash Join', 'Parallel Hash ' ],
	[ 'SELECT count(*), sum(a.id) FROM T a JOIN T b ON a.r = b.r', 'Parallel Hash Join', 'Partial Aggregate' ],
	[ 'SELECT count(*), sum(a.id) FROM T a JOIN T b ON a.s = b.r AND a.n = 3', 'Parallel Hash Join' ],
	[ 'SELECT count(*), sum(a.id) FROM T a JOIN T b ON a.rn = b.id', 'Gather' ],
	[ 'SELECT count(*) FROM T a LEFT JOIN few_T b ON a.sn = b.sn WHERE b.id IS NULL', 'Gather' ],
	[ 'SELECT count(*) FROM T WHERE s IN (SELECT r FROM few_T WHERE n = 3)', 'Gather' ],
	[ 'SELECT count(*) FROM T WHERE s <> ALL (ARRAY[\'v1\', \'v2\'])', 'Partial Aggregate' ],
	[
		'SELECT lower(s), rank FROM (SELECT s, rank() OVER (PARTITION BY n ORDER BY r, id) FROM T) x WHERE rank < 4 ORDER BY 1, 2',
		'Gather'
	],
);

my $parallel = join ' ', map { "SET $_;" } 'max_parallel_workers_per_gather = 2', 'parallel_setup_cost = 0',
  'parallel_tuple_cost = 0',
  'min_parallel_table_scan_size = 0', 'min_parallel_index_scan_size = 0', 'enable_indexscan = off',
  'enable_bitmapscan = off',
  'enable_indexonlyscan = off', 'enable_mergejoin = off', 'enable_nestloop = off';
my $forced = 'SET ' . ($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode') . ' = on;';
my $compiled = 'SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;';

sub answers
{
	my ($table, $settings) = @_;
	return split /\n-- \d+\n/,
	  sql_value(
		$node,
		$settings . join "\n",
		map { my $sql = $queries[$_][0] =~ s/\bT\b/$table/gr =~ s/few_T/few_$table/gr; "$sql;\n\\echo -- $_" }
		  0 .. $#queries
	  );
}

my @expected = answers('plain', '');
for my $case (
	[ 'serial', '' ],
	[ 'parallel', $parallel ],
	[ 'forced into a worker', $forced ],
	[ 'compiled', $compiled ],
	[ 'compiled in workers', $parallel . $compiled ]
  )
{
	my ($how, $settings) = @$case;
	my @got = answers('sealed', $settings);
	is($got[$_], $expected[$_], "$how: $queries[$_][0]") for 0 .. $#queries;
}
cmp_ok(scalar(grep { length } @expected), '>', 10, 'there are answers');

for my $query (@queries)
{
	my ($sql, @nodes) = @$query;
	my $plan = sql_value($node, $parallel . 'EXPLAIN ' . ($sql =~ s/\bT\b/sealed/gr =~ s/few_T/few_sealed/gr));
	like($plan, qr/Workers Planned/, "workers are planned: $sql") if grep { /Partial|Parallel|Gather/ } @nodes;
	like($plan, qr/$_/, "$_: $sql") for @nodes;
}

# Workers count, too; and they open what the leader does not.
my $before = sql_value($node, "SELECT value FROM keyring_stats WHERE name = 'values_opened'");
sql_is($node, "$parallel SELECT count(*) FROM sealed WHERE r LIKE 'v%'", 2000, 'opened in workers');
my $after = sql_value($node, "SELECT value FROM keyring_stats WHERE name = 'values_opened'");
cmp_ok($after - $before, '>=', 2000, 'what workers open is counted');
cmp_ok($after - $before, '<=', 2010, 'and opened once');

SKIP:
{
	skip 'this server has no JIT', 1 if sql_value($node, "$compiled SELECT pg_jit_available()") eq 'f';
	like(
		sql_value($node, "$compiled EXPLAIN (ANALYZE) SELECT lower(r), s FROM sealed WHERE sn = 3 AND rn > 1"),
		qr/JIT:\n\s+Functions: \d/,
		'expressions over encrypted columns are compiled'
	);
}

# Parallel workers may call everything that plans call.
sql_is(
	$node,
	q(SELECT string_agg(DISTINCT regexp_replace(proname, '_(text|bytea|boolean|smallint|integer|bigint|real|double|numeric|date|time|timestamp|timestamptz|interval|uuid|inet|json|jsonb)_', '_X_'), ' ')
	FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'keyring'
	WHERE proparallel <> 's' AND EXISTS (SELECT FROM unnest(proargtypes || prorettype) t JOIN pg_type ON pg_type.oid = t
		WHERE typname ~ '^_?encrypted_')),
	'keyring_X_accept',
	'functions of encrypted types are parallel safe, but for envelopes that are given as such'
);

# --- Partitions by a plain column. ---

sql_ok(
	$node,
	q(CREATE TABLE visits (day date, patient encrypted_text(searchable), note encrypted_text) PARTITION BY RANGE (day);
	CREATE TABLE visits_2023 PARTITION OF visits FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
	CREATE TABLE visits_2024 PARTITION OF visits FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
	CREATE TABLE visits_other PARTITION OF visits DEFAULT;
	CREATE INDEX ON visits (patient);
	INSERT INTO visits SELECT date '2023-01-01' + i, 'p' || i % 50, 'note ' || i FROM generate_series(0, 1000) i;
	VACUUM ANALYZE visits),
	'a partitioned table'
);
my @pruned = (
	"day = '2023-05-05' AND patient = 'p1'",
	"day BETWEEN '2023-05-05' AND '2023-06-05' AND note LIKE '%1%'",
	"patient IN ('p1', 'p2') AND day < '2023-03-03' AND day > '2023-01-01'"
);
for my $condition (@pruned)
{
	my $plan = sql_value($node, "EXPLAIN SELECT FROM visits WHERE $condition");
	like($plan, qr/visits_2023/, "the partition is read: $condition");
	unlike($plan, qr/visits_(2024|other)/, "the others are not: $condition");
}
like(
	sql_value(
		$node,
		q(SET plan_cache_mode = force_generic_plan; PREPARE p (date, text) AS SELECT count(*) FROM visits WHERE day = $1 AND patient = $2;
		EXPLAIN EXECUTE p ('2023-05-05', 'p1'))
	),
	qr/Subplans Removed: 2/,
	'a generic plan prunes when it begins'
);
like(
	sql_value(
		$node,
		q(EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT count(*) FROM (SELECT date '2023-05-05' + i AS d FROM generate_series(1, 2) i) x,
		LATERAL (SELECT * FROM visits v WHERE v.day = x.d AND v.patient <> 'p1' OFFSET 0) y)
	),
	qr/visits_2024.*never executed/,
	'a join prunes while it runs'
);
like(
	sql_value(
		$node,
		q(SET enable_partitionwise_aggregate = on; EXPLAIN SELECT day, patient::text, count(*) FROM visits GROUP BY day, patient)
	),
	qr/Append.*HashAggregate.*HashAggregate/s,
	'aggregates by partition'
);

done_testing();
