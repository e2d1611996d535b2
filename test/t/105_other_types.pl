# Equality of a searchable column with values of another type, and with long lists: as on plain columns, and by tokens.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main',
	conf => "jit = off\nmax_parallel_workers_per_gather = 0\ntimezone = 'America/Sao_Paulo'");
keyring_db($node);

my %base = (
	small => 'smallint',
	whole => 'integer',
	large => 'bigint',
	rough => 'real',
	fine => 'double precision',
	exact => 'numeric',
	day => 'date',
	stamp => 'timestamp',
	moment => 'timestamptz'
);
my @columns = sort keys %base;
my %sealed = map { $_ => 'encrypted_' . ($base{$_} =~ s/ precision//r) } @columns;
my %definition = (
	plain => join(', ', map { "$_ $base{$_}" } @columns),
	sealed => join(', ', map { "$_ $sealed{$_}(searchable)" } @columns),
	random => join(', ', map { "$_ $sealed{$_}" } @columns)
);

# Rows at the ends of types, with fractions, and in the hours in which clocks are changed: on 2018-11-04 there is no midnight.
my @numbers = (
	0, 1, -1, 42, 32767, -32768, map({ "$_" } 2147483647, -2147483648, 16777216, 16777217, 9007199254740993),
	'9223372036854775807', '-9223372036854775808'
);
my @fractions = qw(0 -0 1 0.5 0.1 42 1e30 NaN Infinity -Infinity 16777216);
my @days =
  qw(2018-11-03 2018-11-04 2018-11-05 2018-02-17 2018-02-18 2000-01-01 1999-12-31 infinity -infinity 294276-12-31);
my @times = (
	'2018-11-04 00:30', '2018-11-04 01:00', '2018-11-04', '2018-02-17 23:30',
	'1999-12-31 23:59:59.999999', 'infinity', '2000-01-01', '1999-12-31',
	'2018-11-03'
);

my %values = (
	small => [ grep { abs $_ <= 32768 && $_ < 32768 } @numbers ],
	whole => [ grep { abs $_ <= 2147483648 && $_ < 2147483648 } @numbers ],
	large => \@numbers,
	rough => \@fractions,
	fine => [ @fractions, '16777217', '1e300', '9007199254740993' ],
	exact => [ grep({ !/Inf|-0/ } @fractions), @numbers, '1.50' ],
	day => \@days,
	stamp => [ @times, '-infinity' ],
	moment => [ map({ "$_" } @times), '2018-02-17 23:30-02', '2018-02-17 23:30-03', '-infinity' ]
);
for my $table (sort keys %definition)
{
	sql_ok(
		$node,
		join(
			';',
			"CREATE TABLE $table (id serial, $definition{$table})",
			"INSERT INTO $table DEFAULT VALUES",
			map({
					my $c = $_;
					map { "INSERT INTO $table ($c) VALUES ('$_')" } @{ $values{$c} }
			} @columns),
			$table eq 'random' ? () : map({ "CREATE INDEX ON $table ($_)" } @columns),
			"VACUUM ANALYZE $table"
		),
		"table: $table"
	);
}

# Each column with operands of each other type of its kind, and of its own.
my %operands = (
	smallint => [qw(0 1 42 -32768)],
	integer => [qw(42 32767 32768 -32769 16777217)],
	bigint => [qw(42 -1 32768 3000000000 16777217 9007199254740993 -9223372036854775808)],
	real => [qw(42 0.5 0.1 -0 1e10 NaN Infinity 16777217)],
	'double precision' =>
	  [qw(42 0.5 0.1 -0 1e10 1e300 1e-300 NaN -Infinity 32767 2147483648 16777217 9223372036854775807)],
	numeric => [qw(42 42.0 1.5 0.1 -32768 2147483648 9223372036854775807 9223372036854775808 1e40 NaN 16777217 0)],
	date => [qw(2018-11-04 2018-11-03 2018-02-18 2000-01-01 infinity 294277-01-01 5000000-01-01)],
	timestamp => [
		'2018-11-04', '2018-11-04 00:30', '2000-01-01', '1999-12-31 23:59:59.999999',
		'infinity', '-infinity', '2018-11-03 12:00'
	],
	timestamptz => [ '2018-11-04', '2018-11-04 00:30', '2018-02-17 23:30-03', '2000-01-01', 'infinity' ]
);
my %temporal = map { $_ => 1 } qw(day stamp moment date timestamp timestamptz);
my @cases;
for my $column (@columns)
{
	for my $type (sort keys %operands)
	{
		next if !$temporal{$column} != !$temporal{$type};
		push @cases, map { [ $column, "'$_'::$type", $type ] } @{ $operands{$type} };
		push @cases, [ $column, "NULL::$type", $type ];
	}
}

# One line for each case: all answers, and the rows that they find.
sub query_of
{
	my ($c, $v, $table) = @_;

	# for IN PostgreSQL makes both one type: a real of what was compared in double precision, a timestamp where there is none
	my $list = $c eq 'rough' || $v =~ /29427|5000000/ ? "= ANY (ARRAY[$v, $v])" : "IN ($v, $v)";
	my @answers = (
		"$c = $v",
		"$v = $c",
		"$c <> $v",
		"NOT $c = $v",
		"$c IS DISTINCT FROM $v",
		"$c = ANY (ARRAY[$v, NULL])",
		"$c <> ALL (ARRAY[$v, $v])",
		"$c $list",
		"NOT $c $list"
	);
	my $answers = join ', ', map { "coalesce(($_)::text, '-')" } @answers;
	my $found = join ', ', map { "(SELECT count(*) FROM $table WHERE $_)" } @answers[ 0, 2, 5, 6, 7 ];
	return
	  "SELECT md5(string_agg(concat($answers), ',' ORDER BY id)), $found, count(*) FILTER (WHERE $c = $v) FROM $table;";
}

sub answers_of
{
	my ($table, $settings) = @_;
	return split /\n/, sql_value($node, $settings . join "\n", map { query_of(@$_[ 0, 1 ], $table) } @cases);
}

my @expected = answers_of('plain', '');
is(scalar @expected, scalar @cases, 'answers of the plain table');
for my $how (
	[ sealed => '' ],
	[ sealed => 'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;' ],
	[ random => '' ]
  )
{
	my @got = answers_of(@$how);
	my @different = grep { ($got[$_] // '') ne $expected[$_] } 0 .. $#cases;
	is(scalar @different, 0, "as on a plain table: @$how")
	  or diag map { "$cases[$_][0] and $cases[$_][1]\n" } @different;
}

# The pairs that are decided by tokens: with an index, and opening nothing, in custom and generic plans.
my %by_token = (
	small => [ qw(integer bigint numeric real), 'double precision' ],
	whole => [ qw(smallint bigint numeric real), 'double precision' ],
	large => [qw(smallint integer numeric)],
	rough => [ qw(smallint integer bigint numeric), 'double precision' ],
	fine => [qw(smallint integer bigint numeric real)],
	exact => [qw(smallint integer bigint)],
	day => ['timestamp'],
	stamp => ['date'],
	moment => [qw(date timestamp)]
);
my $setup = 'SET enable_seqscan = off; SET enable_indexonlyscan = off;';
my $opened = "SELECT 'opened ' || value FROM keyring_stats WHERE name = 'values_opened';";
for my $column (sort keys %by_token)
{
	my @told;
	for my $type (@{ $by_token{$column} })
	{
		my $v = $operands{$type}[0];
		push @told,
		  sql_value($node,
				"$setup EXPLAIN (COSTS OFF) SELECT FROM sealed WHERE $column = '$v'::$type;"
			  . "EXPLAIN (COSTS OFF) SELECT FROM sealed WHERE $column IN ('$v'::$type, NULL);"
			  . "EXPLAIN (COSTS OFF) SELECT FROM sealed WHERE '$v'::$type = $column;"
			  . "SET plan_cache_mode = force_generic_plan; PREPARE p ($type) AS SELECT FROM sealed WHERE $column = \$1;"
			  . "PREPARE q ($type\[]) AS SELECT FROM sealed WHERE $column = ANY (\$1);"
			  . "EXPLAIN (COSTS OFF) EXECUTE p ('$v'); EXPLAIN (COSTS OFF) EXECUTE q ('{$v}');"
			  . "$opened SELECT count(*) FROM sealed WHERE $column = '$v'::$type AND $column <> ALL ('{}'::$type\[]);"
			  . "EXECUTE p ('$v'); EXECUTE q ('{$v}'); $opened");
		my @conditions = $told[-1] =~ /Index Cond/g;
		is(scalar @conditions, 5, "an index serves $column and $type") or diag $told[-1];
		my ($before, $after) = $told[-1] =~ /opened (\d+)/g;
		is($after, $before, "no value is opened: $column and $type");
	}
}

# What is not converted without loss stays a comparison of opened values, but opens once for a whole array.
my $stats = "SELECT value FROM keyring_stats WHERE name = 'values_opened'";
for my $condition (
	"fine = ANY ('{1.5,2.5,3.5}'::numeric[])",
	"large = ANY ('{1.5,2.5,3.5}'::double precision[])",
	"whole = ANY ('{1,2,3}'::bigint[])",
	"exact <> ALL ('{1.5,2.5,3.5}'::real[])",
	"moment = ANY ('{2000-01-01,2001-01-01}'::date[])"
  )
{
	my $before = sql_value($node, $stats);
	sql_value($node, "SELECT count(*) FROM random WHERE $condition");
	cmp_ok(sql_value($node, $stats) - $before, '<=', 25, "each value is opened once: $condition");
}

# The moment of a day depends on the time zone of the session, also within a statement.
sql_ok($node, "INSERT INTO sealed (id, moment) VALUES (1000, '2018-06-01 12:00+00'), (1001, '2018-06-01 12:00-03')",
	'two moments');
for my $v (map { "= ANY ('{" . join(',', ('2018-06-01 12:00') x $_) . "}'::timestamp[])" } 1, 9)
{
	sql_is(
		$node,
		"SELECT (SELECT string_agg(id::text, ',') FROM sealed WHERE moment $v AND zone <> '') FROM (SELECT set_config('timezone', z, false) AS zone
		FROM unnest('{UTC,America/Sao_Paulo,UTC}'::text[]) z OFFSET 0) s",
		"1000\n1001\n1000",
		"a timestamp is the moment that it is in the time zone: $v"
	);
}

# Whoever may not read is not answered.
sql_ok($node, 'CREATE ROLE clerk; GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk', 'a role that is no reader');
for my $condition ('whole = 42::bigint', "whole = ANY ('{42,43}'::bigint[])", "day = timestamp '2018-11-04'")
{
	sql_fails($node, "SET keyring.require_reader = on; SET ROLE clerk; SELECT count(*) FROM sealed WHERE $condition",
		'KR008', qr/clerk/, "for readers: $condition");
}
sql_fails(
	$node, "SELECT keyring_integer_fitting('x'::text)",
	'42804',
	qr/Use the operators/,
	'the function of an operand with a type that it does not know'
);

# Views, joins, partial rows, updates.
sql_ok(
	$node,
	'CREATE VIEW seen AS SELECT id, whole AS w FROM sealed; CREATE TABLE longs AS SELECT 42::bigint AS l UNION SELECT 43',
	'a view and a table of bigint'
);
like(sql_value($node, "$setup EXPLAIN SELECT FROM seen WHERE w = 42::bigint"), qr/Index Cond/,
	'an index serves a view');
like(
	sql_value(
		$node,
		"$setup SET enable_hashjoin = off; SET enable_mergejoin = off; EXPLAIN SELECT FROM longs JOIN sealed ON whole = l"
	),
	qr/Index Cond: \(whole = .*longs\.l/,
	'an index serves a join with bigint'
);
sql_is($node, 'SELECT count(*) FROM longs JOIN sealed ON whole = l', 1, 'a join with bigint');
sql_is(
	$node,
	'WITH u AS (UPDATE sealed SET small = small WHERE whole = 42::numeric RETURNING whole) SELECT whole::integer FROM u',
	42,
	'an update'
);
sql_ok(
	$node,
	'CREATE VIEW both_of AS SELECT whole AS w FROM sealed UNION ALL SELECT whole FROM sealed WHERE id > 5',
	'a view of two queries'
);
like(
	sql_value($node, "$setup EXPLAIN SELECT FROM both_of WHERE w = 42::bigint"),
	qr/Index Cond.*Index Cond/s,
	'an index serves each query of a view'
);
sql_is(
	$node,
	join(
		' UNION ALL ',
		map {
			"SELECT count(*) FROM (SELECT whole::encrypted_integer(searchable) AS x FROM random OFFSET 0) p WHERE x = $_"
		} '42::bigint',
		'3000000000',
		'0::bigint'
	),
	"1\n0\n1",
	'values of an expression'
);
sql_is($node, 'SELECT NULLIF(whole, 42::bigint) IS NULL FROM sealed WHERE whole = 42', 't', 'NULLIF');

# --- Lists. ---

sql_ok(
	$node,
	q(CREATE TABLE plain_list (id integer, s text, n integer);
	CREATE TABLE sealed_list (id integer, s encrypted_text(searchable), n encrypted_integer(searchable));
	INSERT INTO plain_list SELECT i, CASE WHEN i % 7 > 0 THEN 'v' || i % 100 END, i % 100 FROM generate_series(1, 1000) i;
	INSERT INTO sealed_list SELECT * FROM plain_list;
	ANALYZE plain_list, sealed_list),
	'tables for lists'
);

sub list
{
	my ($count, $form) = @_;
	return join ', ', map { sprintf $form, $_ } 1 .. $count;
}

# The cost tells whether PostgreSQL hashes: with nine elements a row costs one look, with eight half of the comparisons.
sub total_cost
{
	my ($query) = @_;
	return (sql_value($node, $query) =~ /\.\.([\d.]+) rows/)[0];
}
my $explain = 'EXPLAIN SELECT FROM sealed_list WHERE';
for my $list (
	[ 's IN' => sub { "($_[0])" }, "'v%d'" ],
	[ 's NOT IN' => sub { "($_[0])" }, "'v%d'" ],
	[ 's = ANY' => sub { "(ARRAY[$_[0]])" }, "'v%d'::text" ],
	[ 'n IN' => sub { "($_[0])" }, '%d' ],
	[ 'n <> ALL' => sub { "(ARRAY[$_[0]])" }, '%d::bigint' ],
	[ 'n = ANY' => sub { "(ARRAY[$_[0]])" }, '%d::smallint' ]
  )
{
	my ($what, $written, $form) = @$list;
	my ($short, $long) = map { total_cost("$explain $what " . $written->(list($_, $form))) } 8, 9;
	cmp_ok($long, '<', $short - 1, "nine elements are hashed: $what, $form");
	my ($plain, $sealed) =
	  map {
		my $table = $_;
		join ';', map { sql_value($node, "SELECT count(*), sum(id) FROM $table WHERE $what $_") }
		  map { $written->($_) } list(9, $form), list(60, $form),
		  list(9, $form)
		  . ', NULL'
	  } qw(plain_list sealed_list);
	is($sealed, $plain, "as on a plain table: $what, $form");

	# what has to live as long as the executor's hash table lay where the next row's values go
	($plain, $sealed) =
	  map {
		sql_value($node,
			"SELECT count(*) FROM $_ WHERE CASE WHEN repeat('x', 20 * (id % 300)) || id <> '' THEN $what "
			  . $written->(list(40, $form)) . ' END')
	  } qw(plain_list sealed_list);
	is($sealed, $plain, "beside values that take memory for each row: $what, $form");
}

# = ALL and <> ANY are not answered by one look.
for my $condition ('s = ALL', 's <> ANY')
{
	my ($plain, $sealed) =
	  map { sql_value($node, "SELECT count(*) FROM $_ WHERE $condition (ARRAY[" . list(9, "'v%d'") . '])') }
	  qw(plain_list sealed_list);
	is($sealed, $plain, "as on a plain table: $condition");
}

# A plan for the values of its parameters hashes, a generic one cannot, and the next value is looked up in a table of its own.
my $array = '{' . list(9, 'v%d') . '}';
my $prepare = 'PREPARE p (text[]) AS SELECT count(*) FROM sealed_list WHERE s = ANY ($1)';
my ($custom, $generic) =
  map { total_cost("SET plan_cache_mode = $_; $prepare; EXPLAIN EXECUTE p ('$array')") }
  qw(force_custom_plan force_generic_plan);
cmp_ok($custom, '<', $generic - 1, 'a parameter is hashed where its value is known');
for my $mode (qw(force_custom_plan force_generic_plan))
{
	sql_is(
		$node,
		"SET plan_cache_mode = $mode; $prepare; EXECUTE p ('$array'); EXECUTE p ('{v91,v92,v93,v94,v95,v96,v97,v98,v99}'); EXECUTE p (NULL); EXECUTE p ('{}')",
		"78\n77\n0\n0",
		"each value of a parameter has its own answer: $mode"
	);
}
sql_is(
	$node,
	q(DO $$
	DECLARE a text[]; n bigint; told text := '';
	BEGIN
		FOR i IN 0..2 LOOP
			a := ARRAY(SELECT 'v' || j FROM generate_series(10 * i + 1, 10 * i + 9 + i) j);
			SELECT count(*) INTO n FROM sealed_list WHERE s = ANY (a);
			told := told || n || ',';
			SELECT count(*) INTO n FROM plain_list WHERE s = ANY (a);
			told := told || n || ';';
		END LOOP;
		PERFORM set_config('test.told', told, false);
	END $$; SELECT split_part(t, ',', 1) = split_part(t, ',', 2) FROM unnest(string_to_array(rtrim(current_setting('test.told'), ';'), ';')) t),
	"t\nt\nt",
	'in PL/pgSQL'
);

done_testing();
