# Re-encryption: what is moved and what is not touched, faults in the middle of it, and values that cannot be moved.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;
use MIME::Base64 ();

my $node = KeyringTest->new_node('main', fsync => 1, conf => <<'END');
wal_level = logical
max_prepared_transactions = 5
keyring.cache_ttl = '1s'
keyring.cache_grace = 0
END
keyring_db($node);

# A new primary key, its id.
sub new_key
{
	my $id = sql_value($node, 'SELECT keyring_create_key()');
	sql_value($node, "SELECT keyring_activate($id)");
	return $id;
}

my $counts =
  q(SELECT string_agg(concat(column_name, ' ', key_id, ' ', value_count), ', ' ORDER BY relation, column_name, key_id)
	FROM keyring_census());

# --- every kind of relation and value ---------------------------------------------------------

sql_ok($node, <<'END', 'tables with values');
CREATE TABLE person (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, note encrypted_text, age encrypted_integer,
	updated_at timestamptz DEFAULT '2000-01-01');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE person ENABLE ALWAYS TRIGGER touch;
CREATE RULE nothing AS ON UPDATE TO person DO INSTEAD NOTHING;
INSERT INTO person (id, name, note, age) SELECT i, 'name ' || i, CASE WHEN i % 3 > 0 THEN 'note ' || i END, i FROM generate_series(1, 2000) i;
CREATE TABLE big (v encrypted_bytea);
INSERT INTO big SELECT decode(string_agg(md5(i::text || j), ''), 'hex') FROM generate_series(1, 20) i, generate_series(1, 500) j GROUP BY i;
CREATE TABLE parent (id int, v encrypted_text) PARTITION BY RANGE (id);
CREATE TABLE child1 PARTITION OF parent FOR VALUES FROM (0) TO (100);
CREATE TABLE child2 PARTITION OF parent FOR VALUES FROM (100) TO (200);
INSERT INTO parent SELECT i, 'v' || i FROM generate_series(0, 199) i;
CREATE MATERIALIZED VIEW seen AS SELECT id, v FROM parent WHERE id < 10;
CREATE UNLOGGED TABLE fleeting (v encrypted_text);
INSERT INTO fleeting VALUES ('x'), (NULL), ('');
CREATE TABLE keyed (k encrypted_text(searchable) PRIMARY KEY, gone int, v encrypted_numeric,
	twice encrypted_text GENERATED ALWAYS AS ('copy'::text) STORED);
INSERT INTO keyed SELECT 'k' || i, i, i + 0.5 FROM generate_series(1, 100) i;
CREATE TABLE referring (k encrypted_text(searchable) REFERENCES keyed);
INSERT INTO referring SELECT 'k' || i FROM generate_series(1, 50) i;
ALTER TABLE keyed DROP COLUMN gone;
END

my $plain =
  q(SELECT md5(concat((SELECT string_agg(concat_ws('|', id, name, note, age, updated_at), ',' ORDER BY id) FROM person),
	(SELECT string_agg(md5(v::bytea), ',' ORDER BY md5(v::bytea)) FROM big), (SELECT string_agg(id || v, ',' ORDER BY id) FROM parent),
	(SELECT string_agg(id || v, ',' ORDER BY id) FROM seen), (SELECT string_agg(coalesce(v::text, '-'), ',' ORDER BY v) FROM fleeting),
	(SELECT string_agg(concat(k, v, twice), ',' ORDER BY k) FROM keyed), (SELECT string_agg(k, ',' ORDER BY k) FROM referring))));
my $before = sql_value($node, $plain);

is(new_key(), 2, 'another key is primary');
sql_is($node, 'SELECT keyring_reencrypt()', '1', 'a job is started');
sql_ok($node, 'CALL keyring_wait_for_job()', 'it ends');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '2', 'every value is under the new key');
sql_is($node, $plain, $before, 'values are what they were, and no trigger fired');
sql_is($node, q(SELECT state, percent, unrecoverable FROM keyring_jobs), 'completed|100.0|0', 'the job says so');
sql_is($node, q(SET enable_seqscan = off; SELECT id FROM person WHERE name = 'name 77'), '77',
	'the index finds values');
sql_ok($node, 'SELECT keyring_destroy_key(1)', 'the old key can be destroyed');
sql_is($node, $plain, $before, 'and is not missed');

