# pg_stat_statements beside native types, in either order of preloading: one entry for each statement, without its literals.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

chomp(my $sharedir = `pg_config --sharedir`);
plan skip_all => 'pg_stat_statements is not installed' unless -e "$sharedir/extension/pg_stat_statements.control";

my $node = KeyringTest->new_node('main');
my @statements = (
	q(SELECT v FROM t WHERE v = 'secret %d'),
	q(SELECT v FROM t WHERE v <> 'secret %d' ORDER BY v),
	q(SELECT DISTINCT v FROM t WHERE id = %d),
	q(WITH u AS (UPDATE t SET v = 'secret %d' RETURNING v) SELECT v FROM u ORDER BY v),
	q(UPDATE t SET v = 'secret %d' RETURNING v)
);

for my $order ('keyring, pg_stat_statements', 'pg_stat_statements, keyring')
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$order'");
	$node->restart;
	if ($order =~ /^keyring/)
	{
		keyring_db($node);
		sql_ok(
			$node,
			'CREATE EXTENSION pg_stat_statements; CREATE TABLE t (id integer, v encrypted_text(searchable)); CREATE TABLE plain (id integer, v text)',
			'a table'
		);
		sql_ok($node, q(INSERT INTO t VALUES (1, 'one'), (2, 'two')), 'and rows');
	}
	my $wire = KeyringWire->new($node);
	for my $statement (@statements)
	{
		my $pattern = $statement =~ s/'secret %d'|%d/\$%/gr;
		$wire->query('SELECT pg_stat_statements_reset()');
		my @types = map { @{ $wire->query(sprintf $statement, $_)->{columns} } } 1, 2;
		is(join(' ', map { $_->{type} } @types), '25 25', "$order: base types: $statement");
		my $entries = $wire->query(
			qq(SELECT calls, query LIKE '$pattern' FROM pg_stat_statements WHERE query LIKE '% t %' AND query NOT LIKE '%LIKE%')
		);
		is_deeply($entries->{rows}, [ [ 2, 't' ] ], "$order: one entry: $statement");
		my $shown = $wire->query(q(SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%secret _'''));
		is($shown->{rows}[0][0], 0, "$order: no literal: $statement");
	}
	prepared($order);
	$wire->close;
}

# Prepared by a client, by PREPARE and as a literal, executed before and after plans are invalidated: as many entries and calls as
# on a plain table.
sub prepared
{
	my ($order) = @_;
	my %entries;
	for my $table (qw(plain t))
	{
		my @queries = map { s/\bT\b/$table/gr } (
			'SELECT id FROM T WHERE v = $1',
			q(SELECT v FROM T WHERE v IN ($1, 'secret 0')),
			'UPDATE T SET v = $1 WHERE id = 1',
			'SELECT id, COALESCE(v, $1) FROM T ORDER BY v LIMIT 1',
			'SELECT id FROM T WHERE v = ANY (ARRAY[$1])',
			'WITH x AS (INSERT INTO T VALUES (9, $1) RETURNING v) SELECT v FROM x'
		);
		my $client = KeyringWire->new($node);
		$client->query('SELECT pg_stat_statements_reset()');
		for my $round (1, 2)
		{
			for my $number (0 .. $#queries)
			{
				my $query = $queries[$number];
				if ($round == 1)
				{
					$client->prepare("client$number", $query);
					$client->query("PREPARE sql$number AS $query");
				}
				$client->execute("client$number", parameters => ['secret 1']);
				$client->query("EXECUTE sql$number ('secret 2')");
				$client->query($query =~ s/\$1/'secret 3'/r);
			}
			sql_value($node, "ALTER TABLE $table ALTER v SET STATISTICS 1$round");
		}
		my $told = $client->query(
			"SELECT string_agg(calls || ' ' || query, E'\\n' ORDER BY query, calls) FROM pg_stat_statements WHERE query ~ ' $table ' AND query !~ 'ALTER|stat_st'"
		);
		$entries{$table} = $told->{rows}[0][0] =~ s/\b$table\b/T/gr;
		$client->close;
	}
	is($entries{t}, $entries{plain}, "$order: as many entries as on a plain table, after plans were invalidated, too");
	like($entries{plain}, qr/^4 SELECT id FROM T WHERE v = \$1$/m, "$order: one for all that is prepared");
	unlike($entries{t}, qr/secret/, "$order: none shows a literal");
	return;
}
done_testing();
