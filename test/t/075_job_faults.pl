# Jobs in the middle of which their tables are changed, the extension is to be dropped or no worker is to be had; what one
# table does to the others; what the doctor says; and waiting for a job at its edges.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;
use Time::HiRes qw(usleep);

my $node = KeyringTest->new_node('main', conf => <<'END');
wal_level = logical
autovacuum = off
max_worker_processes = 40
keyring.reencrypt_workers = 32
keyring.reencrypt_batch_time = 1
END
keyring_db($node);
keyring_db($node, 'other');
sql_ok($node, 'CREATE EXTENSION amcheck; CREATE SCHEMA shop', 'amcheck');

# How long a job rests after each batch.
sub delay
{
	my ($ms) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET keyring.reencrypt_delay = $ms");
	$node->reload;
	return;
}

sub new_key
{
	my $id = sql_value($node, 'SELECT keyring_create_key()');
	sql_value($node, "SELECT keyring_activate($id)");
	return $id;
}

sub make_table
{
	my ($table) = @_;
	return <<"END";
CREATE TABLE $table (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, note encrypted_text, plain text);
INSERT INTO $table SELECT i, 'name ' || i, 'note ' || i, 'plain ' || i FROM generate_series(1, 1000) i;
END
}

my $in_middle = q(SELECT count(*) FROM keyring_job
	WHERE state = 'running' AND next_block > 0 AND next_block < end_block AND moved > 0);

# --- tables are changed -------------------------------------------------------------------------

# Of table t, a job of its own for each: what is done, what is read, what must be read then, if not what was before.
my $all = q(SELECT md5(string_agg(concat_ws('|', id, name, note), ',' ORDER BY id)) FROM t);
my @changes = (
	[ 'CLUSTER t USING t_pkey', $all ],
	[ 'VACUUM FULL t', $all ],
	[ 'REINDEX TABLE t', $all ],
	[ 'REINDEX TABLE CONCURRENTLY t', $all ],
	[ 'ALTER TABLE t DROP CONSTRAINT t_name_key', $all ],
	[ 'ALTER TABLE t SET SCHEMA shop', $all =~ s/FROM t/FROM shop.t/r ],
	[ 'ALTER TABLE t RENAME COLUMN name TO called', $all =~ s/name/called/r ],
	[ 'ALTER TABLE t ALTER COLUMN id TYPE bigint', $all ],
	[ 'ALTER TABLE t DROP COLUMN note', $all =~ s/note/'note ' || id/r ],
	[ q(ALTER TABLE t ADD COLUMN more encrypted_text DEFAULT 'x'), q(SELECT count(*) FROM t WHERE more = 'x'), 1000 ],
	[ q(SELECT keyring_decrypt_column('t', 'note')), $all ],
	[ q(SELECT keyring_encrypt_column('t', 'plain')), q(SELECT count(*) FROM t WHERE plain = 'plain ' || id), 1000 ],
	[ 'ALTER TABLE t ALTER COLUMN note TYPE encrypted_text(searchable)', $all ],
	[ q(UPDATE t SET plain = 'x'; VACUUM t), $all ],
	[ q(DELETE FROM t WHERE id > 500; VACUUM t), 'SELECT count(*), max(name::text) FROM t', '500|name 99' ],
	[ 'ALTER TABLE t SET UNLOGGED', $all ],
	[ 'ALTER TABLE t INHERIT root', $all ],
	[ 'TRUNCATE t', 'SELECT count(*) FROM t', 0 ],
	[ 'DROP TABLE t', q(SELECT to_regclass('t') IS NULL), 't' ]
);

# What is written for table t, for the one with this number.
sub at
{
	my ($sql, $number) = @_;
	return $sql =~ s/\bt(?=\b|_)/t$number/gr;
}

