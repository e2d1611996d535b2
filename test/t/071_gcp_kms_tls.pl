# Keys in Google Cloud KMS against the KMS of the tests: verified TLS, real signatures and tokens, bindings, versions; what is
# wrong on the wire; a server that starts during an outage; the metadata server.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(finish_sql start_sql);
use JSON::PP ();
use KmsServer;

my $kms = KmsServer->start;
my $key = $kms->create_key('k', protection_level => 'HSM');

sub settings
{
	my (%changes) = @_;
	my %conf = (
		gcp_endpoint => $kms->{endpoint},
		kms_ca_file => $kms->{ca_file},
		gcp_credentials_file => $kms->{credentials_file},
		%changes
	);
	return join '', map { "keyring.$_ = '$conf{$_}'\n" } sort keys %conf;
}

my $node = KeyringTest->new_node('main',
	conf => settings() . "keyring.cache_ttl = '1h'\nkeyring.cache_grace = '1h'\nkeyring.kms_timeout = '5s'\n");

sub set_and_reload
{
	my (%changes) = @_;
	$node->append_conf('postgresql.conf', settings(%changes));
	$node->reload;
	return;
}

sub create
{
	my ($name) = @_;
	$name //= $key;
	return "SELECT keyring_create_key('gcp-kms', '$name')";
}

# --- from nothing to a key, as the guide has it ---------------------------------------------------

