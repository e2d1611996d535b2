# What a pass has left, since somebody held it, costs the pages where it was, not another look at every table.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringHold;
use KeyringTest;

my $rows = 20_000;
my $node = KeyringTest->new_node('main', conf => <<'END');
autovacuum = off
log_statement = none
END
keyring_db($node);
sql_ok($node, <<"END", 'two tables, of which the second has a row that everybody wants');
CREATE TABLE calm (id int PRIMARY KEY, v encrypted_text);
INSERT INTO calm SELECT i, 'v' || i FROM generate_series(1, $rows) i;
CREATE TABLE wanted (id int PRIMARY KEY, n int DEFAULT 0, v encrypted_text);
INSERT INTO wanted SELECT i, 0, 'v' || i FROM generate_series(1, $rows) i;
END

# --- a row that is locked for long ----------------------------------------------------------------

my $session = background($node);
$session->query_safe('BEGIN; SELECT id FROM wanted WHERE id = 7 FOR UPDATE');
start_job();
wait_for(
	$node,
	'SELECT state, moved FROM keyring_jobs',
	'waiting|' . (2 * $rows - 1),
	'all but the locked row are moved'
);

# a procedure that ends transactions, but keeps no value
my $waiter = start_sql($node, 'CALL keyring_wait_for_job()');
wait_for($node, q(SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL' AND wait_event_type = 'Extension'),
	1, 'somebody waits');
sql_fails(
	$node, 'SELECT keyring_destroy_key(1)',
	'55006',
	qr/values still need it/,
	'who waits for a job is in nobody\'s way'
);
$session->query_safe('COMMIT');
$session->quit;
finish_sql($waiter);
sql_ok($node, 'CALL keyring_wait_for_job()', 'it ends when the row is free');
sql_is(
	$node,
	'SELECT pass, scanned > 0 AND scanned < 500, moved, percent FROM keyring_jobs',
	"2|t|@{[ 2 * $rows ]}|100.0",
	'the second pass has looked at one page'
);

cmp_ok(rows_read(), '<', 3 * 2 * $rows + 500, 'all was read by one pass, by destroy, and by the count at the end');

# --- a row that is updated all the time -----------------------------------------------------------

# One client holds it while the other one waits, so that it is never free. Its envelope goes along.
my $file = $node->basedir . '/wanted.sql';
append_to_file($file, "BEGIN;\nUPDATE wanted SET n = n + 1 WHERE id = 7;\nSELECT pg_sleep(0.01);\nEND;\n");
my @command = ('pgbench', '-n', '-c', 2, '-T', 600, '-f', $file, '-h', $node->host, '-p', $node->port, 'postgres');
my $output = '';
my $clients = IPC::Run::start(\@command, '>&', \$output);
wait_for($node, 'SELECT n > 2 FROM wanted WHERE id = 7', 't', 'two clients update a row in turns');
my $read = rows_read();
start_job();
wait_for($node, 'SELECT pass >= 5 FROM keyring_jobs ORDER BY id DESC LIMIT 1', 't', 'pass after pass is in vain');
sql_value($node,
	q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
);
$clients->finish;
sql_ok($node, 'CALL keyring_wait_for_job()', 'the job ends after the clients');

# A count more is allowed, should the row have gone to another page.
cmp_ok(rows_read() - $read, '<', 3 * 2 * $rows + 5000, 'the passes have not read the tables');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '3', 'every value is under the new key');
sql_is($node, q(SELECT count(*) FROM calm JOIN wanted USING (id, v) WHERE v = 'v' || id), $rows, 'and what it was');
done_testing();

sub start_job
{
	sql_value($node, 'SELECT keyring_activate(keyring_create_key()), keyring_reencrypt()');
	return;
}

# By scans of the two tables. A worker tells when it ends.
sub rows_read
{
	wait_for($node, q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'keyring job'),
		0, 'the worker has ended');
	return sql_value($node, 'SELECT sum(seq_tup_read) FROM pg_stat_user_tables');
}