my $renamed = @changes;
sql_value(
	$node, join '',
	'CREATE TABLE root (name encrypted_text(searchable), note encrypted_text);',
	map { make_table("t$_") } 0 .. $renamed
);
my @before = map { sql_value($node, at($all, $_)) } 0 .. $#changes;
delay(60_000);
my $key = new_key();
my $old = $key - 1;
sql_value($node, join ';', map { "SELECT keyring_reencrypt('t$_')" } 0 .. $#changes);
my $job = sql_value($node, "SELECT keyring_reencrypt('t$renamed', 'note')");
wait_for($node, $in_middle, @changes + 1, 'jobs are in the middle of their tables');

# what wakes all workers
my $moved = "SELECT string_agg(moved::text, ',' ORDER BY id) FROM keyring_job WHERE id <> $job";
my $so_far = sql_value($node, $moved);
sql_ok($node, "SELECT keyring_pause_job($job)", 'one of them is paused');
sql_ok($node, "SELECT keyring_resume_job($job)", 'and goes on');
wait_for($node, $in_middle, @changes + 1, 'all are in the middle again');
usleep(500_000);
sql_is($node, $moved, $so_far, 'the others rest as long as they shall');

sql_fails(
	$node, 'DROP EXTENSION keyring',
	'2BP01',
	qr/other objects depend on it/,
	'DROP EXTENSION in the middle of jobs'
);
sql_fails(
	$node, 'DROP EXTENSION keyring CASCADE',
	'2BP01',
	qr/encrypted column/,
	'DROP EXTENSION CASCADE in the middle of jobs'
);
sql_ok(
	$node,
	"BEGIN; SET keyring.allow_drop_cascade = on; DROP EXTENSION keyring CASCADE; ROLLBACK",
	'it is dropped, and is not'
);

for my $number (0 .. $#changes)
{
	my ($change, $query, $expected) = @{ $changes[$number] };
	my $answer = sql_value($node, at("$change; $query", $number));
	is($answer =~ s/^\s+//r, $expected // $before[$number], $change);
}
sql_ok(
	$node,
	"ALTER TABLE t$renamed RENAME COLUMN note TO remark; ALTER TABLE t$renamed RENAME COLUMN name TO note",
	'the column of a job is renamed, and another gets its name'
);
delay(0);
wait_for($node, q(SELECT count(*) FROM keyring_jobs WHERE state <> 'completed'), 0, 'every job ends');

for my $number (0 .. $#changes)
{
	my ($change, $query, $expected) = @{ $changes[$number] };
	sql_is($node, at($query, $number), $expected // $before[$number], "$change: values are what they were");
}
sql_is($node, 'SELECT relation, column_name, key_id FROM keyring_census() WHERE key_id <> ' . $key,
	"t$renamed|note|$old",
	'every value is under the new key, but for the column that has got the name of the one that a job was for');
sql_is($node, "SELECT column_name FROM keyring_jobs WHERE id = $job", 'remark', 'which is shown by its name of now');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'no value is given up');
sql_value($node, "DROP TABLE root, $_")
  for join ', ', map { "t$_" } grep { $changes[$_][0] !~ /DROP TABLE|SCHEMA/ } 0 .. $#changes;
sql_value($node, "DROP SCHEMA shop CASCADE; DROP TABLE t$renamed");

# --- one table does not stop the others ---------------------------------------------------------

sql_ok($node, <<'END', 'tables of which some are stopped');
CREATE TABLE first (id int, v encrypted_text);
CREATE TABLE second (id int, v encrypted_text);
CREATE TABLE third (id int, v encrypted_text);
INSERT INTO first SELECT i, 'v' || i FROM generate_series(1, 100) i;
INSERT INTO second TABLE first;
INSERT INTO third TABLE first;
CREATE PUBLICATION broken FOR TABLE second;
END
my $keys = q(SELECT relation, min(key_id), max(key_id) FROM keyring_census() GROUP BY 1 ORDER BY 1);
my $locker = background($node);
$locker->query_safe('BEGIN; LOCK TABLE first');
$key = new_key();
$old = $key - 1;
$job = sql_value($node, 'SELECT keyring_reencrypt()');
wait_for(
	$node, "SELECT state FROM keyring_jobs WHERE id = $job",
	'waiting', 'a job with a locked table and one that cannot be published waits'
);
$locker->query_safe('COMMIT');
wait_for(
	$node,
	"SELECT state, waiting_reason FROM keyring_jobs WHERE id = $job",
	'waiting|table "second": cannot update table "second" because it does not have a replica identity and publishes updates',
	'the published table is named'
);
sql_is($node, $keys, "first|$key|$key\nsecond|$old|$old\nthird|$key|$key", 'all others are moved');
sql_is(
	$node,
	"SELECT ok, detail ~ '^is waiting: table .second.: cannot update', hint IS NOT NULL FROM keyring_doctor() WHERE subject = 'job $job'",
	'f|t|t',
	'the doctor says what it waits for'
);
# of the round between, nothing is to be seen
sql_ok($node, <<"END", 'it stays waiting while it tries again');
DO \$\$ BEGIN
	FOR i IN 1 .. 100 LOOP
		ASSERT (SELECT state = 'waiting' FROM keyring_jobs WHERE id = $job);
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END \$\$
END
my $earlier = background($node);
$earlier->query_safe('BEGIN; SELECT pg_current_xact_id()');
sql_ok($node, 'ALTER TABLE second REPLICA IDENTITY FULL', 'a replica identity');
wait_for($node, "SELECT waiting_reason ~ '^an earlier transaction' FROM keyring_jobs WHERE id = $job",
	't', 'the pass has been to all');
my $shown = start_sql($node, "CALL keyring_wait_for_job($job)", name => 'shown');
wait_until(sub { $shown->{run}->pump_nb; $shown->{stderr} =~ /INFO/ }, 'a line of progress');
like(
	$shown->{stderr},
	qr/an earlier transaction.*\(process \d+, transaction \d+\/\d+\)$/m,
	'whoever waits for the job is told what it waits for'
);
# too late to be one of those that are waited for
$locker->query_safe('BEGIN; LOCK TABLE third');
$earlier->query_safe('COMMIT');
wait_for(
	$node,
	"SELECT waiting_reason FROM keyring_jobs WHERE id = $job",
	'table "third" is locked against writers',
	'the count does not wait in the queue for a lock'
);
$locker->query_safe('COMMIT');
sql_ok($node, 'CALL keyring_wait_for_job()', 'the job ends');
sql_is($node, $keys, "first|$key|$key\nsecond|$key|$key\nthird|$key|$key", 'every table is moved');
sql_is($node, "SELECT count(*) FROM keyring_doctor() WHERE subject LIKE 'job%'",
	'0', 'the doctor has no more to say of it');
sql_ok($node, 'DROP TABLE first, second, third', 'they have served');

# --- no worker to be had ------------------------------------------------------------------------

$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
delay(1000);
sql_value($node, make_table('person'));
$key = new_key();
$job = sql_value($node, 'SELECT keyring_reencrypt()');
wait_for($node, $in_middle, 1, 'a job is in the middle');
sql_is($node, "SELECT ok, detail FROM keyring_doctor() WHERE subject = 'job $job'",
	't|is running', 'a job that runs is well');
wait_for(
	$node, "SELECT pass_seconds > 0.9 AND next_block < end_block FROM keyring_job WHERE id = $job",
	't', 'rests between batches count, so that the rate is what a clock shows'
);
my $position = log_position($node);
sql_ok(
	$node,
	q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('x'); SELECT keyring_activate(keyring_create_key()), keyring_reencrypt()),
	'a job in another database',
	db => 'other'
);
wait_for(
	$node,
	q(SELECT ok, detail, hint ~ 'max_worker_processes' FROM keyring_doctor() WHERE subject = 'job 1' AND NOT ok),
	'f|is queued, and no worker is at it|t',
	'without a free place the doctor says so',
	db => 'other'
);
my @lines = log_since($node, $position) =~ /could not start a worker for re-encryption/g;
is(scalar @lines, 1, 'and the log, once');
sql_ok($node, "SELECT keyring_pause_job($job)", 'the other job is paused');
sql_ok($node, 'CALL keyring_wait_for_job()', 'there is a place now', db => 'other');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '2', 'the job has ended', db => 'other');
sql_is($node, "SELECT ok, detail FROM keyring_doctor() WHERE subject = 'job $job'",
	't|is paused', 'a paused job is somebody\'s will');

# --- waiting for a job --------------------------------------------------------------------------

sql_fails(
	$node, q(CALL keyring_wait_for_job(timeout => '0')),
	'57014',
	qr/has not ended/,
	'a job is waited for without time'
);
sql_fails($node, q(CALL keyring_wait_for_job(timeout => '-1 h')), '57014', qr/has not ended/, 'with less than none');
sql_fails(
	$node, q(CALL keyring_wait_for_job(timeout => '300 ms')),
	'57014',
	qr/has not ended/,
	'a paused job is waited for'
);
sql_fails(
	$node, "CALL keyring_wait_for_job($job)",
	'42704',
	qr/job $job does not exist/,
	'a job of another database',
	db => 'other'
);
sql_fails($node, 'CALL keyring_wait_for_job(-1)', '42704', qr/job -1 does not exist/, 'no job has such a number');
sql_fails(
	$node, 'BEGIN; CALL keyring_wait_for_job()',
	'25001',
	qr/transaction block/,
	'a job is waited for in a transaction block'
);
sql_fails(
	$node, 'DO $$ BEGIN PERFORM 1; CALL keyring_wait_for_job(); EXCEPTION WHEN division_by_zero THEN NULL; END $$',
	'25001',
	qr/transaction block/,
	'in a block with a handler'
);
my $waiter = start_sql($node, "CALL keyring_wait_for_job($job)", name => 'waiter');
wait_until_waiting($node, 'waiter');
# but for the moments in which it looks
wait_for($node,
	q(SELECT backend_xmin IS NULL, backend_xid IS NULL FROM pg_stat_activity WHERE application_name = 'waiter'),
	't|t', 'whoever waits holds back no VACUUM');
sql_ok($node, "SELECT keyring_cancel_job($job)", 'the job is cancelled');
my %answer = finish_sql($waiter);
is(
	"$answer{sqlstate} $answer{message}",
	"55000 job $job was cancelled",
	'a paused job that is cancelled: whoever waits is told'
);
delay(0);
$waiter = start_sql($node, 'CALL keyring_wait_for_job()', name => 'waiter');
%answer = finish_sql($waiter);
is($answer{message}, "job $job was cancelled", 'the newest job is meant, also one that has ended');
sql_ok($node, 'SELECT keyring_reencrypt(); CALL keyring_wait_for_job()', 'another one ends');
sql_ok($node, 'CALL keyring_wait_for_job()', 'a job that has ended is not waited for');

# --- pages that cannot be read -------------------------------------------------------------------

sql_ok($node, <<'END', 'tables to damage');
CREATE TABLE torn (id int, v encrypted_text(searchable), w encrypted_text) WITH (autovacuum_enabled = off);
INSERT INTO torn SELECT i, 'v' || i, 'w' || i FROM generate_series(1, 300) i;
CREATE TABLE far (id int PRIMARY KEY, v encrypted_text) WITH (autovacuum_enabled = off);
INSERT INTO far SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j) FROM generate_series(1, 9) i;
CHECKPOINT;
END
tear('torn', 1);
tear(sql_value($node, q(SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'far'::regclass)), 0);
$key = new_key();
$job = sql_value($node, q(SELECT keyring_reencrypt()));
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '2 min')),
	'a job over tables with pages that cannot be read ends');
