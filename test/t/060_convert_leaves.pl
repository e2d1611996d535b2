# What is left in plaintext after keyring_encrypt_column, as doc/columns.md says: nothing in the
# data directory once statistics and catalogs are rewritten, on the primary and on a standby.
use strict;
use warnings FATAL => 'all';

use File::Find;
use KeyringTest;

# Looks for a byte string in every file below these folders of a stopped server; returns the files.
sub files_with
{
	my ($node, $needle, @folders) = @_;
	my @found;

	find(
		sub {
			return unless -f $_ && -s _;
			push @found, $File::Find::name if index(slurp_file($File::Find::name), $needle) >= 0;
		},
		map { $node->data_dir . "/$_" } @folders
	);
	return @found;
}

my $value = 'Zwetschgendatschi';
my $missing = 'Powidltascherl';
my $node = KeyringTest->new_node('main', streaming => 1, conf => 'autovacuum = off');
keyring_db($node);
sql_ok(
	$node, qq(
	CREATE TABLE plain (id integer PRIMARY KEY, c text UNIQUE, other text);
	INSERT INTO plain SELECT i, '$value' || i, repeat('o', 10) FROM generate_series(1, 3000) i;
	INSERT INTO plain SELECT -i, '$value' || (SELECT string_agg(md5(j::text || i), '') FROM generate_series(1, 60) j), 'toast'
		FROM generate_series(1, 20) i;
	ALTER TABLE plain ADD COLUMN late text DEFAULT '$missing';
	ALTER TABLE plain ALTER COLUMN c SET STATISTICS 2;
	ANALYZE plain), 'a table with distinctive values'
);
my $statistics = sql_value($node, "SELECT pg_relation_filepath('pg_statistic')");
my $standby = KeyringTest::new_standby($node, 'standby');

sql_ok($node, 'CHECKPOINT', 'all is on disk');
$node->wait_for_catchup($standby, 'replay');
sql_ok($standby, 'CHECKPOINT', 'on the standby too');
$node->stop;
$standby->stop;
cmp_ok(scalar(files_with($_, $value, 'base')), '>', 0, $_->name . ': the search finds plaintext before')
  for $node, $standby;
cmp_ok(scalar(files_with($node, $missing, 'base')), '>', 0, 'and the default of an added column');
is(scalar(files_with($node, $value, $statistics)), 1, 'and statistics');
$node->start;
$standby->start;

sql_fails($standby, q(SELECT keyring_encrypt_column('plain', 'c')),
	'25006', qr/read-only/, 'a standby converts nothing');
sql_fails($node, q(BEGIN READ ONLY; SELECT keyring_encrypt_column('plain', 'c')),
	'25006', qr/read-only/, 'nor does a read-only transaction');

sql_ok(
	$node, q(
	SELECT keyring_encrypt_column('plain', 'c', searchable => true);
	SELECT keyring_encrypt_column('plain', 'late');
	ALTER TABLE plain ALTER COLUMN late DROP DEFAULT), 'encrypted'
);
sql_ok($node, $_, $_) for 'ANALYZE plain', map { "VACUUM FULL pg_catalog.$_" } qw(pg_statistic pg_attribute pg_attrdef);
sql_is($node, "SELECT count(*) FROM plain WHERE c = '${value}77' AND late = '$missing'",
	'1', 'an equality finds the value');
sql_is($node, 'SELECT value_count FROM keyring_census() ORDER BY 1', "3020\n3020", 'every value is sealed');

sql_ok($node, 'CHECKPOINT', 'all is on disk again');
$node->wait_for_catchup($standby, 'replay');
sql_ok($standby, 'CHECKPOINT', 'on the standby too');
sql_is($standby, "SELECT count(*) FROM plain WHERE c = '${value}77'", '1', 'the standby reads the values');
$node->stop;
$standby->stop;

# names of types and functions stand in the catalogs; values do not
for my $needle ($value, $missing)
{
	is(join("\n", files_with($_, $needle, 'base', 'global')), '', $_->name . ": no $needle in the data directory")
	  for $node, $standby;
}
done_testing();
