# What a lookup by equality costs to plan: as much as on plain columns, for the planner need not ask what an operand costs that stays
# the same. And literals, few or many in a statement, become values of their columns.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main', conf => 'log_statement = none');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE plain (id integer, s text);
	CREATE TABLE sealed (id integer, s encrypted_text(searchable));
	INSERT INTO plain SELECT i, 'value ' || i FROM generate_series(1, 1000) i;
	INSERT INTO sealed SELECT * FROM plain;
	CREATE INDEX ON plain (s);
	CREATE INDEX ON sealed (s);
	VACUUM ANALYZE plain, sealed), 'tables'
);
my $wire = KeyringWire->new($node);

sub rows
{
	my ($answer) = @_;
	return $answer->{error}{message} // join '; ', map { join ',', @$_ } @{ $answer->{rows} };
}

# Startup and total cost of a plan.
sub costs
{
	my ($sql) = @_;
	return (rows($wire->query("EXPLAIN $sql")) =~ /\(cost=([\d.]+)\.\.([\d.]+) /)[ 0, 1 ];
}

for my $condition ("s = 'value 7'", "'value 7' = s", "s = 'value 7'::varchar")
{
	my @plain = costs("SELECT id FROM plain WHERE $condition");
	my @sealed = costs("SELECT id FROM sealed WHERE $condition");
	cmp_ok($sealed[$_] - $plain[$_],
		'<', 0.05, "$condition: the " . qw(startup total) [$_] . ' cost is the one on plain columns')
	  for 0, 1;
	is(rows($wire->query("SELECT id FROM sealed WHERE $condition")), 7, "$condition: the row");
}

# The mark is the planner hook's: whoever calls the function gets a value.
is(rows($wire->query("SELECT keyring_text_compared('x')::text")), 'x', 'what the function gives is a whole value');
is(rows($wire->query(q(INSERT INTO sealed SELECT 2000, keyring_text_compared('called') RETURNING s))),
	'called', 'and one that can be stored');

sub counts
{
	my %value = map { @$_ } @{ $wire->query('SELECT name, value FROM keyring_stats')->{rows} };
	return @value{qw(values_opened values_sealed tokens_computed)};
}

# Statements with more and more literals, twice each: what one has left must not be found by the next.
for my $count (1, 2, 31, 33, 300, 5000)
{
	for my $time ('first', 'second')
	{
		my @values = map { "$time literal $_ of $count" } 1 .. $count;
		my @before = counts();
		my $answer = $wire->query('INSERT INTO sealed (s) VALUES ' . join ', ', map { "('$_')" } @values);
		my @after = counts();
		is($answer->{error}{message} // $answer->{tags}[0], "INSERT 0 $count", "$count literals, $time");
		is(
			"@{[ map { $after[$_] - $before[$_] } 0 .. 2 ]}",
			"0 $count $count",
			"$count literals, $time: nothing is sealed twice"
		);
		is(
			rows(
				$wire->query(
					"SELECT count(DISTINCT s), min(s) FROM sealed WHERE id IS NULL AND s LIKE '$time literal %'")
			),
			"$count,$time literal 1 of $count",
			"$count literals, $time: the values"
		);
	}
	$wire->query('DELETE FROM sealed WHERE id IS NULL');
}

done_testing();
