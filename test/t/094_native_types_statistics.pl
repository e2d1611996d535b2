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
		sql_ok($node, 'CREATE EXTENSION pg_stat_statements; CREATE TABLE t (id integer, v encrypted_text(searchable))',
			'a table');
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
	$wire->close;
}
done_testing();
