# README.md: its SQL runs in order, its EXPLAIN and the errors that it announces are what the server says, and its commands for
# dumps restore what they say. The customer's key of the tour is one of the test KMS.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;

my $text = slurp_file('README.md');
my $kms = KmsServer->start;
my ($resource) = $text =~ /keyring_create_key\('gcp-kms', '([^']+)'\)/;
$kms->grant($kms->create_key($resource));
my $node = KeyringTest->new_node('main', conf => $kms->settings);
sql_ok($node, 'CREATE DATABASE clinic');
sql_ok($node, 'CREATE ROLE security_officer; CREATE ROLE application', 'roles that the page presumes');

# psql goes on after an error here: the page shows some.
sub run_sql
{
	my ($block) = @_;
	my ($out, $err);

	$node->psql('clinic', $block, stdout => \$out, stderr => \$err, on_error_stop => 0);
	my @errors = $err =~ /^.*?ERROR:  .*$/mg;
	my $announced = () = $block =~ /-- ERROR: /g;

	is(scalar @errors, $announced, 'errors that are announced: ' . substr($block, 0, 60)) or diag $err;
	for my $promise ($block =~ /-- ERROR: (.*?) …$/mg)
	{
		like($err, qr/ERROR:  \Q$promise\E/, "as announced: $promise");
	}
	for my $line ($block =~ /^-- (Index .*|  Index .*)$/mg)
	{
		like($out, qr/^\s*\Q$line\E$/m, "as shown: $line");
	}
	return;
}

sub run_shell
{
	my ($block) = @_;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my $folder = PostgreSQL::Test::Utils::tempdir();

	is(system('bash', '-ec', "cd '$folder'; $block"), 0, 'runs: ' . substr($block, 0, 60));
	return;
}

my ($sql_blocks, $dumps) = (0, 0);
while ($text =~ /^```(\w*)\n(.*?)^```$/msg)
{
	my ($kind, $block) = ($1, $2);

	# The first one shows what is to come, before the extension is there.
	next if $block =~ /^SELECT keyring_create_key\(\);/;

	# The page says that a dumping role must be a reader then; here it is none.
	sql_ok($node, 'ALTER DATABASE clinic RESET keyring.require_reader') if $block =~ /pg_dump/;
	if ($kind eq 'sql') { run_sql($block); $sql_blocks++ }
	elsif ($block =~ /pg_dump/)
	{
		run_shell($block);
		$dumps++;
	}
}
cmp_ok($sql_blocks, '>=', 10, 'there are blocks of SQL');
is($dumps, 2, 'two kinds of dump');
my $rows = 'SELECT id, name, ssn FROM patients ORDER BY id';
is(sql_value($node, $rows, db => $_), sql_value($node, $rows, db => 'clinic'), "$_ holds what was dumped")
  for qw(clinic2 clinic3);
done_testing();
