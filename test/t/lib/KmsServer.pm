
=head1 NAME

KmsServer - a Google Cloud KMS for a test (test/kms), and the other end of its control API

=head1 SYNOPSIS

  use KmsServer;

  my $kms = KmsServer->start;
  my $key = $kms->create_key('k');        # projects/acme/locations/global/keyRings/ring/cryptoKeys/k
  $kms->grant($key);                      # encrypt, decrypt and view, for the server's own service account
  # keyring.gcp_endpoint = $kms->{endpoint}, keyring.kms_ca_file = $kms->{ca_file},
  # keyring.gcp_credentials_file = $kms->{credentials_file}
  $kms->revoke($key);
  $kms->fault(kind => 'decrypt', key => $key, error => 'unavailable', count => 3);
  is($kms->count(decrypt => $key), 1, 'one call');
  $kms->control(set_state => name => $key, state => 'DISABLED');      # every other call: test/kms/README.md

=head1 DESCRIPTION

What the server writes to server.json (endpoint, plain_endpoint, token_uri, metadata_host, ca_file,
credentials_file, member, pid, access_log and more) are fields of the object. The server ends with the object, with
stop, or with the test.

=cut

package KmsServer;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(usleep);

my $program = abs_path(dirname(__FILE__) . '/../../kms/kms-server');
my $start_timeout = 60;
my @roles = map { "roles/cloudkms.$_" } qw(cryptoKeyEncrypterDecrypter viewer);

=head1 METHODS

=over

=item KmsServer->start(%options)

Starts a server and waits until it is ready. Option: dir (a new temporary folder).

=cut

sub start
{
	my ($class, %options) = @_;
	my $dir = $options{dir} // tempdir('kms.XXXXXX', TMPDIR => 1, CLEANUP => 1);
	my $owner = $$;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$dir/server.log";
		open STDERR, '>&', \*STDOUT;
		{ exec $program, $dir };
		POSIX::_exit(127);
	}
	my $self = bless { child => $pid, owner => $owner, dir => $dir }, $class;
	for (my $waited = 0; !-e "$dir/server.json"; $waited += 0.02)
	{
		usleep(20_000);
		next if waitpid($pid, POSIX::WNOHANG) == 0 && $waited < $start_timeout;
		die "the KMS does not start:\n" . _slurp("$dir/server.log");
	}
	%$self = (%$self, %{ decode_json(_slurp("$dir/server.json")) });
	return $self;
}

=item $kms->settings

Lines of postgresql.conf by which a server finds this service, with its credentials file.

=cut

sub settings
{
	my ($self) = @_;
	return join "\n",
	  "keyring.gcp_endpoint = '$self->{endpoint}'",
	  "keyring.kms_ca_file = '$self->{ca_file}'",
	  "keyring.gcp_credentials_file = '$self->{credentials_file}'";
}

=item $kms->stop

Ends the server, at once.

=cut

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{child} or return;
	return if $$ != $self->{owner};    # a fork's copy of the object
	local ($?, $!);
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	$self->stop;
	return;
}

=item $kms->control($call, %arguments)

Makes one call of the control API; returns its result, or dies with its error.

=cut

sub control
{
	my ($self, $call, %arguments) = @_;
	my $answer =
	  HTTP::Tiny->new->post("$self->{control}/$call", { content => JSON::PP->new->utf8->encode(\%arguments) });
	my $said = eval { decode_json($answer->{content}) } // { error => $answer->{content} };
	die "kms $call: $said->{error}\n" if exists $said->{error};
	return $said->{result};
}

=item $kms->create_key($id, %options)

Makes a key with an enabled primary version; returns its resource name. A full name may be given as $id.
Options: protection_level, purpose, rotation and destroy_after (seconds).

=cut

sub create_key
{
	my ($self, $id, %options) = @_;
	my $name = $id =~ m{/} ? $id : "projects/acme/locations/global/keyRings/ring/cryptoKeys/$id";
	return $self->control(create_key => name => $name, %options)->{name};
}

=item $kms->grant($resource, @roles), $kms->revoke($resource, @roles)

For the server's own service account; both roles that keyring asks for unless some are named.

=cut

sub grant
{
	my ($self, $resource, @some) = @_;
	$self->control(grant => resource => $resource, role => $_, member => $self->{member}) for @some ? @some : @roles;
	return;
}

sub revoke
{
	my ($self, $resource, @some) = @_;
	$self->control(revoke => resource => $resource, role => $_, member => $self->{member}) for @some ? @some : @roles;
	return;
}

=item $kms->fault(%fault)

Orders a fault: test/kms/README.md lists them.

=cut

sub fault
{
	my ($self, %fault) = @_;
	$self->control(fault => %fault);
	return;
}

=item $kms->count($kind, $key)

How many requests of a kind came, for one key or for all.

=cut

sub count
{
	my ($self, $kind, $key) = @_;
	my $counters = $self->control('counters')->{$kind} // {};
	return $counters->{$key} // 0 if defined $key;
	my $sum = 0;
	$sum += $_ for values %$counters;
	return $sum;
}

sub _slurp
{
	my ($file) = @_;
	open my $in, '<', $file or return "$file: $!";
	local $/;
	return scalar <$in>;
}

=back

=cut

1;
