# Indexes and constraints on searchable columns of each type: btree and hash indexes serve equality in every form of the operand and
# every kind of plan, joins by each method agree, and constraints hold.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\ntimezone = 'UTC'");
keyring_db($node);

# The value of row i.
my %value = (
	text => q('value ' || i),
	bytea => q(decode(lpad(to_hex(i), 8, '0'), 'hex')),
	boolean => q(i % 2 = 0),
	smallint => q(i::smallint),
	integer => q(i * 65536),
	bigint => q(i * 5000000000),
	real => q((i / 4.0)::real),
	'double precision' => q((i / 10.0)::float8),
	numeric => q(i / 8.0),
	date => q(date '1999-12-31' + i),
	time => q(time '00:00' + i * interval '1 second'),
	timestamp => q(timestamp '1999-12-31' + i * interval '1 hour'),
	timestamptz => q(timestamptz '1999-12-31' + i * interval '1 hour'),
	interval => q(i * interval '12 hours'),
	uuid => q(lpad(to_hex(i), 32, '0')::uuid),
	inet => q(inet '10.0.0.0' + i),
	jsonb => q(jsonb_build_object('number', i))
);

sql_ok(
	$node, q(
	CREATE EXTENSION amcheck;
	CREATE FUNCTION plan(query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		line text;
		result text := '';
	BEGIN
		FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
			result := result || trim(line) || '; ';
		END LOOP;
		RETURN result;
	END $$;
	CREATE FUNCTION outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE query INTO result;
		RETURN coalesce(result, 'NULL');
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$), 'helpers'
);

# Runs all of a type's queries in one session: for each its name, then its plan and its outcome.
sub answers
{
	my ($setup, @queries) = @_;
	my $sql = "$setup;\n" . join '', map {
		my ($name, $settings, $query) = @$_;
		"$settings;\nSELECT to_json(plan(\$q\$$query\$q\$)), outcome(\$q\$$query\$q\$);\nRESET ALL;\n"
	} @queries;
	return map { [/^(.*)\|(.*)$/] } split /\n/, sql_value($node, "SET client_min_messages = warning;\n$sql");
}

my $only_index = 'SET enable_seqscan = off';

# Queries for the row of this literal: what finds it through an index on column v of a table.
sub lookups
{
	my ($table, $type, $literal) = @_;
	my @forms = (
		[ 'a literal', "v = $literal" ],
		[ 'a typed literal', "v = CAST($literal AS $type)" ],
		[ 'a literal first', "$literal = v" ],
		[ 'an expression', "v = COALESCE(CAST($literal AS $type), NULL)" ],
		[ 'a subquery', "v = (SELECT p.v FROM p WHERE p.v = $literal)" ],
		[ 'a randomized column', "v = (SELECT r.v FROM r WHERE r.id = 2)" ]
	);
	push @forms, [ 'IN', "v IN ($literal, $literal)" ], [ '= ANY', "v = ANY (ARRAY[$literal]::$type\[])" ]
	  if $table ne 'by_hash';
	my @queries = map { [ "$table, $_->[0]", $only_index, "SELECT id FROM $table WHERE $_->[1]" ] } @forms;
	for my $mode (qw(generic custom))
	{
		my $settings = "$only_index; SET plan_cache_mode = force_${mode}_plan";
		push @queries, map { [ "$table, $_, $mode plan", $settings, "EXECUTE $_($literal)" ] } "${table}_untyped",
		  "${table}_typed";
		push @queries, [ "$table, array, $mode plan", $settings, "EXECUTE ${table}_array(ARRAY[$literal]::$type\[])" ]
		  if $table ne 'by_hash';
	}
	return @queries;
}

sub prepared
{
	my ($table, $type) = @_;
	return "PREPARE ${table}_untyped AS SELECT id FROM $table WHERE v = \$1;
		PREPARE ${table}_typed($type) AS SELECT id FROM $table WHERE v = \$1;
		PREPARE ${table}_array($type\[]) AS SELECT id FROM $table WHERE v = ANY (\$1)";
}

sub check_lookups
{
	my ($type, $literal) = @_;
	my @tables = qw(by_btree by_hash);
	my @queries = map { lookups($_, $type, $literal) } @tables;
	my @answers = answers(join('; ', map { prepared($_, $type) } @tables), @queries);
	for my $i (0 .. $#queries)
	{
		my ($plan, $outcome) = @{ $answers[$i] };
		ok($plan =~ /Index Cond: \(v = |Index Cond: \(\(v/ && $outcome eq '2', "$type: $queries[$i][0]")
		  or diag("$plan\n$outcome");
	}
	return;
}

# Joins with the randomized and the plain copy, and of the column with itself, by each method.
sub check_joins
{
	my ($type, $count) = @_;
	my %node = (hashjoin => 'Hash Join', mergejoin => 'Merge Join', nestloop => 'Nested Loop.*Index Cond: ');
	my @queries;
	for my $method (sort keys %node)
	{
		my $settings = join '; ', map { "SET enable_$_ = off" } grep { $_ ne $method } keys %node;
		$settings .= "; $only_index; SET enable_material = off" if $method eq 'nestloop';
		push @queries,
		  [ "$method with $_", $settings, "SELECT count(*) FROM by_btree a JOIN $_ b ON a.v = b.v", $node{$method} ]
		  for qw(by_btree r p);
	}
	my @answers = answers('', @queries);
	for my $i (0 .. $#queries)
	{
		my ($plan, $outcome) = @{ $answers[$i] };
		ok($plan =~ $queries[$i][3] && $outcome eq $count, "$type: $queries[$i][0]") or diag("$plan\n$outcome");
	}
	return;
}

sub check_constraints
{
	my ($type, $literal, $other) = @_;
	my @cases = (
		[ 'PRIMARY KEY', "INSERT INTO constrained (id, k) VALUES (50, $literal)", '23505' ],
		[ 'UNIQUE', "INSERT INTO constrained (id, k, u) VALUES (50, $other, $literal)", '23505' ],
		[ 'EXCLUDE USING hash', "INSERT INTO constrained (id, k, x) VALUES (50, $other, $literal)", '23P01' ],
		[ 'FOREIGN KEY', "INSERT INTO referring VALUES ($other)", '23503' ],
		[ 'FOREIGN KEY of a key that is there', "INSERT INTO referring VALUES ($literal) RETURNING 'in'", 'in' ],
		[ 'a key that is referred to', "DELETE FROM constrained WHERE k = $literal", '23503' ],
		[
			'ON CONFLICT (column)',
			"INSERT INTO constrained (id, k, u) VALUES (60, $literal, NULL) ON CONFLICT (k) DO UPDATE SET id = EXCLUDED.id RETURNING id || ' ' || (SELECT count(*) FROM constrained)",
			'60 1'
		],
		[
			'ON CONFLICT ON CONSTRAINT',
			"INSERT INTO constrained (id, k, u) VALUES (70, $other, $literal) ON CONFLICT ON CONSTRAINT constrained_u_key DO UPDATE SET id = EXCLUDED.id RETURNING id",
			'70'
		],
		[
			'ON CONFLICT without a target',
			"WITH i AS (INSERT INTO constrained (id, k, x) VALUES (80, $other, $literal) ON CONFLICT DO NOTHING RETURNING id) SELECT count(*) FROM i",
			'0'
		],
		[
			'DEFERRABLE at once',
			"UPDATE deferred SET v = CASE id WHEN 1 THEN CAST($other AS $type) ELSE $literal END WHERE id IN (1, 2) RETURNING 'swapped'",
			'swapped'
		]
	);
	my @got = split /\n/, sql_value($node, join ";\n", map { "SELECT outcome(\$q\$$_->[1]\$q\$)" } @cases);
	is($got[$_], $cases[$_][2], "$type: $cases[$_][0]") for 0 .. $#cases;
	return sql_fails($node, "BEGIN; INSERT INTO deferred VALUES (3, $literal); COMMIT",
		'23505', qr/deferred_v_key/, "$type: DEFERRABLE at the end");
}

sub check_other_indexes
{
	my ($type, $literal) = @_;
	my @queries = (
		[
			'two columns', $only_index,
			"SELECT id FROM by_two WHERE n = 2 AND v = $literal",
			'by_two_i.*Index Cond: .*n = 2.*v = '
		],
		[
			'two searchable columns',
			$only_index,
			"SELECT id FROM by_two WHERE v = $literal AND w = $literal",
			'by_both_i.*Index Cond: .*v = .*w = '
		],
		[
			'a partial index',
			$only_index,
			"SELECT id FROM by_two WHERE n > 1 AND w = $literal",
			'by_part_i.*Index Cond: .*w = '
		],
		[
			'an index-only scan',
			"$only_index; SET enable_bitmapscan = off",
			"SELECT count(v) FROM by_btree WHERE v = $literal",
			'Index Only Scan'
		]
	);
	my @answers = (
		answers('', $queries[0]),
		answers(
			'DROP INDEX by_two_i; CREATE INDEX by_both_i ON by_two (v, w); CREATE INDEX by_part_i ON by_two (w) WHERE n > 1',
			@queries[ 1 .. $#queries ]
		)
	);
	for my $i (0 .. $#queries)
	{
		my ($plan, $outcome) = @{ $answers[$i] };
		ok($plan =~ $queries[$i][3] && $outcome eq ($i < 3 ? 2 : 1), "$type: $queries[$i][0]")
		  or diag("$plan\n$outcome");
	}
	sql_is(
		$node,
		"SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT v = p2 FROM (SELECT v, (SELECT p.v FROM p WHERE id = 2) FROM by_btree WHERE v = $literal) x (v, p2)",
		't',
		"$type: what an index-only scan returns is the value"
	);
	return sql_is(
		$node,
		q(SELECT count(bt_index_check(c.oid, true)::text), count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
			WHERE amname = 'btree' AND indrelid::regclass::text IN ('by_btree', 'by_two', 'constrained', 'deferred', 'referring')),
		'6|6', "$type: amcheck"
	);
}

for my $type (sort keys %value)
{
	my $count = $type eq 'boolean' ? 2 : 150;
	my ($base) = $type =~ /^(\w+)/;
	my $sealed = "encrypted_$base";
	sql_ok(
		$node, qq(
		DROP TABLE IF EXISTS p, r, by_btree, by_hash, by_two, referring, constrained, deferred;
		CREATE TABLE p AS SELECT i AS id, $value{$type} AS v FROM generate_series(1, $count) i;
		CREATE TABLE r (id integer, v $sealed(randomized)); INSERT INTO r TABLE p;
		CREATE TABLE by_btree (id integer, v $sealed(searchable)); INSERT INTO by_btree TABLE p; CREATE INDEX ON by_btree (v);
		CREATE TABLE by_hash (LIKE by_btree); INSERT INTO by_hash TABLE p; CREATE INDEX ON by_hash USING hash (v);
		CREATE TABLE by_two (id integer, n integer, v $sealed(searchable), w $sealed(searchable));
		INSERT INTO by_two SELECT id, id, v, v FROM p;
		CREATE UNIQUE INDEX by_two_i ON by_two (n, v);
		CREATE TABLE constrained (id integer, k $sealed(searchable) PRIMARY KEY, u $sealed(searchable) UNIQUE, x $sealed(searchable), EXCLUDE USING hash (x WITH =));
		INSERT INTO constrained SELECT id, v, v, v FROM p WHERE id = 2;
		CREATE TABLE referring (v $sealed(searchable) REFERENCES constrained);
		CREATE TABLE deferred (id integer, v $sealed(searchable) UNIQUE DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO deferred TABLE p;
		ANALYZE p, r, by_btree, by_hash, by_two;), "$type: tables"
	);
	sql_ok($node, 'VACUUM by_btree', "$type: vacuum");
	my ($literal, $other) =
	  map { "'$_'" } split /\n/, sql_value($node, 'SELECT v FROM p WHERE id IN (1, 2) ORDER BY id DESC');
	check_lookups($type, $literal);
	check_joins($type, $count);
	check_constraints($type, $literal, $other);
	check_other_indexes($type, $literal);
}

# A plain value that PostgreSQL converts to the column's type does not keep it from its index.
sql_ok(
	$node, q(
	CREATE TABLE moments (stamp encrypted_timestamp(searchable), moment encrypted_timestamptz(searchable));
	INSERT INTO moments SELECT x, x FROM generate_series(timestamp '2024-01-01', '2024-03-01', '1 day') x;
	CREATE INDEX ON moments (stamp); CREATE INDEX ON moments (moment)), 'moments'
);
for my $condition (
	q(stamp = date '2024-02-29'),
	q(date '2024-02-29' = moment),
	q(moment = timestamp '2024-02-29'),
	q(stamp = ANY (ARRAY[date '2024-02-29'])),
	q(moment IN (date '2024-02-29', date '2023-01-01'))
  )
{
	my ($answer) = answers('', [ '', $only_index, "SELECT count(*) FROM moments WHERE $condition" ]);
	ok($answer->[0] =~ /Index Cond/ && $answer->[1] == 1, "an index serves $condition") or diag("@$answer");
}
done_testing();
