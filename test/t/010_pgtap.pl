# Runs each test/pgtap/*.sql in a database of its own, with keyring, a primary key and pgTAP in it.
# Every assertion of theirs is a test here.
use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename);
use KeyringTest;

# Feeds pgTAP's output to Test::More. Returns how many assertions there were, and the plan.
sub relay
{
	my ($name, $output) = @_;
	my ($ran, $plan) = (0, -1);
	for my $line (split /\n/, $output)
	{
		if ($line =~ /^(not )?ok \d+(?: - (.*))?/)
		{
			ok(!$1, "$name: " . ($2 // ''));
			$ran++;
		}
		elsif ($line =~ /^1\.\.(\d+)/)
		{
			$plan = $1;
		}
		elsif ($line =~ /\S/)
		{
			diag("$name: $line");
		}
	}
	return ($ran, $plan);
}

my @files = sort glob('test/pgtap/*.sql');
ok(@files > 0, 'there are pgTAP files');

my $node = KeyringTest->new_node('pgtap');
for my $file (@files)
{
	my $name = basename($file, '.sql');
	my $db = keyring_db($node, $name);
	sql_ok($node, 'CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap', "$name: pgTAP is there", db => $db);

	my ($stdout, $stderr);
	my $status = $node->psql(
		$db, "SET search_path = public, tap;\n" . slurp_file($file),
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 1
	);
	my ($ran, $plan) = relay($name, $stdout);
	is($status, 0, "$name: runs to its end") or diag($stderr);
	is($ran, $plan, "$name: as many assertions as planned");
}

done_testing();
