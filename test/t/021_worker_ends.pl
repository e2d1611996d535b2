# The KMS worker ends while sessions wait for it: by SIGTERM (they get their answer from its successor) and
# by SIGKILL (a crash as of any server process: the server recovers, nothing is lost).
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main', fsync => 1, conf => "keyring.kms_timeout = '120s'");
my $keys = KeyringHold->new($node);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (id int, v encrypted_text); INSERT INTO t VALUES (1, 'secret')), 'a table with a value');

# The pid of the worker that comes after this one.
sub successor
{
	my ($type, $pid) = @_;
	my $next;
	wait_until(sub { $next = worker_pid($node, $type); $next != $pid }, "another $type");
	return $next;
}

# SIGTERM, with nobody waiting.
sql_is($node, 'SELECT v FROM t', 'secret', 'a key is cached');
my $session = background($node);
is($session->query_safe('SELECT v FROM t'), 'secret', 'also for a session that stays');
my $position = log_position($node);
my $pid = worker_pid($node, 'keyring kms');
kill 'TERM', $pid;
successor('keyring kms', $pid);
pass('the worker is back after SIGTERM');
is($session->query_safe('SELECT v FROM t'), 'secret', 'the session that stayed reads on');
sql_is($node,
	q(SELECT string_agg(value::text, ' ' ORDER BY name) FROM keyring_stats WHERE name IN ('evictions', 'unwraps')),
	'1 2', 'but the key was wiped with its worker, and unwrapped anew');

# SIGTERM during a fetch.
sql_ok($node, 'SELECT keyring_flush_cache()', 'flushed');
$keys->hold;
my $reader = start_sql($node, 'SELECT v FROM t', name => 'reader');
wait_until_waiting($node, 'reader');
$keys->wait_until_held;
$pid = worker_pid($node, 'keyring kms');
kill 'TERM', $pid;
successor('keyring kms', $pid);
$keys->wait_until_held(2);
pass('the successor takes the fetch over');
$keys->release;
my %answer = finish_sql($reader);
is($answer{stdout}, 'secret', 'SIGTERM during a fetch: the session gets its value') or diag($answer{all});

# SIGTERM during a request, with others behind it.
$keys->hold;
my @creators = map { start_sql($node, "SELECT keyring_create_key(label => 'k$_')", name => 'creator') } 1 .. 3;
wait_until_waiting($node, 'creator', 3);
$keys->wait_until_held;
$pid = worker_pid($node, 'keyring kms');
kill 'TERM', $pid;
successor('keyring kms', $pid);
$keys->wait_until_held(2);
$keys->release;
my @ids = map { +{ finish_sql($_) }->{stdout} } @creators;
is(join(' ', sort @ids), '2 3 4', 'SIGTERM during a request: all sessions get their keys');
sql_is($node, q(SELECT string_agg(label, ' ' ORDER BY label) FROM keyring_keys),
	'k1 k2 k3', 'and each key is there once');

# SIGKILL during a fetch, with a transaction open elsewhere.
$session->query_safe(q(BEGIN; INSERT INTO t VALUES (2, 'never committed')));
sql_ok($node, q(INSERT INTO t VALUES (3, 'committed'); SELECT keyring_flush_cache()), 'a commit just before');
$keys->hold;
$reader = start_sql($node, 'SELECT v FROM t', name => 'reader');
my $creator = start_sql($node, q(SELECT keyring_create_key(label => 'lost')), name => 'creator');
wait_until_waiting($node, 'reader');
wait_until_waiting($node, 'creator');
$keys->wait_until_held;
kill 'KILL', $pid = worker_pid($node, 'keyring kms');
%answer = finish_sql($reader);
like($answer{all}, qr/57P02.*crash of another server process/s, 'SIGKILL: the waiting session is told of the crash');
isnt($answer{status}, 0, 'and is over');
%answer = finish_sql($creator);
like($answer{all}, qr/57P02/, 'SIGKILL: so is the one that waits for a new key');
$keys->release;
wait_for(
	$node,
	'SELECT string_agg(v::text, $$ $$ ORDER BY id) FROM t',
	'secret committed',
	'SIGKILL: the server recovers, all values are there'
);
isnt(successor('keyring kms', $pid), $pid, 'SIGKILL: there is a worker again');
sql_is($node, q(SELECT count(*) FROM keyring_keys WHERE label = 'lost'), '0', 'SIGKILL: no key was stored');
sql_is($node, q(SELECT value FROM keyring_stats WHERE name = 'unwraps'), '1', 'SIGKILL: counters begin anew');
sql_ok(
	$node,
	q(SELECT keyring_activate(2); INSERT INTO t VALUES (4, 'later')),
	'SIGKILL: keys and values can be changed again'
);
like(
	log_since($node, $position),
	qr/background worker "keyring kms" \(PID $pid\) was terminated by signal 9/,
	'the log names the worker'
);

# The launcher.
$pid = worker_pid($node, 'keyring launcher');
kill 'TERM', $pid;
isnt(successor('keyring launcher', $pid), $pid, 'the launcher is back after SIGTERM');
sql_is($node, 'SELECT count(v::text) FROM t', '3', 'and nobody minds');

done_testing();
