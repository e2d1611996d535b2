# Arithmetic and comparison of encrypted numbers with every other type of number, plain and encrypted: the same
# results, of the same type, and the same errors as on plain columns.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main');
keyring_db($node);
my %types = (
	s => [ 'smallint', 'smallint' ],
	i => [ 'integer', 'integer' ],
	l => [ 'bigint', 'bigint' ],
	r => [ 'real', 'real' ],
	d => [ 'double precision', 'double' ],
	n => [ 'numeric', 'numeric' ]
);
my @columns = sort keys %types;
my $plain = join ', ', map { "$_ $types{$_}[0]" } @columns;
my %mode = (searchable => 'e', randomized => 'r');
sql_ok(
	$node,
	"CREATE TABLE p ($plain); INSERT INTO p (@{[ join ', ', @columns ]}) SELECT x + 0.25, x, x, x + 0.5, x, x FROM (VALUES (1), (-2), (3)) v (x)",
	'plain'
);

for my $mode (sort keys %mode)
{
	my $sealed = join ', ', map { "$_ encrypted_$types{$_}[1]($mode)" } @columns;
	sql_ok($node, "CREATE TABLE $mode{$mode} ($sealed); INSERT INTO $mode{$mode} SELECT * FROM p", $mode);
}

# One query tells for each combination what it gives, or how it fails.
sql_ok(
	$node, q(
	CREATE FUNCTION outcome(expression text, a text, b text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY x::text) || '' '' || min(pg_typeof(x)::text) FROM (SELECT %s AS x FROM %s a, %s b) y',
			expression, a, b) INTO result;
		RETURN result;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$), 'a function'
);
my @operators = qw(+ - * / % = <> < <= > >=);
for my $forms ('e p', 'p e', 'e e', 'r p', 'p r', 'r e')
{
	my ($a, $b) = split ' ', $forms;
	for my $left (@columns)
	{
		my @expressions = map {
			my $right = $_;
			map { "a.$left $_ b.$right" } @operators
		} @columns;
		my $list = join ', ', map { "('$_')" } @expressions;
		sql_is(
			$node,
			"SELECT x, outcome(x, 'p', 'p'), outcome(x, '$a', '$b') FROM (VALUES $list) v (x) WHERE outcome(x, 'p', 'p') IS DISTINCT FROM outcome(x, '$a', '$b')",
			'',
			"$left with each type and operator, as $a and $b"
		);
	}
}

# A narrower plain type does not keep a searchable column from its index.
sql_ok($node, 'CREATE INDEX ON e (l); CREATE INDEX ON e (n)', 'indexes');
for my $condition (
	'l = 1', 'l = 1::smallint',
	'1 = l', 'l = ANY (ARRAY[1, 3])',
	'n = 1',
	'n = 1.25::numeric',
	'n = 3::bigint'
  )
{
	like(sql_value($node, "SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT 1 FROM e WHERE $condition"),
		qr/Index Cond/, "index: $condition");
	sql_is(
		$node,
		"SET enable_seqscan = off; SELECT count(*) FROM e WHERE $condition",
		sql_value($node, "SELECT count(*) FROM p WHERE $condition"),
		"rows: $condition"
	);
}
done_testing();