# A crash empties it.
sql_ok($node, 'DROP TABLE fleeting', 'the unlogged table has served');
$plain =~ s/\(SELECT string_agg\(coalesce.*? FROM fleeting\),// or die;
$before = sql_value($node, $plain);

# --- a job in the middle of which things happen -----------------------------------------------

# Each batch a page or so, and a pause after it, so that there is a middle.
sub slow
{
	$node->safe_psql('postgres', "ALTER SYSTEM SET keyring.$_->[0] = $_->[1]")
	  for [ reencrypt_batch_time => 1 ], [ reencrypt_delay => 100 ];
	$node->reload;
	return;
}

sub fast
{
	$node->safe_psql('postgres', "ALTER SYSTEM RESET keyring.$_") for qw(reencrypt_batch_time reencrypt_delay);
	$node->reload;
	return;
}

my $in_middle = q(SELECT state = 'running' AND next_block > 0 AND next_block < end_block AND moved > 0
	FROM keyring_job ORDER BY id DESC LIMIT 1);

sub start_slowly
{
	slow();
	my $key = new_key();
	my $job = sql_value($node, q(SELECT keyring_reencrypt('person')));
	wait_for($node, $in_middle, 't', 'a job is in the middle');
	return ($key, $job);
}

sub ends_right
{
	my ($key, $name) = @_;
	fast();
	sql_ok($node, 'CALL keyring_wait_for_job()', "$name: it ends");
	sql_is(
		$node, q(SELECT DISTINCT key_id FROM keyring_census('person')),
		$key, "$name: every value is under the new key"
	);
	sql_is($node, $plain, $before, "$name: values are what they were");
	return;
}

my ($key, $job) = start_slowly();
sql_ok($node, "SELECT keyring_pause_job($job)", 'it is paused');
my $position = sql_value($node, "SELECT next_block, moved FROM keyring_job WHERE id = $job");
sql_is($node, "SELECT pg_sleep(0.5); SELECT next_block, moved FROM keyring_job WHERE id = $job",
	"\n$position", 'and stays where it is');
sql_is($node, q(SELECT count(DISTINCT key_id) FROM keyring_census('person')), '2', 'with values under both keys');
sql_fails($node, "SELECT keyring_destroy_key(2)", '55006', qr/values still need it/, 'the old key cannot be destroyed');
sql_fails(
	$node, q(SELECT keyring_reencrypt('person', 'name')),
	'55006',
	qr/job $job is at it/,
	'no other job for its columns'
);
sql_fails(
	$node, 'CALL keyring_wait_for_job(timeout => $$100 ms$$)',
	'57014',
	qr/has not ended/,
	'waiting has its limit'
);
$node->restart;
sql_is($node, "SELECT pg_sleep(0.5); SELECT next_block, moved FROM keyring_job WHERE id = $job",
	"\n$position", 'a restart does not wake it');
sql_ok($node, "SELECT keyring_resume_job($job)", 'it is resumed');
wait_for(
	$node,
	"SELECT next_block <> split_part('$position', '|', 1)::int OR state = 'completed' FROM keyring_job WHERE id = $job",
	't',
	'it goes on'
);
$node->stop('immediate');
$node->start;
ends_right($key, 'a crash of the server');

($key) = start_slowly();
my $worker = worker_pid($node, 'keyring job');
kill 'TERM', $worker;
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'keyring job' AND pid <> $worker",
	'1', 'a worker that is terminated has a successor');
ends_right($key, 'SIGTERM of the worker');

for my $victim ('keyring job', 'keyring launcher')
{
	($key) = start_slowly();
	my $launcher = worker_pid($node, 'keyring launcher');
	kill 'KILL', worker_pid($node, $victim);
	# not before the server is up again does it start one
	wait_until(sub { worker_pid($node, 'keyring launcher') != $launcher }, 'another launcher');
	wait_for($node, 'SELECT true', 't', "the server is back after kill -9 of $victim");
	ends_right($key, "kill -9 of $victim");
}

(my $first, $job) = start_slowly();
$key = new_key();
ends_right($key, 'another key activated meanwhile');
sql_is($node, "SELECT target_key, pass > 1 FROM keyring_jobs WHERE id = $job", "$key|t", 'it turned to the newest key');

($key, $job) = start_slowly();
sql_ok($node, "SELECT keyring_cancel_job($job)", 'a job is cancelled');
sql_fails($node, 'CALL keyring_wait_for_job()', '55000', qr/was cancelled/, 'whoever waits is told');
sql_fails($node, "SELECT keyring_resume_job($job)", '55000', qr/it is cancelled/, 'it cannot be resumed');
fast();
sql_ok($node, q(SELECT keyring_reencrypt('person')), 'another one is started');
ends_right($key, 'after a cancelled job');

# --- the rights of the owner --------------------------------------------------------------------

