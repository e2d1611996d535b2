
=head1 NAME

KeyringHold - a root key command that a test can hold, and statements that wait meanwhile

=head1 SYNOPSIS

  use KeyringTest;
  use KeyringHold;

  my $node = KeyringTest->new_node('main', conf => "keyring.kms_timeout = '60s'");
  my $keys = KeyringHold->new($node);     # takes over from the root key file, if there is one
  keyring_db($node);

  $keys->hold;                            # the next command that the worker runs does not end
  my $reader = start_sql($node, 'SELECT v FROM t', name => 'reader');
  $keys->wait_until_held;
  wait_until_waiting($node, 'reader');
  $keys->release;
  my %answer = finish_sql($reader);       # stdout, status, seconds, and the keys of sql_error()
  wait_for_answer(background($node), 'SELECT v FROM t', 'KR001', 'locked out');

  $keys->fail('gone');                    # the command fails, saying this; ->succeed ends that

=head1 DESCRIPTION

Fetches take moments, so what happens during one is hard to test. Here a fetch takes as long as the
test wants, and nothing depends on time.

=cut

package KeyringHold;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use KeyringTest qw(append_to_file root_key_file slurp_file sql_value);
use PostgreSQL::Test::Utils;
use Test::More import => ['is'];
use Time::HiRes qw(time usleep);

our @EXPORT = qw(answer_of finish_sql start_sql wait_for_answer wait_until wait_until_waiting);

my $limit = $PostgreSQL::Test::Utils::timeout_default;

sub new
{
	my ($class, $node) = @_;
	my $dir = $node->basedir . '/hold';
	my $self = bless { dir => $dir, node => $node, seen => 0 }, $class;

	mkdir $dir or die "$dir: $!";
	my $file = root_key_file($node);
	$self->write_keys(-e $file ? slurp_file($file) : random_key());
	append_to_file("$dir/calls", '');
	append_to_file("$dir/command", <<"END");
echo call >> '$dir/calls'
if [ -e '$dir/delay' ]; then sleep "\$(cat '$dir/delay')"; fi
while [ -e '$dir/held' ]; do sleep 0.05; done
if [ -e '$dir/complaint' ]; then cat '$dir/complaint' >&2; exit 1; fi
cat '$dir/keys'
END
	$node->append_conf('postgresql.conf', "keyring.root_key_command = 'sh \"$dir/command\"'");
	$node->reload if -e $node->data_dir . '/postmaster.pid';
	return $self;
}

# A line of a root key file.
sub random_key
{
	open my $random, '<:raw', '/dev/urandom' or die $!;
	read $random, my $bytes, 32 or die $!;
	return unpack('H*', $bytes) . "\n";
}

sub write_keys
{
	my ($self, $text) = @_;
	unlink "$self->{dir}/keys";
	append_to_file("$self->{dir}/keys", $text);
	chmod 0600, "$self->{dir}/keys";
	return;
}

sub keys_text
{
	my ($self) = @_;
	return slurp_file("$self->{dir}/keys");
}

# How often the command was run.
sub calls
{
	my ($self) = @_;
	return scalar(() = slurp_file("$self->{dir}/calls") =~ /call/g);
}

sub hold
{
	my ($self) = @_;
	$self->{seen} = $self->calls;
	append_to_file("$self->{dir}/held", '');
	return;
}

sub wait_until_held
{
	my ($self, $more) = @_;
	$more //= 1;
	wait_until(sub { $self->calls >= $self->{seen} + $more }, "the root key command to run");
	return;
}

sub release
{
	my ($self) = @_;
	unlink "$self->{dir}/held";
	return;
}

sub fail
{
	my ($self, $complaint) = @_;
	append_to_file("$self->{dir}/complaint", "$complaint\n");
	return;
}

sub succeed
{
	my ($self) = @_;
	unlink "$self->{dir}/complaint";
	return;
}

# Each call takes so many seconds.
sub delay
{
	my ($self, $seconds) = @_;
	unlink "$self->{dir}/delay";
	append_to_file("$self->{dir}/delay", $seconds);
	return;
}

# Dies when the condition does not come true within the suite's time-out.
sub wait_until
{
	my ($condition, $what) = @_;
	my $deadline = time + $limit;
	until ($condition->())
	{
		die "waited $limit s for $what\n" if time > $deadline;
		usleep(50_000);
	}
	return;
}

# What a session of background() gets: the rows, or the SQLSTATE; more of an error is in its {stderr}.
sub answer_of
{
	my ($session, $sql) = @_;
	$session->{stderr} = '';
	my ($out) = $session->query($sql);
	my ($error) = $session->{stderr} =~ /ERROR:  (\w{5})/;
	return $error // $out;
}

# A test that it becomes this, which is asked for again and again.
sub wait_for_answer
{
	my ($session, $sql, $expected, $test_name) = @_;
	my $last = '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		wait_until(sub { ($last = answer_of($session, $sql)) eq $expected }, $expected);
	};
	return is($last, $expected, $test_name);
}

# Starts psql with one command and does not wait for it. Options: db, user, name (application_name).
sub start_sql
{
	my ($node, $sql, %options) = @_;
	my %client = (started => time, stdout => '', stderr => '');
	my @command = ($node->installed_command('psql'), '-XAtq', '-v', 'VERBOSITY=verbose', '-d');

	push @command,
	  $node->connstr($options{db} // 'postgres') . " application_name='" . ($options{name} // 'client') . "'";
	push @command, '-U', $options{user} if defined $options{user};
	push @command, '-c', $sql;
	$client{run} = IPC::Run::start(\@command, '<', \undef, '>', \$client{stdout}, '2>', \$client{stderr},
		IPC::Run::timeout($limit, exception => "psql timed out: $sql\n"));
	return \%client;
}

# Waits for it. Returns stdout, status, seconds, and what sql_error() does.
sub finish_sql
{
	my ($client) = @_;
	$client->{run}->finish;
	my $status = $client->{run}->full_result(0);
	my %error = KeyringTest::error_in($status, $client->{stderr});

	chomp $client->{stdout};
	return (%error, stdout => $client->{stdout}, status => $status, seconds => time - $client->{started});
}

# Until so many sessions of that application_name wait in keyring.
sub wait_until_waiting
{
	my ($node, $name, $count) = @_;
	$count //= 1;
	my $waiting =
	  "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$name' AND wait_event_type = 'Extension'";
	wait_until(sub { sql_value($node, $waiting) >= $count }, "$count sessions \"$name\" to wait for a key");
	return;
}

1;
