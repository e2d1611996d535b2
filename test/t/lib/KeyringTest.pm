
=head1 NAME

KeyringTest - servers with keyring preloaded, and checks of what they answer

=head1 SYNOPSIS

  use KeyringTest;

  my $node = KeyringTest->new_node('main', conf => "keyring.cache_ttl = '1s'");
  keyring_db($node);                      # extension, key and activation in database postgres
  keyring_db($node, 'other');             # the same in a new database

  sql_ok($node, 'CREATE TABLE t (v encrypted_text)', 'a table');
  sql_is($node, 'SELECT v FROM t', 'secret', 'comes back', db => 'other', user => 'alice');
  sql_fails($node, 'SELECT keyring_activate(99)', '22023', qr/key 99/, 'no such key');

  my $session = background($node, db => 'other');
  $session->query_safe('BEGIN');
  wait_for($node, 'SELECT ...', 't', 'what is waited for');
  kill 'KILL', worker_pid($node, 'keyring kms');
  done_testing();

=head1 DESCRIPTION

On top of PostgreSQL::Test::Cluster, which stops its servers at exit. Test::More's functions are
exported too. Tests run under "make check-tap", which tells by KEYRING_EXTENSION_PATHS where keyring
is installed; without that variable the server's own folders are meant.

=cut

package KeyringTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = (
	@Test::More::EXPORT,
	qw(sql_ok sql_is sql_fails sql_value sql_error keyring_db new_standby background wait_for
	  worker_pid root_key_file log_position log_since slurp_file append_to_file)
);

=head1 FUNCTIONS

=over

=item KeyringTest->new_node($name, %options)

