# What the worker learns from Cloud KMS stays there: no data key, access token or private key in the log, an error, the catalog or the
# memory of any other process; and what the worker has no more use for is not in its own memory either.
use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use JSON::PP;
use KeyringTest;
use KmsServer;
use MIME::Base64;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
shared_buffers = 2MB
log_min_messages = debug1
@{[ $kms->settings ]}
keyring.cache_ttl = '1d'
END
my $name = $kms->create_key('k');
$kms->grant($name);
sql_ok($node, qq(CREATE EXTENSION keyring; SELECT keyring_activate(keyring_create_key('gcp-kms', '$name'))), 'a key');
sql_ok($node, q(CREATE TABLE t (v encrypted_text, s encrypted_text(searchable)); INSERT INTO t VALUES ('v', 's')),
	'a table');

my $session = background($node);
my $use = q(SELECT count(*) FROM t WHERE s = 's' AND v = 'v');
my ($backend) = $session->query_safe('SELECT pg_backend_pid()') =~ /(\d+)/;
is($session->query_safe($use), '1', 'a session uses the key');
my $worker = worker_pid($node, 'keyring kms');
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

# All of a process's memory; or what gcore takes by itself, which leaves the cache of keys out.
sub dump_of
{
	my ($pid, $options) = @_;
	my $prefix = $node->basedir . '/core';
	$options //= '-a';
	my $out = `gcore $options -o $prefix $pid 2>&1`;
	die "gcore: $out\n" unless -s "$prefix.$pid";
	my $core = slurp_file("$prefix.$pid");
	unlink "$prefix.$pid";
	return $core;
}

sub found
{
	my ($text, %secrets) = @_;
	return join ' ', grep { index($text, $secrets{$_}) >= 0 } sort keys %secrets;
}

# --- the secrets: the token from the worker, the data key with it from the service ---------------

sub token_of
{
	my ($core) = @_;
	my ($token) = $core =~ /Bearer (ya29\.c\.[\w-]{100,})/;
	return $token;
}

sub data_key
{
	my ($token) = @_;
	my ($uuid, $wrap) = split /\|/, sql_value($node, q(SELECT uuid, encode(wrapped, 'hex') FROM keyring_key));
	my $answer = HTTP::Tiny->new->post(
		"$kms->{plain_endpoint}/v1/$name:decrypt",
		{
			headers => { Authorization => "Bearer $token", 'Content-Type' => 'application/json' },
			content => encode_json(
				{
					ciphertext => encode_base64(pack('H*', $wrap), ''),
					additionalAuthenticatedData => encode_base64("keyring/v1/$uuid", '')
				}
			)
		}
	);
	die "decrypt: $answer->{status} $answer->{content}" unless $answer->{success};
	return decode_base64(decode_json($answer->{content})->{plaintext});
}

my $token = token_of(dump_of($worker));
ok(defined $token, 'the worker has an access token');
my $material = data_key($token);
is(length $material, 65, 'with which the test unwraps the data key');
my %keys = (
	'data key' => substr($material, 1, 32),
	'token key' => substr($material, 33, 32),
	'in base64' => substr(encode_base64($material, ''), 0, 40)
);

# A number in OpenSSL's memory has its bytes the other way round.
my $account = decode_json(slurp_file($kms->{credentials_file}));
my $pem = $node->basedir . '/key.pem';
append_to_file($pem, $account->{private_key});
my ($prime) = `openssl pkey -in $pem -noout -text` =~ /prime1:\s+([0-9a-f:\s]+)/;
unlink $pem;
$prime = pack 'H*', $prime =~ tr/0-9a-f//cdr =~ s/^00//r;
is(length $prime, 128, 'and knows the private key');
my @lines = split /\n/, $account->{private_key};
my %private = (prime => $prime, reversed => scalar reverse($prime), map { ("line $_" => $lines[$_]) } 1 .. 20);
my %secrets = (%private, token => $token);

# --- where they are, and are not -----------------------------------------------------------------------

is(found(dump_of($backend), %keys), 'data key token key', 'a backend: the shared cache, so the search finds them');
is(found(dump_of($backend), %secrets), '', 'a backend: no token, no private key');
my %processes = (backend => $backend, postmaster => $postmaster, launcher => worker_pid($node, 'keyring launcher'));
my %no_token_key = map { $_ => $keys{$_} } grep { $_ ne 'token key' } keys %keys;
for my $process (sort keys %processes)
{
	is(found(dump_of($processes{$process}, ''), %no_token_key, %secrets),
		'', "the $process: nothing in an ordinary gcore");
}
is(found(dump_of($postmaster), %secrets), '', 'the postmaster: neither');
is(found(dump_of(worker_pid($node, 'keyring launcher')), %secrets), '', 'the launcher: neither');
is(found(dump_of($worker), %private), '', 'the worker: no private key, since it has a token');

sql_ok($node, 'SELECT keyring_flush_cache()', 'the cache is flushed');
my $other = background($node);
my ($idle) = $other->query_safe('SELECT pg_backend_pid()') =~ /(\d+)/;
# a session keeps the database's token key, which outlives data keys, until it looks for the key again
my %data = (%keys);
delete $data{'token key'};
is(found(dump_of($backend), %data), '', 'after flushing, the backend: no data key');
is(found(dump_of($worker), %keys), '', 'after flushing, the worker: no key in any form');
is(found(dump_of($idle), %keys), '', 'after flushing, another backend: no key in any form');

# A token that is refused is not kept.
sleep 6;
$kms->control('expire_tokens');
is($session->query_safe($use), '1', 'another token');
my $core = dump_of($worker);
my $new = token_of($core);
isnt($new, $token, 'it is another one');
is(found($core, %secrets), '', 'the worker: neither the old token nor the private key');

# --- what is written -------------------------------------------------------------------------------------

my %written = (%private, %keys, token => $token, 'new token' => $new, assertion => 'eyJ');
my $errors = '';
for my $kind (qw(denied unauthenticated corrupt_ciphertext internal))
{
	$kms->fault(kind => 'any', key => $name, error => $kind, count => 20);
	my %error = sql_error($node, "SELECT keyring_create_key('gcp-kms', '$name')");
	$errors .= $error{all};
	$errors .= sql_value($node, "SELECT string_agg(c::text, '') FROM keyring_check_resource('gcp-kms', '$name') c");
	$kms->control('clear_faults');
}
$kms->fault(kind => 'token', status => 400, body => { error => 'invalid_grant' }, count => 9);
$kms->control('expire_tokens');
sleep 6;
my %refused = sql_error($node, "SELECT keyring_create_key('gcp-kms', '$name')");
is($refused{sqlstate}, 'KR005', 'credentials that are not accepted');
$errors .= $refused{all};
$kms->control('clear_faults');
like($errors, qr/KR00[125].*KR00[125]/s, 'errors of many kinds');
is(found($errors, %written), '', 'no secret in an error');
is(found(slurp_file($node->logfile), %written), '', 'none in the log');
is(
	found(
		sql_value(
			$node,
			q(SELECT concat(string_agg(k::text, ''), (SELECT string_agg(d::text, '') FROM keyring_doctor() d)) FROM keyring_keys k)
		),
		%written
	),
	'',
	'none in a view'
);
my $files = join '', map { slurp_file($_) } grep { -f } glob $node->data_dir . '/base/*/*';
is(found($files, %written), '', 'none in a file of the database');
is($session->query_safe($use), '1', 'the session goes on');
$_->quit for $session, $other;
done_testing();