sql_ok($node, 'CREATE EXTENSION keyring', 'extension');
sql_is($node, q(SELECT keyring_service_account('gcp-kms')), $kms->{member}, 'whom to grant');
sql_fails($node, create(), 'KR002', qr/roles\/cloudkms\.cryptoKeyEncrypterDecrypter/, 'not granted');
$kms->grant($key, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
sql_is(
	$node,
	qq(SELECT string_agg(step, ' ') FROM keyring_check_resource('gcp-kms', '$key') WHERE NOT ok),
	'metadata permissions',
	'without the viewer role'
);
$kms->grant($key, 'roles/cloudkms.viewer');
my $fetched = time;
sql_is($node, create(), '1', 'created over verified TLS');
sql_is($node, q(SELECT kek_version, protection FROM keyring_keys), '1|HSM', 'by version 1, in a hardware module');
sql_ok($node, q(SELECT keyring_activate(1)), 'activated');
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a value');
sql_ok($node, q(SELECT keyring_flush_cache()), 'forgotten');
sql_is($node, 'SELECT v FROM t', 'secret', 'and decrypted again');

# --- certificates -----------------------------------------------------------------------------------

for my $bad (
	[ gcp_endpoint => $kms->{expired_endpoint}, 'an expired certificate' ],
	[ gcp_endpoint => $kms->{misnamed_endpoint}, 'a certificate for another host' ],
	[ kms_ca_file => '', 'a certificate that nobody here trusts' ]
  )
{
	my $calls = $kms->count(encrypt => $key);
	set_and_reload($bad->[0] => $bad->[1]);
	wait_for(
		$node,
		qq(SELECT count(*) FROM keyring_check_resource('gcp-kms', '$key') WHERE NOT ok AND hint LIKE '%keyring.kms_ca_file%'),
		2,
		"refused: $bad->[2]"
	);
	is($kms->count(encrypt => $key), $calls, "nothing is sent: $bad->[2]");
}
set_and_reload();
wait_for($node, qq(SELECT bool_and(ok) FROM keyring_check_resource('gcp-kms', '$key')), 't', 'the right one again');

# --- what is wrong on the wire ----------------------------------------------------------------------

my %wire = (
	'a wrong checksum of the ciphertext' => [ encrypt => set => { ciphertextCrc32c => '1' } ],
	'a plaintext that was not verified' => [ encrypt => set => { verifiedPlaintextCrc32c => undef } ],
	'additional data that were not verified' =>
	  [ encrypt => set => { verifiedAdditionalAuthenticatedDataCrc32c => undef } ],
	'another key' => [ encrypt => set => { name => "${key}2/cryptoKeyVersions/1" } ],
	'a wrong checksum of the plaintext' => [ decrypt => set => { plaintextCrc32c => '1' } ],
	'another plaintext' => [ decrypt => set => { plaintext => 'AAAA', plaintextCrc32c => '1' } ],
	'an answer that is cut short' => [ decrypt => truncate => 20 ],
	'no answer' => [ decrypt => drop => JSON::PP::true ],
	'an answer that is too large' => [ encrypt => oversize => 100_000 ]
);
my %wire_key = map { $_ => $kms->create_key(tr/ /-/r) } keys %wire;
$kms->grant($_) for values %wire_key;

# All at once, each with a wrapping key of its own. Returns the answers.
sub create_with_faults
{
	my ($count, @kinds) = @_;
	for my $what (@kinds)
	{
		my ($kind, $effect, $value) = @{ $wire{$what} };
		$kms->fault(kind => $kind, key => $wire_key{$what}, $effect => $value, count => $count);
	}
	my %clients = map { $_ => start_sql($node, create($wire_key{$_})) } sort keys %wire;
	my %answers = map { $_ => { finish_sql($clients{$_}) } } sort keys %wire;
	$kms->control('clear_faults');
	return %answers;
}

my %answers = create_with_faults(9, keys %wire);
like($answers{$_}{sqlstate}, qr/^KR00[15]$/, "not believed: $_") for sort keys %wire;
%answers = create_with_faults(1, grep { $_ !~ /too large/ } keys %wire);
is($answers{$_}{sqlstate}, '00000', "once is mended by asking again: $_") for sort keys %wire;

# --- tokens -----------------------------------------------------------------------------------------

my $tokens = $kms->count('token');
sleep 1 while time <= $fetched + 6;    # a token younger than 5 s is not given up
$kms->control('expire_tokens');
sql_ok($node, q(SELECT keyring_flush_cache()), 'forgotten');
sql_is($node, 'SELECT v FROM t', 'secret', 'a token that expired is renewed');
is($kms->count('token'), $tokens + 1, 'once');

# --- many sessions, one call ------------------------------------------------------------------------

sql_ok($node, q(SELECT keyring_flush_cache()), 'a cold cache');
my $before = $kms->count(decrypt => $key);
my @crowd = map { start_sql($node, 'SELECT v FROM t') } 1 .. 30;
is(join(' ', map { my %got = finish_sql($_); $got{stdout} } @crowd), join(' ', ('secret') x 30), 'a crowd reads');
is($kms->count(decrypt => $key) - $before, 1, 'with one call');

# --- an outage while the server starts --------------------------------------------------------------

sql_ok($node, q(CREATE TABLE plain AS SELECT 1 AS one), 'a plain table');
$kms->fault(kind => 'any', error => 'unavailable', count => 100000);
$node->restart;
sql_is($node, 'SELECT one FROM plain', '1', 'started during an outage: plain tables are served');
sql_fails(
	$node, 'SELECT v FROM t',
	'KR005',
	qr/key management service|Cloud KMS|token endpoint/,
	'encrypted ones are not'
);

# the worker has no token yet
$kms->control('set', clock_offset => 3600);
$kms->control('clear_faults');
sql_fails($node, create(), 'KR005', qr/the time of this server/, 'the outage is over, and the clock is wrong');
$kms->control('set', clock_offset => 0);
wait_for($node, 'SELECT v FROM t', 'secret', 'until it is over, by itself');
sql_ok($node, create(), 'and a key can be made');

# --- the metadata server ----------------------------------------------------------------------------

$node->stop;
$ENV{GCE_METADATA_HOST} = $kms->{metadata_host};
$node->append_conf('postgresql.conf', settings(gcp_credentials_file => ''));
$node->start;
sql_is($node, 'SELECT v FROM t', 'secret', 'with the account of the machine');
like(sql_value($node, q(SELECT keyring_service_account('gcp-kms'))), qr/^serviceAccount:\S+@\S+$/, 'which is named');

my $log = slurp_file($node->logfile);
unlike($log, qr/PRIVATE KEY|Bearer |eyJ/, 'no private key, token or assertion in the log');
done_testing();