Makes and starts a server: unix socket only, UTF8 without locale, data checksums, no fsync, the root
key in its default place. Options: preload (1), start (1), conf (lines), init (more arguments for
initdb, later ones win), streaming (0; 1 or 'logical'), archiving (0), fsync (0),
restart_after_crash (1: as in production, and unlike PostgreSQL's own tests).

=cut

sub new_node
{
	my ($class, $name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(
		extra => [ '--data-checksums', '--no-locale', '--encoding=UTF8', @{ $options{init} // [] } ],
		allows_streaming => $options{streaming} // 0,
		has_archiving => $options{archiving} // 0
	);
	$node->append_conf('postgresql.conf', _configuration(%options));
	$node->start if $options{start} // 1;
	return $node;
}

sub _configuration
{
	my (%options) = @_;
	my @lines = ("max_worker_processes = 16");

	push @lines, "shared_preload_libraries = 'keyring'" if $options{preload} // 1;
	push @lines, slurp_file($ENV{KEYRING_EXTENSION_PATHS}) if $ENV{KEYRING_EXTENSION_PATHS};
	push @lines, 'fsync = ' . ($options{fsync} ? 'on' : 'off');
	push @lines, 'restart_after_crash = ' . ($options{restart_after_crash} // 1 ? 'on' : 'off');
	push @lines, $options{conf} if defined $options{conf};
	return join("\n", @lines) . "\n";
}

=item keyring_db($node, $db)

Makes the database unless it is postgres (the default), the extension in it, and a primary key.
Returns the database's name, for the db option of the functions below.

=cut

sub keyring_db
{
	my ($node, $db) = @_;
	$db //= 'postgres';
	$node->safe_psql('postgres', qq(CREATE DATABASE "$db")) unless $db eq 'postgres';
	$node->safe_psql($db, 'CREATE EXTENSION keyring');
	$node->safe_psql($db, 'SELECT keyring_activate(keyring_create_key())');
	return $db;
}

=item new_standby($primary, $name, %options)

A streaming standby from a base backup of a node made with streaming => 1. Takes a copy of the root
key along unless root_key => 0. Further option: conf, start (1).

=cut

sub new_standby
{
	my ($primary, $name, %options) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name);

	$primary->backup("for_$name");
	$standby->init_from_backup($primary, "for_$name", has_streaming => 1);
	if (($options{root_key} // 1) && -e root_key_file($primary))
	{
		append_to_file(root_key_file($standby), slurp_file(root_key_file($primary)));
		chmod 0600, root_key_file($standby);
	}
	$standby->append_conf('postgresql.conf', $options{conf}) if defined $options{conf};
	$standby->start if $options{start} // 1;
	return $standby;
}

=item root_key_file($node)

Where the default root key of this server is.

=cut

sub root_key_file
{
	my ($node) = @_;
	return $node->data_dir =~ s{/[^/]+/?$}{/keyring_root.key}r;
}

# Runs SQL with psql. Returns stdout, and what psql said on stderr.
sub _psql
{
	my ($node, $sql, %options) = @_;
	my ($stdout, $stderr, $timed_out);
	my $db = $options{db} // 'postgres';
	my $status = eval {
		$node->psql(
			$db, $sql,
			stdout => \$stdout,
			stderr => \$stderr,
			timeout => $options{timeout} // $PostgreSQL::Test::Utils::timeout_default,
			timed_out => \$timed_out,
			extra_params => [ '-v', 'VERBOSITY=verbose', defined $options{user} ? ('-U', $options{user}) : () ]
		);
	};

	# it may have found no server and gone, before the SQL was written to it
	return (2, '', $@) if $@ =~ /Broken pipe/;
	die $@ if $@;
	$stderr = 'psql timed out' if $timed_out;
	return ($status, $stdout, $stderr);
}

=item sql_value($node, $sql, %options)

What the SQL prints (unaligned, tuples only); dies when it fails. Options of this and the next
functions: db ('postgres'), user, timeout.

=cut

sub sql_value
{
	my ($node, $sql, %options) = @_;
	my ($status, $stdout, $stderr) = _psql($node, $sql, %options);
	die "$sql\n$stderr" if !defined $status || $status != 0;
	return $stdout;
}

=item sql_ok($node, $sql, $test_name, %options)

Passes when the SQL runs without error.

=cut

sub sql_ok
{
	my ($node, $sql, $test_name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $stdout, $stderr) = _psql($node, $sql, %options);
	my $good = defined $status && $status == 0;
	ok($good, $test_name) or diag("$sql\n$stderr");
	return $good;
}

=item sql_is($node, $sql, $expected, $test_name, %options)

Passes when the SQL runs and prints exactly this.

=cut

sub sql_is
{
	my ($node, $sql, $expected, $test_name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $stdout, $stderr) = _psql($node, $sql, %options);
	$stdout = $stderr if !defined $status || $status != 0;
	return is($stdout, $expected, $test_name);
}

=item sql_error($node, $sql, %options)

Runs SQL that should fail. Returns a hash: sqlstate ('00000' when it did not fail), message, detail,
hint, context, and all, the whole text.

=cut

sub sql_error
{
	my ($node, $sql, %options) = @_;
	my ($status, $stdout, $stderr) = _psql($node, $sql, %options);
	return error_in($status, $stderr);
}

# The same of what psql left behind; not exported.
sub error_in
{
	my ($status, $stderr) = @_;
	my %error = (sqlstate => '00000', message => 'no error', detail => '', hint => '', context => '', all => $stderr);

	# psql's first word depends on whether the server ended the session
	if ($stderr =~ /^(?:psql:\S+ )?(?:ERROR|FATAL|PANIC):  (\w{5}): (.*)$/m)
	{
		@error{qw(sqlstate message)} = ($1, $2);
		$error{ lc $1 } = $2 while $stderr =~ /^(DETAIL|HINT|CONTEXT):  (.*)$/mg;
	}
	elsif (!defined $status || $status != 0)
	{
		@error{qw(sqlstate message)} = ('08000', $stderr);
	}
	return %error;
}

=item sql_fails($node, $sql, $sqlstate, $like, $test_name, %options)

Passes when the SQL fails with this SQLSTATE and its message, detail or hint matches the pattern.

=cut

sub sql_fails
{
	my ($node, $sql, $sqlstate, $like, $test_name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %error = sql_error($node, $sql, %options);
	my $text = join "\n", @error{qw(message detail hint)};
	my $good = $error{sqlstate} eq $sqlstate && $text =~ $like;
	ok($good, $test_name)
	  or diag("$sql\nexpected $sqlstate matching $like\ngot $error{sqlstate}: $text\n$error{all}");
	return $good;
}

=item background($node, %options)

A psql session that stays open (PostgreSQL::Test::BackgroundPsql): query, query_safe, query_until,
quit. Options: db, user, on_error_stop (0, so that the session survives an error), verbose (1:
errors carry their SQLSTATE).

=cut

sub background
{
	my ($node, %options) = @_;
	my @extra = ();
	push @extra, '-U', $options{user} if defined $options{user};
	push @extra, '-v', 'VERBOSITY=verbose' if $options{verbose} // 1;
	return $node->background_psql(
		$options{db} // 'postgres',
		on_error_stop => $options{on_error_stop} // 0,
		extra_params => \@extra
	);
}

=item wait_for($node, $sql, $expected, $test_name, %options)

Passes as soon as the SQL prints what is expected (default 't'); gives up after the time-out of the
test suite (PG_TEST_TIMEOUT_DEFAULT, 180 s) or options{timeout}. Errors of the SQL are waited out.

=cut

sub wait_for
{
	my ($node, $sql, $expected, $test_name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $deadline = time + ($options{timeout} // $PostgreSQL::Test::Utils::timeout_default);
	my ($status, $stdout, $stderr);
	$expected //= 't';
	while (1)
	{
		($status, $stdout, $stderr) = _psql($node, $sql, %options);
		return pass($test_name) if defined $status && $status == 0 && $stdout eq $expected;
		last if time > $deadline;
		usleep(50_000);
	}
	fail($test_name);
	diag("$sql\nexpected: $expected\nlast answer: $stdout\n$stderr");
	return 0;
}

=item worker_pid($node, $type)

The process id of a background worker ("keyring kms", "keyring launcher"), waiting for it to start.
Read from the process titles of the postmaster's children: a worker without a database connection is
not in pg_stat_activity.

=cut

sub worker_pid
{
	my ($node, $type) = @_;
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time <= $deadline)
	{
		for my $pid (_children($node))
		{
			my $title = eval { slurp_file("/proc/$pid/cmdline") } // '';
			return $pid if $title =~ /^postgres: (?:\S+: )?\Q$type\E[\s\0]*$/;
		}
		usleep(50_000);
	}
	die "no process \"$type\"\n";
}

sub _children
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children");
}

=item log_position($node), log_since($node, $position)

The server log's size, and what was written to it since.

=cut

sub log_position
{
	my ($node) = @_;
	return -s $node->logfile // 0;
}

sub log_since
{
	my ($node, $position) = @_;
	return substr slurp_file($node->logfile), $position;
}

=back

=cut

1;
