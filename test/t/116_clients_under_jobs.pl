# Clients read and write while job follows job: no error, no lost update, no value but what was written. A batch does not
# keep them waiting: it commits when somebody wants what it has locked, and before its WAL is safe.
use strict;
use warnings FATAL => 'all';

use JobClients;
use KeyringHold;
use KeyringTest;

my $node = KeyringTest->new_node('main', streaming => 1, conf => <<'END');
log_statement = none
max_wal_size = 2GB
autovacuum_naptime = 1s
keyring.reencrypt_delay = 0
END
keyring_db($node);

# --- pgbench ------------------------------------------------------------------------------------

my $clients = JobClients->new($node, accounts => 20_000);
my $run = $clients->start(seconds => 4, clients => 6);
my $rate = $clients->jobs_until_end($run);
cmp_ok($rate, '>', 0, 'jobs have moved values meanwhile');
my %figures = $clients->finish($run);
cmp_ok($figures{transactions}, '>', 50, 'clients have worked meanwhile');
sql_ok($node, 'CALL keyring_wait_for_job()', 'the last job ends');
sql_is($node, 'SELECT count(DISTINCT key_id), max(key_id) = max(target_key) FROM keyring_census(), keyring_jobs',
	'1|t', 'every value is under the last key');
$clients->values_are_right('after jobs');

# --- a batch that somebody waits for ------------------------------------------------------------

# ten rows to a page, which is full, a tenth of a second to each
sql_ok($node, <<'END', 'a table that is slow to move');
ALTER SYSTEM SET keyring.reencrypt_batch_time = '1 min';
SELECT pg_reload_conf();
SET test.fast = 1;
CREATE FUNCTION slow(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	$$ BEGIN IF current_setting('test.fast', true) IS NULL THEN PERFORM pg_sleep(0.01); END IF; RETURN n; END $$;
CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0, v encrypted_text, pad text DEFAULT repeat('x', 700))
	WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, 0, 'v' || i FROM generate_series(1, 300) i;
CREATE INDEX slowly ON t (slow(n));
END
my $middle = 'SELECT moved > 0 AND moved < 300 FROM keyring_job ORDER BY id DESC LIMIT 1';
my @cases = (
	[ 'an UPDATE of a row that was moved' => 'UPDATE t SET n = n + 1 WHERE id = 1' ],
	[ 'a lock on the table' => 'BEGIN; LOCK TABLE t; COMMIT' ],
	[ 'a pause' => q(DO 'BEGIN PERFORM keyring_pause_job(max(id)) FROM keyring_jobs; END') ],
);
for my $case (@cases)
{
	my ($name, $sql) = @$case;
	start_job('t');
	sql_is($node, "SET test.fast = 1; $sql; $middle", 't', "$name does not wait for the end of the batch");
	sql_ok($node, "SELECT keyring_cancel_job(max(id)) FROM keyring_jobs", "$name: the job has served");
}

# --- a standby that does not answer -------------------------------------------------------------

sql_ok($node, 'ALTER SYSTEM RESET keyring.reencrypt_batch_time; SELECT pg_reload_conf()', 'short batches again');
start_job('t');
sql_ok(
	$node,
	q(ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()),
	'commits wait for a standby that is not there'
);
wait_for($node,
	q(SELECT backend_xid IS NULL FROM pg_stat_activity WHERE backend_type = 'keyring job' AND wait_event = 'SyncRep'),
	't', 'a batch has committed, and its job waits for the standby');
sql_ok(
	$node,
	'SET synchronous_commit = local; DROP INDEX slowly; ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()',
	'no standby is waited for any more'
);
sql_ok($node, 'CALL keyring_wait_for_job()', 'the job goes on to its end');
sql_is($node, q(SELECT count(*) FROM t WHERE v = 'v' || id), '300', 'values are what they were');
done_testing();

# A job that is in its first batch.
sub start_job
{
	my ($table) = @_;
	sql_value($node, "SELECT keyring_activate(keyring_create_key()), keyring_reencrypt('$table')");
	wait_for($node, q(SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'keyring job'),
		'PgSleep', 'a batch is in its middle');
	return;
}