sql_is(
	$node,
	q(SELECT relation, column_name, ctid, reason, message ~ 'invalid page in block 1 of relation' FROM keyring_unrecoverable
	   WHERE relation = 'torn'::regclass ORDER BY 2),
	"torn|v|(1,0)|page unreadable|t\ntorn|w|(1,0)|page unreadable|t",
	'an unreadable page is recorded for each column'
);
sql_is(
	$node,
	"SET enable_seqscan = off; SELECT bool_and((keyring_inspect(v)).key_id = $key AND v = 'v' || id), count(*) > 100 FROM torn WHERE ctid >= '(2,1)'",
	't|t',
	'the rows of other pages are moved'
);
sql_is(
	$node,
	q(SELECT reason, message ~ '(invalid page|missing chunk)', count(*) BETWEEN 1 AND 8 FROM keyring_unrecoverable
	   WHERE relation = 'far'::regclass GROUP BY 1, 2),
	'envelope damaged|t|t',
	'a value that is stored out of line and cannot be read is recorded as damaged'
);
sql_fails(
	$node, 'SELECT keyring_destroy_key(' . ($key - 1) . ')',
	'XX001',
	qr/invalid page/,
	'no key is destroyed as long as a page is unreadable'
);
sql_ok(
	$node,
	'SET zero_damaged_pages = on; VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) torn; DROP TABLE far',
	'the page is given up'
);
sql_ok($node, 'SELECT keyring_reencrypt(); CALL keyring_wait_for_job()', 'a job after that');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'clears the record of the page');
sql_ok($node, 'DROP TABLE torn', 'it has served');

for my $db (qw(postgres other))
{
	$node->command_ok(
		[
			'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', $db, '--install-missing', '-t', 'public.*',
			'--heapallindexed'
		],
		"pg_amcheck finds nothing in $db"
	);
}
done_testing();

# Overwrites the beginning of a page, with the server down.
sub tear
{
	my ($table, $block) = @_;
	my $path = $node->data_dir . '/' . sql_value($node, "SELECT pg_relation_filepath('$table')");
	$node->stop;
	open my $file, '+<:raw', $path or die $!;
	seek $file, 8192 * $block, 0;
	print $file 'torn' x 16;
	close $file;
	$node->start;
	return;
}
