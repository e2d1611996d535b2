# Several jobs at once: a worker for each, keyring.reencrypt_workers of them, in one database or two; one job for a
# column; and a launcher that ends while they work.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

# Each job rests after its first pages. A reload wakes it, so that the tables have more than there are reloads.
my $node = KeyringTest->new_node('main', conf => <<'END');
autovacuum = off
keyring.reencrypt_batch_time = 1
keyring.reencrypt_delay = '60s'
END
keyring_db($node);
keyring_db($node, 'other');

sub change
{
	my ($setting, $value) = @_;
	sql_value($node, "ALTER SYSTEM SET keyring.$setting = $value");
	$node->reload;
	return;
}

my $table = 'CREATE TABLE %s (id int, name encrypted_text(searchable), note encrypted_text);
	CREATE INDEX ON %1$s (name); INSERT INTO %1$s SELECT i, $$name $$ || i, $$note $$ || i FROM generate_series(1, 10000) i;';
sql_value($node, join '', map { sprintf $table, $_ } qw(a b c d));
sql_value($node, 'CREATE TABLE heir () INHERITS (d)');
sql_value($node, sprintf($table, 'a'), db => 'other');
sql_value($node, 'SELECT keyring_activate(keyring_create_key())', db => $_) for qw(postgres other);

my $states = q(SELECT string_agg(concat(relation, ' ', state, ' ', moved > 0), ', ' ORDER BY id) FROM keyring_jobs);
my $pids = q(SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE backend_type = 'keyring job');
my $workers = q(SELECT count(*), count(DISTINCT datid) FROM pg_stat_activity WHERE backend_type = 'keyring job');

# --- as many at a time as the setting says ------------------------------------------------------

sql_value($node, "SELECT keyring_reencrypt('$_')") for qw(a b c);
wait_for($node, $states, 'a running t, b running t, c queued f', 'two jobs run at once, a third is queued');
sql_is($node, $workers, '2|1', 'each has a worker');
sql_is($node, q(SELECT string_agg(DISTINCT key_id::text, ' ') FROM keyring_census('a')), '1 2', 'and is in the middle');
my $waiter = start_sql($node, 'CALL keyring_wait_for_job(1)', name => 'waiter');
sql_is(
	$node,
	q(SELECT current_relation, target_key, pass, percent > 0 AND percent < 100, scanned > 0, moved = scanned, skipped, unrecoverable,
		total BETWEEN 16000 AND 24000, rate > 0, time_left >= '0 s' AND time_left < '1 min', finished_at IS NULL
		FROM keyring_jobs WHERE id = 1),
	'a|2|1|t|t|t|0|0|t|t|t|t',
	'the view shows how far the first is'
);
sql_is($node, q(SELECT current_relation, percent, scanned, total, rate, time_left FROM keyring_jobs WHERE id = 3),
	'||0|0||', 'and that the third has not begun');
wait_for(
	$node,
	q(SELECT detail, hint ~ 'keyring.reencrypt_workers' FROM keyring_doctor() WHERE subject = 'job 3' AND NOT ok),
	'is queued, and no worker is at it|t',
	'the doctor says what the third lacks'
);
change(reencrypt_workers => 3);
wait_for($node, $states, 'a running t, b running t, c running t', 'a reload of a larger setting starts it');
sql_value($node, q(SELECT keyring_reencrypt('a')), db => 'other');
sql_is($node, 'SELECT pg_sleep(0.3); ' . $states, "\na queued f", 'a job of another database is queued', db => 'other');
change(reencrypt_workers => 4);
wait_for($node, $states, 'a running t', 'and started likewise', db => 'other');
sql_is($node, $workers, '4|2', 'four workers in two databases');

# --- pausing does not wait for the end of a rest --------------------------------------------------

sql_ok($node, 'BEGIN; SELECT keyring_pause_job(1); ROLLBACK', 'a job is paused, and is not');
sql_is($node, 'SELECT pg_sleep(0.3); ' . $workers, "\n4|2", 'its worker stays');
sql_ok($node, 'SELECT keyring_pause_job(2)', 'another one is paused');
wait_for($node, $workers, '3|2', 'its worker ends', timeout => 20);
sql_is($node, $states, 'a running t, b paused t, c running t', 'the others go on');
sql_ok($node, 'SELECT keyring_resume_job(2)', 'it is resumed');
wait_for($node, $workers, '4|2', 'and has a worker');

