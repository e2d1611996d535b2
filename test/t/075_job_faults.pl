# A job in the middle of which its table is changed, its client is killed, the extension is to be dropped or no
# worker is to be had; what one table does to the others; what the doctor says; and waiting for a job at its edges.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => <<'END');
wal_level = logical
autovacuum = off
max_worker_processes = 4
keyring.reencrypt_batch_time = 1
END
keyring_db($node);
keyring_db($node, 'other');
sql_ok($node, 'CREATE EXTENSION amcheck', 'amcheck');

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

my $in_middle = q(SELECT state = 'running' AND next_block > 0 AND next_block < end_block AND moved > 0
	FROM keyring_job ORDER BY id DESC LIMIT 1);

# A table under the last key, and a job over it that is in its middle.
sub start_slowly
{
	my ($arguments) = @_;
	sql_value($node, <<'END');
DROP SCHEMA IF EXISTS shop CASCADE;
DROP TABLE IF EXISTS person;
CREATE SCHEMA shop;
CREATE TABLE person (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, note encrypted_text, plain text);
INSERT INTO person SELECT i, 'name ' || i, 'note ' || i, 'plain ' || i FROM generate_series(1, 1000) i;
END
	delay(500);
	my $key = new_key();
	my $job = sql_value($node, "SELECT keyring_reencrypt(${\($arguments // q('person'))})");
	wait_for($node, $in_middle, 't', 'a job is in the middle');
	return ($key, $job);
}

# --- the table is changed -----------------------------------------------------------------------

my $all = q(SELECT md5(string_agg(concat_ws('|', id, name, note), ',' ORDER BY id)) FROM person);
my @changes = (
	# what is done, what is read, and what must be read then
	[ 'CLUSTER person USING person_pkey', $all, undef ],
	[ 'REINDEX TABLE CONCURRENTLY person', $all, undef ],
	[ 'DROP INDEX person_again', $all, undef ],
	[ 'ALTER TABLE person SET SCHEMA shop', $all =~ s/FROM person/FROM shop.person/r, undef ],
	[ 'ALTER TABLE person RENAME COLUMN name TO called', $all =~ s/name/called/r, undef ],
	[ 'ALTER TABLE person DROP COLUMN note', $all =~ s/note/'note ' || id/r, undef ],
	[
		q(ALTER TABLE person ADD COLUMN more encrypted_text DEFAULT 'x'),
		q(SELECT count(*) FROM person WHERE more = 'x'),
		1000
	],
	[ q(SELECT keyring_decrypt_column('person', 'note')), $all, undef ],
	[
		q(SELECT keyring_encrypt_column('person', 'plain')),
		q(SELECT count(*) FROM person WHERE plain = 'plain ' || id),
		1000
	],
	[ 'ALTER TABLE person ALTER COLUMN note TYPE encrypted_text(searchable)', $all, undef ],
	[ q(UPDATE person SET plain = 'x'; VACUUM person), $all, undef ],
	[
		q(DELETE FROM person WHERE id > 500; VACUUM person),
		'SELECT count(*), max(name::text) FROM person',
		'500|name 99'
	],
	[ 'ALTER TABLE person SET UNLOGGED', $all, undef ]
);
for my $case (@changes)
{
	my ($change, $query, $expected) = @$case;
	my $index = $change =~ /DROP INDEX/;
	my ($key, $job) = start_slowly();
	sql_ok($node, 'CREATE INDEX person_again ON person (name)', 'an index is made') if $index;
	$expected //= sql_value($node, $all);
	my $answer = sql_value($node, "$change; $query");
	is($answer =~ s/^\s+//r, $expected, $change);
	delay(0);
	sql_ok($node, "CALL keyring_wait_for_job($job)", "$change: the job ends");
	sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', $key, "$change: every value is under the new key");
	sql_is($node, $query, $expected, "$change: values are what they were");
	sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', "$change: none is given up");
}

# A job for one column means that column, whatever it is called.
my ($key, $job) = start_slowly(q('person', 'note'));
sql_ok(
	$node,
	'ALTER TABLE person RENAME COLUMN note TO remark; ALTER TABLE person RENAME COLUMN name TO note',
	'the column of a job is renamed, and another gets its name'
);
delay(0);
sql_ok($node, 'CALL keyring_wait_for_job()', 'the job ends');
sql_is(
	$node,
	q(SELECT column_name, min(key_id), max(key_id) FROM keyring_census('person') GROUP BY 1 ORDER BY 1),
	join("\n", 'note|' . ($key - 1) . '|' . ($key - 1), "remark|$key|$key"),
	'it has moved the column that it was started for'
);
sql_is($node, "SELECT column_name FROM keyring_jobs WHERE id = $job", 'remark', 'which is shown by its name of now');

# --- processes and the extension ----------------------------------------------------------------

($key, $job) = start_slowly();
my $session = background($node);
my $backend = $session->query_safe('BEGIN; UPDATE person SET plain = plain; SELECT pg_backend_pid()');
kill 'KILL', $backend;
wait_for(
	$node,
	"SELECT pg_postmaster_start_time() IS NOT NULL AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $backend)",
	't',
	'the server is back after kill -9 of a client in the middle of an UPDATE'
);
delay(0);
sql_ok($node, 'CALL keyring_wait_for_job()', 'kill -9 of a client: the job ends');
sql_is(
	$node, q(SELECT DISTINCT key_id FROM keyring_census('person')),
	$key, 'kill -9 of a client: every value is under the new key'
);
sql_is(
	$node, q(SELECT count(*) FROM person WHERE note = 'note ' || id),
	'1000', 'kill -9 of a client: values are what they were'
);

($key, $job) = start_slowly();
sql_fails(
	$node, 'DROP EXTENSION keyring',
	'2BP01',
	qr/other objects depend on it/,
	'DROP EXTENSION in the middle of a job'
);
sql_fails(
	$node, 'DROP EXTENSION keyring CASCADE',
	'2BP01',
	qr/encrypted column/,
	'DROP EXTENSION CASCADE in the middle of a job'
);
sql_ok(
	$node,
	'BEGIN; DROP TABLE person; DROP EXTENSION keyring; ROLLBACK',
	'the extension without a column is dropped, and is not'
);
delay(0);
sql_ok($node, 'CALL keyring_wait_for_job()', 'DROP EXTENSION: the job ends');
sql_is(
	$node, q(SELECT DISTINCT key_id FROM keyring_census('person')),
	$key, 'DROP EXTENSION: every value is under the new key'
);

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
my $keys =
  q(SELECT relation, min(key_id), max(key_id) FROM keyring_census() WHERE relation <> 'person'::regclass GROUP BY 1 ORDER BY 1);
my $locker = background($node);
$locker->query_safe('BEGIN; LOCK TABLE first');
$key = new_key();
my $old = $key - 1;
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
my %states;
$states{ sql_value($node, "SELECT state FROM keyring_jobs WHERE id = $job") }++ for 1 .. 40;
is(join(' ', sort keys %states), 'waiting', 'it stays waiting while it tries again');
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

($key, $job) = start_slowly();
delay(1000);
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
sql_is($node,
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
		[ 'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', $db, '--install-missing', '--heapallindexed' ],
		"pg_amcheck finds nothing in $db");
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