# A function in an index runs as the table's owner; a row for which it throws stops nobody.
sql_ok($node, <<'END', 'an index with a function of the table owner');
CREATE ROLE owner;
GRANT CREATE ON SCHEMA public TO owner;
SET ROLE owner;
CREATE TABLE owned (id int, v encrypted_text(searchable));
CREATE FUNCTION peek(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	IF pg_catalog.current_setting('application_name') = 'keyring job' OR pg_catalog.current_setting('deadlock_timeout') = '10ms' THEN
		IF current_user <> 'owner' OR pg_catalog.current_setting('search_path') <> 'pg_catalog, pg_temp' OR $1 = 13 THEN
			RAISE EXCEPTION 'no';
		END IF;
	END IF;
	RETURN $1;
END $$;
CREATE INDEX ON owned (public.peek(id));
CREATE INDEX ON owned (v);
INSERT INTO owned SELECT i, 'v' || i FROM generate_series(1, 20) i;
END
$key = new_key();
$job = sql_value($node, q(SELECT keyring_reencrypt('owned')));
sql_ok($node, 'CALL keyring_wait_for_job()', 'a job over it ends');
sql_is(
	$node,
	q(SELECT column_name, reason, message FROM keyring_unrecoverable),
	'v|row refused|storing the row failed with SQLSTATE P0001',
	'a row that an index refuses is recorded'
);
sql_is($node, q(SELECT value_count FROM keyring_census('owned') ORDER BY key_id DESC LIMIT 1),
	'19', 'the others are moved, with the rights of the owner');
sql_ok($node, 'DROP TABLE owned', 'it is dropped');

# --- what others do meanwhile -----------------------------------------------------------------

my $session = background($node);
$key = new_key();
$session->query_safe('BEGIN; SELECT id FROM person WHERE id = 5 FOR UPDATE');
$job = sql_value($node, q(SELECT keyring_reencrypt('person')));
wait_for(
	$node, "SELECT state, waiting_for_pid IS NOT NULL FROM keyring_jobs WHERE id = $job",
	'waiting|t', 'a transaction that holds a row is waited for, and named'
);
sql_is(
	$node,
	q(SELECT string_agg(value_count::text, ' ' ORDER BY column_name, key_id) FROM keyring_census('person')),
	'1 1999 1 1999 1 1333',
	'the rest is moved meanwhile'
);
$session->query_safe('UPDATE person SET age = 5 WHERE id = 5; COMMIT');
ends_right($key, 'a row locked meanwhile');

$key = new_key();
sql_ok(
	$node,
	q(BEGIN; SELECT count(*) FROM parent; INSERT INTO parent VALUES (150, 'prepared'); PREPARE TRANSACTION 'p'),
	'a prepared transaction'
);
$job = sql_value($node, 'SELECT keyring_reencrypt()');
wait_for($node, "SELECT state, waiting_for_transaction FROM keyring_jobs WHERE id = $job",
	'waiting|p', 'it is waited for, and named');
sql_ok($node, q(ROLLBACK PREPARED 'p'), 'it ends');
ends_right($key, 'a prepared transaction');

# --- keys and values that cannot be had -------------------------------------------------------

$key = new_key();
my $old = $key - 1;
my $file = root_key_file($node);
rename $file, "$file.away" or die $!;
sql_ok($node, 'SELECT keyring_flush_cache()', 'the root key is taken away');
$job = sql_value($node, 'SELECT keyring_reencrypt()');
wait_for($node, "SELECT state, waiting_reason ~ 'wrapping key was not found' FROM keyring_jobs WHERE id = $job",
	'waiting|t', 'the job waits, and says why');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'no value is given up');
rename "$file.away", $file or die $!;
sql_ok($node, 'CALL keyring_wait_for_job()', 'with the root key it goes on by itself');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', $key, 'to the end');

# Values under a key that is destroyed by force: of one table, and of a primary key.
sql_ok($node, <<"END", 'some values, and a new key for those that follow');
CREATE TABLE lost (id int PRIMARY KEY, v encrypted_text, w encrypted_text);
INSERT INTO lost SELECT i, 'v' || i, 'w' || i FROM generate_series(1, 300) i;
CREATE TABLE lost_key (k encrypted_text(searchable) PRIMARY KEY, v encrypted_text);
INSERT INTO lost_key VALUES ('a', 'b');
END
my $doomed = $key;
my $kept = new_key();
sql_ok($node, <<"END", 'half of them are under another key');
UPDATE lost SET v = 'v' || id WHERE id % 2 = 0;
SELECT keyring_reencrypt('person'), keyring_reencrypt('big'), keyring_reencrypt('parent'), keyring_reencrypt('seen'),
	keyring_reencrypt('keyed'), keyring_reencrypt('referring');
END
wait_for($node, q(SELECT count(*) FROM keyring_jobs WHERE state <> 'completed' AND state <> 'cancelled'),
	'0', 'jobs for single tables end');
