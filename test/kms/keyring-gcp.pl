# The second half of "make check-gcp": keyring itself with a key of Cloud KMS, in a scratch cluster. Environment:
# that of check-gcp, whose credentials the server must be able to read, and for another endpoint than Google's
# NODE_EXTRA_CA_CERTS.
use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use KeyringTest;
use Time::HiRes qw(sleep time);

my $longest_wait = 300;    # a change of state is "normally within a minute"
my $state_program = abs_path(dirname(__FILE__) . '/../../build/kms-client/state.mjs');
my $key = $ENV{KEYRING_GCP_KEY};
my $node = KeyringTest->new_node('main', conf => join "\n", settings());
keyring_db($node);

diag('as ' . sql_value($node, q(SELECT keyring_service_account('gcp-kms'))));
sql_is(
	$node, qq(SELECT string_agg(step, ' ') FROM keyring_check_resource('gcp-kms', '$key')
		WHERE NOT ok AND step NOT IN ('metadata', 'permissions')), '',
	'every step of keyring_check_resource() that must succeed does'
);
diag(sql_value($node, qq(SELECT step, ok, detail FROM keyring_check_resource('gcp-kms', '$key'))));
sql_ok($node, qq(SELECT keyring_create_key('gcp-kms', '$key')), 'a key is wrapped');
sql_ok($node, 'SELECT keyring_activate(2)', 'and made primary');
sql_ok(
	$node,
	q(CREATE TABLE t (v encrypted_text(searchable) UNIQUE); INSERT INTO t VALUES ('a value')),
	'a value is written'
);
sql_ok($node, 'SELECT keyring_flush_cache()', 'the data key is forgotten');
sql_is($node, 'SELECT v, key_id FROM t, keyring_census()', 'a value|2', 'unwrapped anew, and the value read');
sql_is(
	$node, q(SELECT ok FROM keyring_check_key(2) WHERE step = 'wrap'),
	't', 'keyring_check_key() could wrap it again'
);
sql_ok($node, 'SELECT keyring_rewrap_key(2)', 'it is wrapped again');

eval {
	owner('DISABLED');
	until_it('reading is refused', sub { state_of_reading() eq 'KR003' });
	sql_fails($node, 'SELECT v FROM t', 'KR003', qr/disabled/, 'with the reason');
	1;
} or fail("the owner's change: $@");
owner('ENABLED');
until_it('reading goes on', sub { state_of_reading() eq '00000' });
sql_is($node, 'SELECT v FROM t', 'a value', 'the value is what it was');
done_testing();

sub settings
{
	my @settings = ("keyring.gcp_credentials_file = '$ENV{GOOGLE_APPLICATION_CREDENTIALS}'", 'keyring.cache_ttl = 5s');
	push @settings, "keyring.gcp_endpoint = '$ENV{KEYRING_GCP_ENDPOINT}'",
	  "keyring.kms_ca_file = '$ENV{NODE_EXTRA_CA_CERTS}'"
	  if $ENV{KEYRING_GCP_ENDPOINT};
	return @settings;
}

sub state_of_reading
{
	my %error = sql_error($node, 'SELECT v FROM t');
	return $error{sqlstate};
}

sub owner
{
	my ($state) = @_;
	diag("as the owner: the key's primary version becomes $state");
	system('node', $state_program, $state) == 0 or die "node state.mjs $state\n";
	return;
}

sub until_it
{
	my ($what, $attempt) = @_;
	my $start = time;
	sleep 0.5 until $attempt->() || time > $start + $longest_wait;
	ok($attempt->(), sprintf '%s, after %.1f s', $what, time - $start);
	return;
}
