# make demo-byok: the guide to a customer's own key from its beginning to its end, and that it notices when a step fails.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node(
	'main',
	conf => <<"END"
@{[ $kms->settings ]}
keyring.cache_ttl = '1s'
keyring.cache_grace = '4s'
keyring.kms_timeout = '2s'
keyring.health_check_interval = '1s'
END
);

sub demonstrate
{
	local $ENV{PG_CONFIG} = $ENV{PG_CONFIG} // 'pg_config';
	my $output = qx(scripts/demo-byok --here '@{[ $node->host ]}' @{[ $node->port ]} '$kms->{dir}' 2>&1);
	return ($? >> 8, $output);
}

my ($status, $output) = demonstrate();
is($status, 0, 'it comes to its end') or diag $output;
like(
	$output,
	qr/^   owner\$ gcloud kms keys add-iam-policy-binding acme .*roles\/cloudkms\.viewer$/m,
	'what the owner does'
);
my @states = $output =~ /^   ERROR:  (KR\d+):/mg;
is("@states", 'KR002 KR002 KR003 KR005', 'not granted, revoked, scheduled for destruction, out of reach');
is(scalar(() = $output =~ /^ +078-05-1120$/mg), 3, 'read again each time');

($status, $output) = demonstrate();
isnt($status, 0, 'a database of that name exists: it fails');

done_testing();
