# Google's own client finds in the KMS of the tests what it expects of the service; and the program behind
# "make check-gcp" works against it. The npm registry must be reachable the first time.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;
use KmsServer;

my $folder = abs_path(dirname(__FILE__) . '/../kms');
my $build = abs_path("$folder/../..") . '/build/kms-client';

is(system("$folder/client/install"), 0, 'the client is installed') or BAIL_OUT('no client, no judgement');

my $kms = KmsServer->start;
$ENV{NODE_EXTRA_CA_CERTS} = $kms->{ca_file};
delete $ENV{$_} for qw(HTTPS_PROXY https_proxy);

# Runs a program that prints TAP, and makes its tests ours.
sub judge
{
	my ($name, @command) = @_;
	my $ran = 0;
	open my $out, '-|', @command or die "$command[0]: $!\n";
	while (<$out>)
	{
		$ran += ok($1 eq 'ok', "$name: $2") || 1 if /^(ok|not ok) \d+ - (.*)/;
		note($1) if /^# (.*)/;
		is($ran, $1, "$name: ran to its end") if /^1\.\.(\d+)/;
	}
	close $out;
	is($?, 0, "$name: ends well");
	return;
}

judge('client', 'node', "$build/fidelity.mjs", "$kms->{dir}/server.json");

# --- make check-gcp ---

# what the client was shown there has left traces
$kms = KmsServer->start;
$ENV{NODE_EXTRA_CA_CERTS} = $kms->{ca_file};
my %environment = (
	KEYRING_GCP_KEY => $kms->create_key('gcp', labels => { 'keyring-test' => 'yes' }),
	KEYRING_GCP_ENDPOINT => $kms->{endpoint},
	GOOGLE_APPLICATION_CREDENTIALS => $kms->{credentials_file},
	KEYRING_GCP_OWNER_CREDENTIALS => $kms->control(
		create_account => email => 'owner@acme.iam.gserviceaccount.com',
		project => 'acme',
		path => "$kms->{dir}/owner.json"
	),
);
$kms->grant($environment{KEYRING_GCP_KEY}, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
$kms->control(
	grant => resource => $environment{KEYRING_GCP_KEY},
	role => 'roles/cloudkms.admin',
	member => 'serviceAccount:owner@acme.iam.gserviceaccount.com'
);

delete @ENV{ keys %environment };
my $said = `$folder/check-gcp 2>&1`;
is($? >> 8, 2, 'check-gcp refuses to run without its environment');
like(
	$said,
	qr/not set: KEYRING_GCP_KEY GOOGLE_APPLICATION_CREDENTIALS KEYRING_GCP_OWNER_CREDENTIALS/,
	'and says what it wants'
);

{
	local @ENV{ keys %environment } = values %environment;
	judge('check-gcp', "$folder/check-gcp", 'client');
	judge('keyring', $^X, "$folder/keyring-gcp.pl");
	is($kms->control(describe_key => name => $environment{KEYRING_GCP_KEY})->{primary}{state},
		'ENABLED', 'check-gcp leaves the key enabled');

	$kms->create_key('precious');
	$kms->control(
		grant => resource => 'projects/acme',
		role => 'roles/cloudkms.admin',
		member => 'serviceAccount:owner@acme.iam.gserviceaccount.com'
	);
	local $ENV{KEYRING_GCP_KEY} = $environment{KEYRING_GCP_KEY} =~ s/gcp$/precious/r;
	$said = `$folder/check-gcp 2>&1`;
	is($? >> 8, 2, 'check-gcp touches no key that lacks the label');
	like($said, qr/label keyring-test=yes/, 'and says so');
}
done_testing();