$key = new_key();
sql_ok($node, "SELECT keyring_destroy_key($doomed, force => true)", 'a key that they need is destroyed by force');
$job = sql_value($node, 'SELECT keyring_reencrypt()');
my %answer = sql_error($node, 'CALL keyring_wait_for_job()');
sql_is($node, "SELECT state, unrecoverable FROM keyring_jobs WHERE id = $job",
	'completed|452', 'the job ends, and counts what is lost');
sql_is(
	$node,
	'SELECT relation, column_name, reason, count(*), count(DISTINCT primary_key), min(key_id) FROM keyring_unrecoverable GROUP BY 1, 2, 3 ORDER BY 1, 2, 3',
	join("\n",
		"lost|v|key destroyed|150|150|$doomed",
		"lost|w|key destroyed|300|300|$doomed",
		"lost_key|k|key destroyed|1|1|$doomed",
		"lost_key|v|key destroyed|1|1|$doomed"),
	'they are recorded row by row'
);
sql_is(
	$node,
	q(SELECT count(*) FROM keyring_unrecoverable u JOIN lost l ON l.id = (u.primary_key->>'id')::int AND l.ctid = u.ctid),
	'450',
	'with their primary keys'
);
sql_is(
	$node,
	q(SELECT primary_key->>'k' ~ '^keyring:' FROM keyring_unrecoverable WHERE relation = 'lost_key'::regclass LIMIT 1),
	't',
	'of which an encrypted one is an envelope'
);
sql_is(
	$node,
	"SELECT column_name, key_id, value_count FROM keyring_census('lost') ORDER BY 1, 2",
	join("\n", "v|$doomed|150", "v|$key|150", "w|$doomed|300"),
	'what could be moved is moved'
);
sql_ok($node, 'SELECT keyring_reencrypt()', 'a later job tries again');
sql_ok(
	$node,
	q(DELETE FROM lost WHERE id > 10; UPDATE lost SET v = 'new', w = 'new' WHERE id <= 10; DELETE FROM lost_key),
	'the rows are mended or deleted'
);
wait_for($node, q(SELECT state FROM keyring_jobs ORDER BY id DESC LIMIT 1), 'completed', 'it ends');
sql_ok($node, 'SELECT keyring_reencrypt(); CALL keyring_wait_for_job()', 'one more');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'what was mended or deleted is recorded no more');

# Envelopes damaged on disk: the body of one, the header of another.
sql_ok(
	$node,
	q(CREATE TABLE damaged (id int PRIMARY KEY, v encrypted_text); INSERT INTO damaged SELECT i, 'value ' || i FROM generate_series(1, 5) i; CHECKPOINT),
	'envelopes to damage'
);
damage('damaged', 2, 40);
damage('damaged', 4, 0);
$key = new_key();
$job = sql_value($node, 'SELECT keyring_reencrypt()');
sql_error($node, 'CALL keyring_wait_for_job()');
sql_is(
	$node,
	q(SELECT primary_key, reason FROM keyring_unrecoverable ORDER BY 1),
	join("\n", '{"id": 2}|envelope damaged', '{"id": 4}|envelope damaged'),
	'damaged envelopes are recorded'
);
sql_is(
	$node,
	"SELECT string_agg(concat(key_id, ' ', value_count), ', ' ORDER BY key_id) FROM keyring_census('damaged')",
	($key - 1) . " 1, $key 3,  1",
	'the other rows are moved'
);

# Flips a bit of the value of column v in the row with this id, at an offset into the envelope, with the server down.
sub damage
{
	my ($table, $id, $offset) = @_;
	my $path = $node->data_dir . '/' . sql_value($node, "SELECT pg_relation_filepath('$table')");
	my $bytes = sql_value($node, "SET keyring.output_format = ciphertext; SELECT v FROM $table WHERE id = $id");
	my ($armored) = $bytes =~ /keyring:(\S+)/;
	my $envelope = MIME::Base64::decode_base64($armored);
	$node->stop;
	$node->command_ok([ 'pg_checksums', '--disable', '-D', $node->data_dir ], 'page checksums would notice it first')
	  if $offset > 0;
	open my $file, '+<:raw', $path or die $!;
	my $content = do { local $/; <$file> };
	my $at = index $content, $envelope;
	die 'the envelope was not found' if $at < 0;
	substr($content, $at + $offset, 1) ^= "\x01";
	seek $file, 0, 0;
	print $file $content;
	close $file;
	$node->start;
	return;
}

$node->command_ok(
	[
		'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--install-missing', '-t', 'public.*',
		'--heapallindexed'
	],
	'pg_amcheck finds nothing'
);

done_testing();
