# The server stops in each mode while sessions wait for a key that does not come, and no process is left:
# no backend, no worker, and nothing of the root key command.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main', conf => "keyring.kms_timeout = '10min'");
my $keys = KeyringHold->new($node);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a table with a value');

# Processes that this server, or one below it, has started: they are in its data directory.
sub processes
{
	my $directory = $node->data_dir;
	my @found;
	for my $link (glob '/proc/[0-9]*/cwd')
	{
		my $where = readlink $link // next;
		my ($pid) = $link =~ /(\d+)/;
		push @found, $pid if $where eq $directory || $where eq "$directory (deleted)";
	}
	return @found;
}

sub titles
{
	return join "\n", map {
		(eval { slurp_file("/proc/$_/cmdline") } // '') =~ tr/\0/ /r
	} @_;
}

# Two sessions that wait, one of them for a new key.
sub start_waiting
{
	sql_value($node, 'SELECT keyring_flush_cache()');
	$keys->hold;
	my $reader = start_sql($node, 'SELECT v FROM t', name => 'reader');
	wait_until_waiting($node, 'reader');
	$keys->wait_until_held;
	my $creator = start_sql($node, 'SELECT keyring_create_key()', name => 'creator');
	wait_until_waiting($node, 'creator');
	return ($reader, $creator);
}

sub check_gone
{
	my ($mode) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @left = processes();
	for (1 .. 40)
	{
		# killed ones may take a moment to vanish
		last unless @left;
		select undef, undef, undef, 0.25;
		@left = processes();
	}
	is(titles(@left), '', "$mode: no process is left");
	return;
}

sub check_restarted
{
	my ($mode) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->start;
	sql_is($node, 'SELECT v FROM t', 'secret', "$mode: the value is there after a start");
	sql_is($node, 'SELECT count(*) FROM keyring_keys', '1', "$mode: and no key but the first");
	return;
}

for my $mode (qw(fast immediate))
{
	my @sessions = start_waiting();
	my $position = log_position($node);
	ok(processes() > 5, "$mode: there are processes");
	$node->stop($mode);
	for my $session (@sessions)
	{
		my %answer = finish_sql($session);
		like(
			$answer{all},
			$mode eq 'fast' ? qr/57P01/ : qr/57P02|server closed the connection/,
			"$mode: a waiting session is told"
		);
	}
	check_gone($mode);
	unlike(
		log_since($node, $position),
		qr/PANIC|terminated by signal|did not (?:exit|stop)/,
		"$mode: no process had to be killed"
	);
	$keys->release;
	check_restarted($mode);
}

# smart waits for the sessions, and so must the worker: they could not end otherwise.
my ($reader, $creator) = start_waiting();
my $position = log_position($node);
$node->command_ok([ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '--no-wait', 'stop' ], 'smart: asked to stop');
wait_until(sub { log_since($node, $position) =~ /received smart shutdown request/ }, 'the request to arrive');
my %refused = sql_error($node, 'SELECT 1');
like($refused{all}, qr/the database system is shutting down/, 'smart: no new sessions');
$keys->release;
my %answer = finish_sql($reader);
is($answer{stdout}, 'secret', 'smart: the session that waits gets its value') or diag($answer{all});
%answer = finish_sql($creator);
is($answer{stdout}, '2', 'smart: and the other one its key') or diag($answer{all});
wait_until(sub { !-e $node->data_dir . '/postmaster.pid' }, 'the server to stop');
$node->_update_pid(0);
check_gone('smart');
$node->start;
sql_is($node, 'SELECT v, (SELECT count(*) FROM keyring_keys) FROM t', 'secret|2', 'smart: all is there after a start');

# The command of an operator may start others, and they may be what hangs.
for my $mode (qw(fast immediate))
{
	$node->adjust_conf('postgresql.conf', 'keyring.root_key_command', "'sleep 1000; echo never'");
	$node->reload;
	sql_value($node, 'SELECT keyring_flush_cache()');
	$reader = start_sql($node, 'SELECT v FROM t', name => 'reader');
	wait_until_waiting($node, 'reader');
	wait_until(sub { titles(processes()) =~ /^sleep 1000/m }, 'the command to hang');
	$node->stop($mode);
	finish_sql($reader);
	check_gone("$mode, a command with children");
	$node->start if $mode eq 'fast';
}

done_testing();
