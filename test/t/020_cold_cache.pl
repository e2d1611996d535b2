# The cache of data keys: however many sessions want a key at once, it is unwrapped once, also when that
# fails; flushing; and how long a key stays.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main',
	conf => "max_connections = 120\nkeyring.kms_timeout = '120s'\nkeyring.cache_ttl = '1d'");
my $keys = KeyringHold->new($node);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a table with a value');

my $counters = q(SELECT string_agg(value::text, ' ' ORDER BY name) FROM keyring_stats
	WHERE name IN ('evictions', 'keys_cached', 'unwrap_failures', 'unwraps'));

# Counts of evictions, keys cached, failures and unwraps.
sub counters
{
	return split ' ', sql_value($node, $counters);
}

# Until so many sessions are at the door; for as long as more of them come.
sub wait_until_there
{
	my ($sessions) = @_;
	my $there = 0;
	my $query = q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crowd' AND wait_event = 'advisory');
	while ($there < $sessions)
	{
		my $before = $there;
		wait_until(sub { ($there = sql_value($node, $query)) > $before }, "more than $before of $sessions sessions");
	}
	return;
}

# Sessions that all wait for the key before it comes. Returns how many, and the lines of pgbench on errors. They first meet
# at a lock: to start them takes as long as the machine is busy, and a key that is held comes too late after keyring.kms_timeout.
sub crowd
{
	my ($sessions) = @_;
	my $script = $node->basedir . '/crowd.sql';
	my ($out, $err) = ('', '');
	unlink $script;
	append_to_file($script, <<'SCRIPT');
BEGIN;
SELECT pg_advisory_xact_lock_shared(1);
SELECT 1 / (count(*) FILTER (WHERE v::text = 'secret')) FROM t;
END;
SCRIPT

	$keys->hold;
	my $door = background($node);
	$door->query_safe('SELECT pg_advisory_lock(1)');
	my $run = IPC::Run::start(
		[
			$node->installed_command('pgbench'),
			'-n', '-f', $script, '-t', 1, '-c', $sessions, '-j', 4,
			$node->connstr('postgres') . " application_name='crowd'"
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err
	);
	wait_until_there($sessions);
	$door->quit;
	wait_until_waiting($node, 'crowd', $sessions);
	$keys->release;
	$run->finish;
	my ($processed) = $out =~ m{number of transactions actually processed: (\d+)/};
	return ($processed // 0, $err);
}

sql_ok($node, 'SELECT keyring_flush_cache()', 'flushed');
my @before = counters();
is($before[1], 0, 'a flushed cache is empty');

my $calls = $keys->calls;
my ($processed, $errors) = crowd(100);
is($processed, 100, '100 sessions on a cold cache: all get their answer') or diag($errors);
my @after = counters();
is($after[3] - $before[3], 1, '100 sessions on a cold cache: one unwrap');
is($keys->calls - $calls, 1, '100 sessions on a cold cache: the root key was read once');
is($after[1], 1, 'one key is cached');

sql_ok($node, 'SELECT count(v::text) FROM t', 'read again');
is((counters())[3], $after[3], 'a cached key is not unwrapped again');

sql_ok($node, 'SELECT keyring_flush_cache()', 'flushed');
is((counters())[0], $after[0] + 1, 'flushing counts as an eviction');

# The same with a failure: a crowd must not repeat it for each session.
@before = counters();
$keys->fail('the safe is locked');
($processed, $errors) = crowd(20);
is($processed, 0, '20 sessions and a failing command: nobody gets an answer');
is(() = $errors =~ /failed with exit status 1/g, 20, 'and each is told why') or diag($errors);
unlike($errors, qr/safe/, 'but not in the words of the command');
@after = counters();
is($after[3] - $before[3], 1, 'one attempt was made for all of them');
is($after[2] - $before[2], 1, 'and counted as one failure');
$keys->succeed;
wait_for($node, 'SELECT v FROM t', 'secret', 'it is tried again, and works');

# One of them comes late, when others would try again: it gets the answer to its own question all the same.
sql_ok($node, 'SELECT keyring_flush_cache()', 'flushed');
$keys->fail('the safe is still locked');
$keys->hold;
my $late = start_sql($node, 'SELECT v FROM t', name => 'late');
wait_until_waiting($node, 'late');
my $pid = sql_value($node, q(SELECT pid FROM pg_stat_activity WHERE application_name = 'late'));
kill 'STOP', $pid;
@before = counters();
$keys->release;
wait_until(sub { (counters())[2] > $before[2] }, 'the failure');
sleep 3;
$keys->succeed;
kill 'CONT', $pid;
my %answer = finish_sql($late);
like($answer{detail}, qr/failed with exit status 1\.$/, 'a late session gets the failure that it has waited for');
is((counters())[3], $before[3] + 1, 'and does not cause another attempt');
wait_for($node, 'SELECT v FROM t', 'secret', 'which is left to the next one');

# keyring.cache_ttl, changed while the worker sleeps until tomorrow.
$calls = $keys->calls;
sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1s'; SELECT pg_reload_conf()), 'a short cache_ttl');
wait_until(sub { $keys->calls >= $calls + 2 }, 'the key to be verified twice');
pass('a changed cache_ttl counts at once');
sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1d'; SELECT pg_reload_conf()), 'a long one again');
sql_is($node, q(SELECT cached, health, now() - verified_at < '1h' FROM keyring_keys),
	't|ok|t', 'verifying leaves it cached');

my $secret = $keys->keys_text =~ s/\s+//gr;
unlike(slurp_file($node->logfile), qr/$secret/i, 'the root key is not in the server log');

done_testing();
