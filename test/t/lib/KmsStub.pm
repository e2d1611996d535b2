
=head1 NAME

KmsStub - answers like Google Cloud KMS, as a test wants it

=head1 SYNOPSIS

  use KmsStub;

  my $kms = KmsStub->new;                 # listens on the loopback; ends with the test
  my $node = KeyringTest->new_node('main', conf => $kms->conf);
  my $name = $kms->key('k');              # projects/.../cryptoKeys/k

  $kms->set('k', 'denied');               # from now on; 'ok' ends it
  is($kms->count('k', 'decrypt'), 1, 'one call');

=head1 DESCRIPTION

Speaks plain HTTP, with a token endpoint and just the four calls that keyring makes. What a key answers is in a file
of its name: ok, denied, disabled, scheduled, destroyed, notfound, throttled, busy, html, hang,
corrupt (a checksum), viewer (only the metadata are denied), encrypter (only decrypting is).

=cut

package KmsStub;

use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use JSON::PP;
use KeyringTest qw(append_to_file slurp_file);
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;

my $ring = 'projects/acme-prod/locations/global/keyRings/test';
my $json = JSON::PP->new->canonical;
my $account = 'db@acme-prod.iam.gserviceaccount.com';
my @servers;

# Of each behaviour: HTTP status, canonical status, message. V stands for the key version.
my %errors = (
	denied => [ 403, 'PERMISSION_DENIED', 'Permission denied on resource (or it may not exist).' ],
	disabled => [ 400, 'FAILED_PRECONDITION', 'V is not enabled, current state is: DISABLED.' ],
	scheduled => [ 400, 'FAILED_PRECONDITION', 'V is not enabled, current state is: DESTROY_SCHEDULED.' ],
	destroyed => [ 400, 'FAILED_PRECONDITION', 'V is not enabled, current state is: DESTROYED.' ],
	notfound => [ 404, 'NOT_FOUND', 'CryptoKey not found.' ],
	throttled => [ 429, 'RESOURCE_EXHAUSTED', 'Quota exceeded.' ],
	busy => [ 503, 'UNAVAILABLE', 'The service is currently unavailable.' ],
	api => [ 403, 'PERMISSION_DENIED', 'Cloud KMS API has not been used in project 1 before or it is disabled.' ]
);

sub new
{
	my ($class) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my $listener = IO::Socket::INET->new(Listen => 128, LocalAddr => '127.0.0.1', Proto => 'tcp')
	  or die "cannot listen: $!";
	my $self = bless { dir => $dir, url => 'http://127.0.0.1:' . $listener->sockport, listener => $listener }, $class;

	$self->_write_account;
	append_to_file("$dir/calls", '');
	$self->start;
	return $self;
}

sub start
{
	my ($self) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		# one group, so that answers which hang end with the test too
		setpgrp;
		local $SIG{CHLD} = 'IGNORE';
		while (my $client = $self->{listener}->accept)
		{
			next if fork;
			eval { $self->_serve($client) };
			$client->close;
			POSIX::_exit(0);
		}
		POSIX::_exit(0);
	}
	$self->{pid} = $pid;
	push @servers, $pid;
	return;
}

END
{
	local $?;
	kill '-KILL', @servers if @servers;
}

# Its key is made here and is worth nothing.
sub _write_account
{
	my ($self) = @_;
	my $pem = `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 2>/dev/null`;
	$self->{pem} = $pem;
	my $text = $json->encode(
		{
			type => 'service_account',
			client_email => $account,
			private_key => $pem,
			private_key_id => 'abc',
			token_uri => "$self->{url}/token"
		}
	);
	append_to_file("$self->{dir}/account.json", $text);
	chmod 0600, "$self->{dir}/account.json" or die $!;
	return;
}

# Lines for postgresql.conf.
sub conf
{
	my ($self) = @_;
	return "keyring.gcp_endpoint = '$self->{url}'\nkeyring.gcp_credentials_file = '$self->{dir}/account.json'\n";
}

sub account { return $account }
sub account_file { my ($self) = @_; return "$self->{dir}/account.json" }
sub url { my ($self) = @_; return $self->{url} }
sub pem { my ($self) = @_; return $self->{pem} }

sub key
{
	my ($self, $id) = @_;
	return "$ring/cryptoKeys/$id";
}

sub _put
{
	my ($file, $text) = @_;
	append_to_file("$file.new", $text);
	rename "$file.new", $file or die "$file: $!";
	return;
}

sub set
{
	my ($self, $id, $behaviour) = @_;
	_put("$self->{dir}/key.$id", $behaviour);
	return;
}

# The primary version of a key, 1 at first.
sub set_version
{
	my ($self, $id, $version) = @_;
	_put("$self->{dir}/version.$id", $version);
	return;
}

sub _get
{
	my ($self, $what, $id, $default) = @_;
	my $file = "$self->{dir}/$what.$id";
	return -e $file ? slurp_file($file) : $default;
}

# How often a call was made, also in vain: "decrypt", "encrypt", "get"; of key "-": "token".
sub count
{
	my ($self, $id, $call) = @_;
	return scalar grep { $_ eq "$id $call" } split /\n/, slurp_file("$self->{dir}/calls");
}

