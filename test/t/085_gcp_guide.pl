# doc/gcp-kms.md: its SQL runs in order against the test KMS, its settings exist, its shell lines are shell, and its gcloud
# commands have groups, verbs and flags that gcloud knows.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;

my $kms = KmsServer->start;
my $key = $kms->create_key('projects/customer-project/locations/europe-west3/keyRings/databases/cryptoKeys/acme');
$kms->grant($key);
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
END
keyring_db($node);

my @in_key = qw(keyring location project);
my %gcloud = (
	'iam service-accounts keys create' => [qw(iam-account)],
	'services enable' => [qw(project)],
	'kms keyrings create' => [qw(location project)],
	'kms keys create' => [ @in_key, qw(purpose rotation-period next-rotation-time protection-level) ],
	'kms keys add-iam-policy-binding' => [ @in_key, qw(member role) ],
	'kms keys describe' => [ @in_key, 'format' ],
	'logging read' => [qw(project limit)],
);

sub check_gcloud
{
	my ($line) = @_;
	my ($verb) = grep { $line =~ /^gcloud \Q$_\E / } keys %gcloud;
	ok($verb, "known: $line") or return;
	my %known = map { $_ => 1 } @{ $gcloud{$verb} };
	is(join(' ', grep { !$known{$_} } $line =~ /\s--([\w-]+)/g), '', "flags of gcloud $verb");
	return;
}

sub check_shell
{
	my ($block) = @_;
	is(system('bash', '-n', '-c', $block), 0, 'shell') or diag $block;
	for my $line (split /\n/, $block =~ s/\\\n\s*/ /gr)
	{
		if ($line =~ /^gcloud /) { check_gcloud($line) }
		else { like($line, qr/^install -o postgres -g postgres -m 600 \S+ \S+$/, "known: $line") }
	}
	return;
}

my $blocks = 0;
my $text = slurp_file('doc/gcp-kms.md');
while ($text =~ /^```(\w*)\n(.*?)^```$/msg)
{
	my ($kind, $block) = ($1, $2);
	$blocks++;
	if ($kind eq 'sql')
	{
		sql_ok($node, $block, "runs: $block");
		is(sql_value($node, "SELECT id FROM keyring_keys WHERE state = 'primary'"), $1, "key $1 is in use then")
		  if $block =~ /keyring_activate\((\d+)\)/;
	}
	elsif ($block =~ /^(keyring\.\w+) = '[^']*'$/)
	{
		is(sql_value($node, "SELECT count(*) FROM pg_settings WHERE name = '$1'"), 1, "setting $1");
	}
	elsif ($kind eq '' && $block =~ /^(?:gcloud|install) /) { check_shell($block) }
	else { fail("a block of a kind that this test does not know: $block") }
}
cmp_ok($blocks, '>=', 10, 'there are blocks');
sql_is(
	$node,
	'SELECT provider, state FROM keyring_keys WHERE id > 1 ORDER BY id',
	"gcp-kms|deprecated\nmanaged|primary",
	"the guide's key, and the one that takes over while it is away"
);
done_testing();