change(reencrypt_workers => 1);
sql_is(
	$node,
	'SELECT pg_sleep(0.3); ' . $states,
	"\na running t, b running t, c running t",
	'a smaller setting ends none'
);

# --- one job for a column -----------------------------------------------------------------------

sql_fails($node, "SELECT keyring_reencrypt($_)", '55006', qr/job \d is at it/, "refused while a job is at it: $_")
  for q('a'), q('a', 'note'), '';
my $session = background($node);
$session->query_safe(q(BEGIN; SELECT keyring_reencrypt('d', 'note')));
my $second = start_sql($node, q(SELECT keyring_reencrypt('heir', 'note')));
wait_for(
	$node, q(SELECT count(*) FROM pg_locks WHERE relation = 'keyring_job'::regclass AND NOT granted),
	1, 'a second job for a column of an heir waits for the first to be committed'
);
$session->query_safe('COMMIT');
my %answer = finish_sql($second);
is(
	"$answer{sqlstate} $answer{message}",
	'55006 cannot start a job for column "note" of "heir": job 4 is at it',
	'and is refused then'
);
sql_is($node, q(SELECT keyring_reencrypt('d', 'name')), '5', 'another column may have a job of its own');

# --- a launcher that ends -----------------------------------------------------------------------

my $before = sql_value($node, $pids);
my $launcher = worker_pid($node, 'keyring launcher');
kill 'TERM', $launcher;
wait_until(sub { worker_pid($node, 'keyring launcher') != $launcher }, 'another launcher');
sql_is($node, "SELECT pg_sleep(0.5); $pids",
	"\n$before", 'workers stay when their launcher ends, and the next one starts no more than may be');
change(reencrypt_workers => 6);
wait_for($node, $workers, '6|2', 'the other jobs are started');
my ($victim) = split / /, $before;
my $known = sql_value($node, $pids) =~ s/ /, /gr;
kill 'TERM', $victim;
wait_for(
	$node,
	"SELECT count(*), count(*) FILTER (WHERE pid IN ($known)) FROM pg_stat_activity WHERE backend_type = 'keyring job'",
	'6|5',
	'a worker that is terminated has a successor, though another launcher has started it'
);
$node->restart;
wait_for($node, $workers, '6|2', 'after a restart of the server each job has a worker');
wait_for(
	$node,
	q(SELECT column_name, state, moved > 0, finished_at IS NULL FROM keyring_jobs WHERE relation = 'd'::regclass ORDER BY 1),
	"name|running|t|t\nnote|running|t|t",
	'two columns of one table are moved at the same time, by two of them'
);
change(reencrypt_delay => 0);


# the restart has ended the first session that waited
%answer = finish_sql($waiter);
like(
	$answer{all},
	qr/INFO: .* job 1: running, pass 1: \d+\.\d percent, \d+ values\/s, \d\d:\d\d:\d\d left, \d+ moved\n/,
	'whoever waits sees lines of progress'
);
%answer = finish_sql(start_sql($node, 'CALL keyring_wait_for_job(1)'));
like(
	$answer{all},
	qr/INFO: .* job 1: completed, pass 1: 100\.0 percent, \d+ values\/s, 20000 moved\n/,
	'and the last one'
);
for my $db (qw(postgres other))
{
	wait_for($node, q(SELECT count(*) FROM keyring_jobs WHERE state <> 'completed'), 0, "$db: all end", db => $db);
	sql_is(
		$node, q(SELECT DISTINCT key_id FROM keyring_census()),
		2, "$db: every value is under the new key",
		db => $db
	);
	sql_is(
		$node, q(SELECT count(*) FROM a WHERE name = 'name ' || id AND note = 'note ' || id),
		10000, "$db: values are what they were",
		db => $db
	);
}
wait_for($node, $workers, '0|0', 'no worker is left');

$node->command_ok(
	[
		'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--install-missing', '-t', 'public.*',
		'--heapallindexed'
	],
	'pg_amcheck finds nothing'
);
done_testing();
