# The KMS of the tests itself: what it grants and refuses, and each fault that can be ordered, seen by curl.
use strict;
use warnings FATAL => 'all';

use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw(encode_base64 decode_base64);
use Test::More;
use Time::HiRes qw(time);
use KmsServer;

my $kms = KmsServer->start;
my $key = $kms->create_key('k');
# its two writes for a request wait for each other on a connection that is used again
my $http = HTTP::Tiny->new(max_redirect => 0, keep_alive => 0);
my $folder = $kms->{dir};
my $user = 'roles/cloudkms.cryptoKeyEncrypterDecrypter';
my $version = "$key/cryptoKeyVersions/1";

# One request. Over https by curl, with its exit status in curl, and status 0 when there was no whole answer; over
# http from here, which is faster.
sub request
{
	my ($method, $url, %options) = @_;
	$options{body} = encode_json($options{body}) if ref $options{body};
	my %answer =
	  $url =~ /^https/ || $options{timeout} ? by_curl($method, $url, %options) : from_here($method, $url, %options);
	$answer{json} = length $answer{text} < 100_000 && eval { decode_json($answer{text}) } || {};
	return \%answer;
}

sub by_curl
{
	my ($method, $url, %options) = @_;
	my @command = (
		'curl', '-sS', '--cacert', $options{ca} // $kms->{ca_file},
		'--max-time', $options{timeout} // 10,
		'-X', $method, '-D', "$folder/headers", '-o', "$folder/body"
	);
	push @command, '-H', $_ for @{ $options{headers} // [] };
	push @command, '--data-binary', $options{body} if exists $options{body};
	unlink "$folder/headers", "$folder/body";
	my $said = qx{@{[ join ' ', map { "'" . s/'/'\\''/gr . "'" } @command, $url ]} 2>&1};
	my %answer = (curl => $? >> 8, said => $said);
	my $headers = KmsServer::_slurp("$folder/headers");
	$answer{text} = KmsServer::_slurp("$folder/body");
	$answer{status} = $answer{curl} == 0 && $headers =~ m{^HTTP/1.1 (\d+)} ? $1 : 0;
	$answer{header} = { map { /^([\w-]+): (.*?)\r?$/ ? (lc $1, $2) : () } split /\n/, $headers };
	return %answer;
}

sub from_here
{
	my ($method, $url, %options) = @_;
	my %headers = map { split /: /, $_, 2 } @{ $options{headers} // [] };
	my $answer =
	  $http->request($method, $url, { headers => \%headers, exists $options{body} ? (content => $options{body}) : () });
	return (
		curl => 0,
		said => '',
		text => $answer->{content},
		status => $answer->{status},
		header => $answer->{headers}
	);
}

our $token = '';

sub call
{
	my ($method, $name, $body, %options) = @_;
	return request(
		$method, ($options{at} // $kms->{plain_endpoint}) . "/v1/$name",
		headers => ["Authorization: Bearer $token"],
		defined $body ? (body => $body) : (), %options
	);
}

sub metadata
{
	my ($path, @headers) = @_;
	return request(GET => "$kms->{metadata}/computeMetadata/v1/$path", headers => \@headers);
}

sub b64
{
	return encode_base64($_[0], '');
}

# status, google.rpc status, and a pattern for the message
sub refused
{
	my ($answer, $status, $word, $like, $name) = @_;
	my $error = $answer->{json}{error} // {};
	my $good = $answer->{status} == $status && ($error->{status} // '') eq $word && ($error->{message} // '') =~ $like;
	ok($good, $name) or diag("$answer->{status} $answer->{text} $answer->{said}");
	return;
}

sub reason
{
	my ($answer) = @_;
	return join ' ', grep { defined } map { $_->{reason} } @{ $answer->{json}{error}{details} // [] };
}

# --- the metadata server gives tokens to who asks with its header ---
my $flavor = 'Metadata-Flavor: Google';
is(metadata('instance/service-accounts/default/token')->{status}, 403, 'no token without the header');
is(metadata('instance/service-accounts/default/token', $flavor, 'X-Forwarded-For: 1.1.1.1')->{status},
	403, 'none for a proxy');
my $answer = metadata('instance/service-accounts/default/token', $flavor);
is($answer->{header}{'metadata-flavor'}, 'Google', 'the answer has the header too');
$token = $answer->{json}{access_token};
cmp_ok($answer->{json}{expires_in}, '>', 3500, 'a token for an hour');
is(metadata('instance/service-accounts/default/token', $flavor)->{json}{access_token}, $token, 'the same again');
is(metadata('instance/service-accounts/default/email', $flavor)->{text}, $kms->{member} =~ s/.*://r, 'e-mail');

# --- who may ---
my $sealing =
  { plaintext => b64('123456789'), plaintextCrc32c => '3808858755', additionalAuthenticatedData => b64('aad') };
$answer = call(POST => "$key:encrypt", $sealing);
refused($answer, 403, 'PERMISSION_DENIED', qr/'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '\Q$key\E'/,
	'denied');
is(reason($answer), 'IAM_PERMISSION_DENIED', 'reason');
is_deeply(call(POST => "$key:testIamPermissions", { permissions => ['cloudkms.cryptoKeys.get'] })->{json},
	{}, 'no permission');
$kms->grant($key);
is_deeply(
	call(
		POST => "$key:testIamPermissions",
		{ permissions => [ 'cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeyVersions.list' ] }
	)->{json},
	{ permissions => ['cloudkms.cryptoKeys.get'] },
	'those that are held'
);
refused(
	call(POST => "$key:testIamPermissions", { permissions => ['cloudkms.cryptoKeys.g*'] }),
	400, 'INVALID_ARGUMENT',
	qr/not valid for this resource/,
	'a permission that there is none of'
);
is_deeply(call(POST => "${key}none:testIamPermissions", { permissions => ['cloudkms.cryptoKeys.get'] })->{json},
	{}, 'a key that does not exist grants nothing');
{
	local $token = 'ya29.none';
	refused(call(GET => $key), 401, 'UNAUTHENTICATED', qr/invalid authentication/, 'an unknown token');
}

# --- wrapping, with its checksums ---
my $sealed = call(POST => "$key:encrypt", $sealing)->{json};
is($sealed->{name}, $version, 'encrypt names the version');
ok($sealed->{verifiedPlaintextCrc32c}, 'checksum of the plaintext verified');
ok(!exists $sealed->{verifiedAdditionalAuthenticatedDataCrc32c}, 'that of the additional data was not sent: absent');
is(ref \$sealed->{ciphertextCrc32c}, 'SCALAR', 'a checksum is a string');
my $opening = {
	ciphertext => $sealed->{ciphertext},
	ciphertextCrc32c => $sealed->{ciphertextCrc32c},
	additionalAuthenticatedData => b64('aad')
};

sub opened
{
	my (%options) = @_;
	return call(POST => "$key:decrypt", { %$opening, %{ $options{change} // {} } }, %options);
}
my $opened = opened()->{json};
is(decode_base64($opened->{plaintext}), '123456789', 'decrypt');
is($opened->{plaintextCrc32c}, '3808858755', 'with the checksum');
is(opened(at => $kms->{endpoint})->{status}, 200, 'the same over https');

refused(
	opened(change => { ciphertextCrc32c => '1' }),
	400, 'INVALID_ARGUMENT',
	qr/ciphertext_crc32c did not match/,
	'wrong checksum'
);
refused(
	opened(change => { additionalAuthenticatedData => b64('b') }),
	400, 'INVALID_ARGUMENT',
	qr/verify that 'name'/,
	'other additional data'
);
refused(opened(change => { ciphertext => b64('x' x 98), ciphertextCrc32c => undef }),
	400, 'INVALID_ARGUMENT', qr/the ciphertext is invalid/, 'corrupt');
refused(opened(change => { ciphertext => '*' }), 400, 'INVALID_ARGUMENT', qr/Base64 decoding failed/, 'not base64');
refused(
	opened(change => { aad => 'x' }),
	400, 'INVALID_ARGUMENT',
	qr/Unknown name "aad"/,
	'a field that does not exist'
);
refused(call(POST => "$key:encrypt", '{'), 400, 'INVALID_ARGUMENT', qr/Invalid JSON/, 'not JSON');
my $asymmetric = $kms->create_key('a', purpose => 'ASYMMETRIC_SIGN');
$kms->grant($asymmetric);
refused(
	call(POST => "$asymmetric:encrypt", $sealing),
	400, 'FAILED_PRECONDITION',
	qr/has purpose ASYMMETRIC_SIGN/,
	'wrong purpose'
);
my $hsm = $kms->create_key('h', protection_level => 'HSM');
$kms->grant($hsm);
refused(call(POST => "$hsm:encrypt", { plaintext => b64('x' x 8193) }),
	400, 'INVALID_ARGUMENT', qr/too large/, 'too much for an HSM');
is(call(POST => "$hsm:encrypt", $sealing)->{json}{protectionLevel}, 'HSM', 'protection level');

# --- states and time ---
for my $state (qw(DISABLED DESTROY_SCHEDULED PENDING_GENERATION))
{
	$kms->control(set_state => name => $key, state => $state);
	$answer = opened();
	refused($answer, 400, 'FAILED_PRECONDITION', qr/^\Q$version\E is not enabled, current state is: $state\.$/, $state);
	my $violation = $answer->{json}{error}{details}[0]{violations}[0];
	is($violation->{type}, $state eq 'DISABLED' ? 'KEY_DISABLED' : undef, "$state: detail");
	is(exists call(GET => $version)->{json}{destroyTime}, $state eq 'DESTROY_SCHEDULED', "$state: date of destruction");
}
$kms->control(set_state => name => $key, state => 'ENABLED');
my $rotated = $kms->create_key('rotated', rotation => 86400, destroy_after => 3600);
$kms->grant($rotated);
$kms->control(set_state => name => $rotated, state => 'DESTROY_SCHEDULED');
$kms->control(set => token_lifetime => 10**6);
$kms->control('expire_tokens');
refused(opened(), 401, 'UNAUTHENTICATED', qr/invalid authentication/, 'an expired token');
$token = metadata('instance/service-accounts/default/token', $flavor)->{json}{access_token};
$kms->control(set => clock_offset => 90000);
$answer = call(GET => $rotated)->{json};
is($answer->{primary}{name}, "$rotated/cryptoKeyVersions/2", 'rotated by itself');
is(call(GET => "$rotated/cryptoKeyVersions/1")->{json}{state}, 'DESTROYED', 'destroyed by itself');
cmp_ok($answer->{nextRotationTime}, 'gt', $answer->{primary}{createTime}, 'the next rotation is to come');
is(opened()->{status}, 200, 'a token that is still good');
$kms->control(set => clock_offset => 0, token_lifetime => 3599);
$kms->control(set_primary => name => $rotated, version => undef);
refused(call(POST => "$rotated:encrypt", $sealing), 400, 'FAILED_PRECONDITION', qr/no primary/, 'no primary version');

# --- names and the API ---
refused(call(GET => "${key}x"), 403, 'PERMISSION_DENIED', qr/or it may not exist/, 'no such key, for a stranger');
$kms->grant('projects/acme', $user);
refused(call(GET => "${key}x"), 404, 'NOT_FOUND', qr/not found/, 'no such key, for who may see the project');
like(call(GET => 'keys/k')->{header}{'content-type'}, qr{^text/html}, 'a path that is none is answered in HTML');
is(call(POST => "$version:decrypt", $opening)->{status}, 404, 'a version does not decrypt');
$kms->control(set => api_disabled => ['acme-db']);
is(reason(opened()), 'SERVICE_DISABLED', 'the API is not enabled');
$kms->control(set => api_disabled => []);

# --- TLS ---
is(request(GET => $kms->{endpoint}, ca => '/dev/null')->{status}, 0, 'nobody trusts its certificates by chance');
is(call(GET => $key, undef, at => $kms->{expired_endpoint})->{curl}, 60, 'a certificate that has expired');
is(call(GET => $key, undef, at => $kms->{misnamed_endpoint})->{curl}, 60, 'a certificate of another host');

# --- the token endpoint, with claims of all kinds ---
sub grant_for
{
	my (%change) = @_;
	my $account = decode_json(KmsServer::_slurp($change{file} // $kms->{credentials_file}));
	my %claims = (
		iss => $account->{client_email},
		scope => 'https://www.googleapis.com/auth/cloudkms',
		aud => $account->{token_uri}
	);
	$claims{iat} = int(time) - 30;
	%claims = (%claims, %{ $change{claims} // {} });
	$claims{exp} //= $claims{iat} + 3600;
	my $signed = join '.',
	  map { s/=//gr =~ tr{+/}{-_}r } map { b64(encode_json($_)) }{ alg => 'RS256', kid => $account->{private_key_id} },
	  \%claims;
	open my $pem, '>', "$folder/key.pem" or die;
	print $pem $account->{private_key};
	close $pem;
	open my $message, '>', "$folder/message" or die;
	print $message $signed;
	close $message;
	my $signature =
	  b64(scalar qx(openssl dgst -sha256 -sign '$folder/key.pem' '$folder/message')) =~ s/=//gr =~ tr{+/}{-_}r;
	my $jwt = "$signed.$signature";
	return $jwt if $change{raw};
	my $grant = $change{grant} // 'urn:ietf:params:oauth:grant-type:jwt-bearer';
	return request(POST => "$kms->{plain_endpoint}/token", body => "grant_type=$grant&assertion=$jwt");
}

sub no_grant
{
	my ($answer, $error, $like, $name) = @_;
	is($answer->{json}{error}, $error, "$name: $error");
	like($answer->{json}{error_description}, $like, "$name: described");
	return;
}
$answer = grant_for();
is($answer->{json}{token_type}, 'Bearer', 'a token for a signed JWT');
{
	local $token = $answer->{json}{access_token};
	is(opened()->{status}, 200, 'which opens the door');
	$token =
	  grant_for(claims => { scope => 'https://www.googleapis.com/auth/devstorage.read_only' })->{json}{access_token};
	refused(opened(), 403, 'PERMISSION_DENIED', qr/insufficient authentication scopes/, 'another scope');
	$token =
	  grant_for(raw => 1, claims => { sub => $kms->{member} =~ s/.*://r, aud => 'https://cloudkms.googleapis.com/' });
	is(opened()->{status}, 200, 'a self-signed JWT in place of a token');
	$token =
	  grant_for(raw => 1, claims => { sub => $kms->{member} =~ s/.*://r, aud => 'https://storage.googleapis.com/' });
	refused(opened(), 401, 'UNAUTHENTICATED', qr/invalid authentication/, 'but not one for another service');
}
no_grant(grant_for(claims => { aud => 'https://elsewhere/token' }), 'invalid_grant', qr/audience/, 'audience');
no_grant(
	grant_for(claims => { iat => int(time) + 60 }),
	'invalid_grant',
	qr/reasonable timeframe/,
	'a clock that is fast'
);
no_grant(
	grant_for(claims => { iat => int(time) - 4000 }),
	'invalid_grant',
	qr/reasonable timeframe/,
	'a clock that is slow'
);
no_grant(grant_for(claims => { exp => int(time) + 9000 }), 'invalid_grant', qr/reasonable timeframe/, 'too long');
no_grant(grant_for(claims => { scope => '' }), 'invalid_scope', qr/Invalid OAuth scope/, 'no scope');
no_grant(grant_for(claims => { iss => 'x@y' }), 'invalid_grant', qr/account not found/, 'no account');
no_grant(grant_for(grant => 'password'), 'unsupported_grant_type', qr/password/, 'another grant');
my $other =
  $kms->control(create_account => email => 'o@x.iam.gserviceaccount.com', project => 'x', path => "$folder/other.json");
no_grant(grant_for(file => $other, claims => { iss => $kms->{member} =~ s/.*://r }),
	'invalid_grant', qr/Signature/, "another's key");
$kms->control(enable_account => email => 'o@x.iam.gserviceaccount.com', enabled => JSON::PP::false);
no_grant(grant_for(file => $other), 'invalid_grant', qr/account not found/, 'an account that is disabled');

# --- each named error: status, canonical status, reason or pattern ---
my %named = (
	unauthenticated => [ 401, 'UNAUTHENTICATED', 'ACCESS_TOKEN_EXPIRED' ],
	insufficient_scope => [ 403, 'PERMISSION_DENIED', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' ],
	denied => [ 403, 'PERMISSION_DENIED', 'IAM_PERMISSION_DENIED' ],
	service_disabled => [ 403, 'PERMISSION_DENIED', 'SERVICE_DISABLED' ],
	user_project_denied => [ 403, 'PERMISSION_DENIED', 'USER_PROJECT_DENIED' ],
	billing_disabled => [ 403, 'PERMISSION_DENIED', 'BILLING_DISABLED' ],
	security_policy => [ 403, 'PERMISSION_DENIED', 'SECURITY_POLICY_VIOLATED' ],
	disabled => [ 400, 'FAILED_PRECONDITION', '' ],
	destroy_scheduled => [ 400, 'FAILED_PRECONDITION', '' ],
	destroyed => [ 400, 'FAILED_PRECONDITION', '' ],
	pending => [ 400, 'FAILED_PRECONDITION', '' ],
	not_found => [ 404, 'NOT_FOUND', '' ],
	html_not_found => [ 404, '', '' ],
	html_bad_gateway => [ 502, '', '' ],
	corrupt_ciphertext => [ 400, 'INVALID_ARGUMENT', '' ],
	other_key => [ 400, 'INVALID_ARGUMENT', '' ],
	throttled => [ 429, 'RESOURCE_EXHAUSTED', 'RATE_LIMIT_EXCEEDED' ],
	internal => [ 500, 'INTERNAL', '' ],
	unavailable => [ 503, 'UNAVAILABLE', '' ],
	deadline => [ 504, 'DEADLINE_EXCEEDED', '' ],
	external => [ 503, 'UNAVAILABLE', '' ],
);
for my $error (sort keys %named)
{
	$kms->fault(kind => 'decrypt', error => $error);
	$answer = opened();
	is(
		join('/', $answer->{status}, $answer->{json}{error}{status} // '', reason($answer)),
		join('/', @{ $named{$error} }),
		"fault $error"
	);
}

# --- the other faults ---
$kms->fault(kind => 'decrypt', error => 'throttled', headers => { 'Retry-After' => '7' });
is(opened()->{header}{'retry-after'}, '7', 'fault: with Retry-After');
$kms->fault(kind => 'decrypt', status => 502, body => '<html>Bad Gateway</html>');
$answer = opened();
is("$answer->{status} $answer->{text}", '502 <html>Bad Gateway</html>', 'fault: any status, any body');
like($answer->{header}{'content-type'}, qr{text/html}, 'fault: as HTML');
$kms->fault(kind => 'decrypt', delay => 0.3);
my $start = time;
is(opened()->{status}, 200, 'fault: delayed, then answered');
cmp_ok(time - $start, '>=', 0.3, 'fault: delayed');
$kms->fault(kind => 'decrypt', drop => JSON::PP::true);
$answer = opened(at => $kms->{endpoint});
ok($answer->{status} == 0 && $answer->{curl} != 28, 'fault: the connection is dropped') or diag($answer->{said});
$kms->fault(kind => 'decrypt', truncate => 20);
$answer = opened(at => $kms->{endpoint});
# libcurl 8 tells of the connection's end, 7 of the bytes that are missing
like($answer->{curl}, qr/^(18|56)$/, 'fault: truncated');
is(length $answer->{text}, 20, 'fault: after so many bytes');
$kms->fault(kind => 'decrypt', oversize => 3_000_000);
cmp_ok(length(opened()->{text}), '>', 3_000_000, 'fault: oversized');
$kms->fault(kind => 'decrypt', set => { plaintextCrc32c => '1', usedPrimary => undef });
$answer = opened()->{json};
is($answer->{plaintextCrc32c}, '1', 'fault: wrong checksum');
ok(!exists $answer->{usedPrimary} && $answer->{plaintext}, 'fault: a field is missing, the others are there');
$kms->fault(kind => 'encrypt', set => { name => "${key}2/cryptoKeyVersions/1" });
is(call(POST => "$key:encrypt", $sealing)->{json}{name}, "${key}2/cryptoKeyVersions/1", 'fault: wrong name');
$kms->fault(kind => 'token', status => 500, body => {});
is(grant_for()->{status}, 500, 'fault: at the token endpoint');
is(request(GET => $kms->{token_uri})->{status}, 404, 'which is there over https, for POST');
$kms->fault(kind => 'metadata', delay => 5);
is(request(GET => $kms->{metadata}, headers => [$flavor], timeout => 0.2)->{curl}, 28, 'fault: at the metadata server');

# --- which request gets a fault, and counters ---
$kms->control('reset_counters');
$kms->fault(kind => 'decrypt', key => $hsm, error => 'denied');
$kms->fault(kind => 'decrypt', key => $key, error => 'denied', skip => 1, count => 2);
is(join(' ', map { opened()->{status} } 1 .. 4), '200 403 403 200', 'a fault for some requests of one key');
is(scalar @{ $kms->control('pending_faults') }, 1, 'that of the other key is still to come');
$kms->control('clear_faults');
is($kms->count(decrypt => $key), 4, 'requests are counted');
is($kms->count(decrypt => $hsm), 0, 'by key');
is($kms->count('encrypt'), 0, 'and kind');
my @logged = map { decode_json($_) } split /
/, KmsServer::_slurp($kms->{access_log});
my ($last) = grep { $_->{kind} eq 'decrypt' } reverse @logged;
is("$last->{status} $last->{key}", "200 $key", 'and written to the access log');
ok(!eval { $kms->fault(kind => 'decrypt', error => 'nonsense') }, 'a fault that does not exist is an error');
ok(!eval { $kms->control('nonsense') }, 'so is a call');

# --- a request that waits holds up no other; the server ends when told to and when its parent ends ---
$kms->fault(kind => 'get', delay => 30);
$kms->control('reset_counters');
$start = time;
my @waiting = ('curl', '-s', '-o', '/dev/null', '-H', "Authorization: Bearer $token", "$kms->{plain_endpoint}/v1/$key");
my $slow = fork // die;
if ($slow == 0)
{
	exec @waiting or POSIX::_exit(127);
}
select undef, undef, undef, 0.02 until $kms->count(get => $key) || time > $start + 10;
is($kms->count(get => $key), 1, 'a request is counted while it waits');
is(opened(timeout => 5)->{status}, 200, 'an answer beside one that is slow');
my $silent = IO::Socket::INET->new($kms->{endpoint} =~ s{https://}{}r) or die;
is(opened(timeout => 5, at => $kms->{endpoint})->{status},
	200, 'an answer beside a client that stalls in the TLS handshake');
close $silent;
$kms->control('clear_faults');
waitpid $slow, 0;
cmp_ok(time - $start, '<', 25, 'a delay ends when faults are cleared');
my $pid = $kms->{pid};
$kms->stop;
ok(!kill(0, $pid), 'the server ends when told to');

pipe my $from, my $to or die;
my $parent = fork // die;
if ($parent == 0)
{
	my $orphan = KmsServer->start(dir => File::Temp::tempdir(CLEANUP => 0, DIR => $folder));
	syswrite $to, "$orphan->{pid}\n";
	POSIX::_exit(0);
}
waitpid $parent, 0;
$pid = <$from> + 0;
my $deadline = time + 10;
# a process that nobody has waited for yet has no program any more
select undef, undef, undef, 0.05 while readlink "/proc/$pid/exe" && time < $deadline;
ok(!readlink "/proc/$pid/exe", 'the server ends with its parent');
done_testing();