sub crc32c
{
	my ($bytes) = @_;
	my $crc = 0xFFFFFFFF;
	for my $byte (unpack 'C*', $bytes)
	{
		$crc ^= $byte;
		$crc = ($crc >> 1) ^ ($crc & 1 ? 0x82F63B78 : 0) for 1 .. 8;
	}
	return $crc ^ 0xFFFFFFFF;
}

# ---- the server -----------------------------------------------------------------------------------

sub _respond
{
	my ($client, $code, $body, %options) = @_;
	my $type = $options{type} // 'application/json; charset=UTF-8';
	$body = $json->encode($body) if ref $body;
	printf $client "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", $code,
	  $type, length $body, $body;
	return;
}

sub _error
{
	my ($client, $code, $status, $message) = @_;
	return _respond($client, $code, { error => { code => $code, status => $status, message => $message } });
}

sub _read
{
	my ($client) = @_;
	my ($head, $body) = ('', '');
	local $/ = "\r\n";
	while (defined(my $line = <$client>))
	{
		last if $line eq "\r\n";
		$head .= $line;
	}
	my ($length) = $head =~ /^Content-Length: (\d+)/mi;
	read $client, $body, $length if $length;
	return ($head, $body);
}

sub _serve
{
	my ($self, $client) = @_;
	my ($head, $body) = _read($client);
	my ($path) = $head =~ m{^\S+ (\S+) } or return;

	if ($path eq '/token')
	{
		append_to_file("$self->{dir}/calls", "- token\n");
		return _respond($client, 200,
			{ access_token => 'stub-token-that-nobody-may-see', expires_in => 3599, token_type => 'Bearer' });
	}
	return _error($client, 401, 'UNAUTHENTICATED', 'no token')
	  if $head !~ /^Authorization: Bearer stub-token-that-nobody-may-see\r$/m;
	return _respond($client, 404, '<html>', type => 'text/html')
	  if $path !~ m{^/v1/\Q$ring\E/cryptoKeys/([\w-]+)(?::(encrypt|decrypt))?$};
	return $self->_call($client, $1, $2 // 'get', $body);
}

sub _call
{
	my ($self, $client, $id, $call, $body) = @_;
	my $does = $self->_get('key', $id, 'ok');
	my $name = $self->key($id) . '/cryptoKeyVersions/' . $self->_get('version', $id, 1);

	append_to_file("$self->{dir}/calls", "$id $call\n");
	sleep 600 if $does eq 'hang';
	return _respond($client, 502, '<html>', type => 'text/html') if $does eq 'html';
	$does = 'denied' if ($does eq 'viewer' && $call eq 'get') || ($does eq 'encrypter' && $call eq 'decrypt');
	if (my $error = $errors{$does})
	{
		return $self->_describe($client, $id, $name, $does)
		  if $call eq 'get' && $does =~ /^(?:disabled|scheduled|destroyed)$/;
		return _error($client, $error->[0], $error->[1], $error->[2] =~ s/^V/$name/r);
	}
	return $self->_describe($client, $id, $name, $does) if $call eq 'get';
	return _crypt($client, $call, $name, $json->decode($body), $does);
}

sub _describe
{
	my ($self, $client, $id, $name, $does) = @_;
	my %states = (disabled => 'DISABLED', scheduled => 'DESTROY_SCHEDULED', destroyed => 'DESTROYED');
	return _respond(
		$client, 200,
		{
			name => $self->key($id),
			purpose => 'ENCRYPT_DECRYPT',
			nextRotationTime => '2030-01-01T00:00:00Z',
			primary => {
				name => $name,
				state => $states{$does} // 'ENABLED',
				protectionLevel => 'SOFTWARE',
				$does eq 'scheduled' ? (destroyTime => '2031-02-03T04:05:06Z') : ()
			}
		}
	);
}

# A ciphertext is version, additional data and the plaintext, turned around so that nobody finds it there.
sub _crypt
{
	my ($client, $call, $name, $order, $does) = @_;
	my $aad = decode_base64($order->{additionalAuthenticatedData});
	my $in = decode_base64($order->{ $call eq 'encrypt' ? 'plaintext' : 'ciphertext' });

	return _error($client, 400, 'INVALID_ARGUMENT', 'checksum')
	  if crc32c($aad) != $order->{additionalAuthenticatedDataCrc32c}
	  || crc32c($in) != $order->{ $call eq 'encrypt' ? 'plaintextCrc32c' : 'ciphertextCrc32c' };
	if ($call eq 'encrypt')
	{
		my $out = "stub $aad " . ($in ^ ("\xA5" x length $in));
		return _respond(
			$client, 200,
			{
				name => $name,
				ciphertext => encode_base64($out, ''),
				ciphertextCrc32c => '' . crc32c($out),
				verifiedPlaintextCrc32c => JSON::PP::true,
				verifiedAdditionalAuthenticatedDataCrc32c => JSON::PP::true
			}
		);
	}
	return _error($client, 400, 'INVALID_ARGUMENT', 'Decryption failed: the ciphertext is invalid.')
	  if index($in, "stub $aad ") != 0;
	my $out = substr $in, length("stub $aad ");
	$out ^= "\xA5" x length $out;
	return _respond($client, 200,
		{ plaintext => encode_base64($out, ''), plaintextCrc32c => '' . ($does eq 'corrupt' ? 1 : crc32c($out)) });
}

1;
