# Copies of a server in the middle of a job: a standby with readers all along, promoted; a base backup that was taken while
# the job moved rows, restored; a logical subscriber that gets ciphertext; and the server itself after a crash. A
# prepared transaction is carried along. In each copy the job goes on, to the right end.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

my $primary = KeyringTest->new_node('primary', streaming => 'logical', conf => <<'END');
keyring.reencrypt_batch_time = 1
max_prepared_transactions = 5
wal_retrieve_retry_interval = '200ms'
END
keyring_db($primary);

# How long a job rests after each batch.
sub delay
{
	my ($node, $ms) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET keyring.reencrypt_delay = $ms");
	$node->reload;
	return;
}

my $in_middle =
  q(SELECT state = 'running' AND next_block > 0 AND next_block < end_block AND moved > 0 FROM keyring_job WHERE id = 1);
my $table = 'CREATE TABLE person (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, note encrypted_text)';
my $envelopes =
  q(SET keyring.output_format = ciphertext; SELECT md5(string_agg(concat(id, name, note), ',' ORDER BY id)) FROM person);
my $right = q(SELECT count(*) FROM person WHERE name = 'name ' || id AND note = 'note ' || id);
sql_ok($primary, <<"END", 'a table, and the key that will be next');
$table;
INSERT INTO person SELECT i, 'name ' || i, 'note ' || i FROM generate_series(1, 3000) i;
CREATE TABLE other (id int, v encrypted_text);
INSERT INTO other VALUES (1, 'v1'), (2, 'v2');
CREATE TABLE enough ();
CREATE EXTENSION amcheck;
CREATE PUBLICATION people FOR TABLE person;
SELECT keyring_create_key();
END

# The subscriber is a database of the same server, with a copy of the keys.
sql_value($primary, 'CREATE DATABASE subscriber');
sql_value($primary, "CREATE EXTENSION keyring; $table", db => 'subscriber');
{
	local $ENV{PGOPTIONS} = '-c keyring.output_format=ciphertext';
	my $keys = $primary->safe_psql('postgres', 'COPY keyring_key TO STDOUT');
	sql_value(
		$primary,
		"SET keyring.input_format = ciphertext; COPY keyring_key FROM STDIN;\n$keys\n\\.\n",
		db => 'subscriber'
	);
}
sql_value($primary, q(SELECT pg_create_logical_replication_slot('people', 'pgoutput')));
my $source = $primary->connstr('postgres');
sql_value(
	$primary,
	"CREATE SUBSCRIPTION people CONNECTION \$\$$source\$\$ PUBLICATION people WITH (create_slot = false)",
	db => 'subscriber'
);
$primary->wait_for_subscription_sync($primary, 'people', 'subscriber');

sub subscriber_follows
{
	my ($name) = @_;
	$primary->wait_for_catchup('people');
	sql_is(
		$primary, $envelopes,
		sql_value($primary, $envelopes),
		"$name: the subscriber has the same envelopes",
		db => 'subscriber'
	);
	return sql_is($primary, $right, '3000', "$name: and reads them", db => 'subscriber');
}

# Reads every value, again and again, until there is a row to tell it that it is enough.
my $standby = new_standby($primary, 'standby');
my $reader = start_sql($standby, <<'END', name => 'reader');
DO $$ BEGIN
	WHILE to_regclass('enough') IS NOT NULL LOOP
		ASSERT (SELECT count(*) = 3000 FROM person WHERE name = 'name ' || id AND note = 'note ' || id);
		COMMIT;
	END LOOP;
END $$
END

delay($primary, 400);
sql_is($primary, 'SELECT keyring_activate(2); SELECT keyring_reencrypt()', "\n1", 'a job is started');
wait_for($primary, $in_middle, 't', 'it comes to the middle');
my $position = sql_value($primary, 'SELECT next_block FROM keyring_job');
$primary->backup('middle');
wait_for($primary, "$in_middle AND next_block > $position",
	't', 'it goes on while a backup is taken, and has not ended');
delay($primary, 60_000);
sql_ok(
	$primary,
	q(BEGIN; UPDATE other SET id = 3 WHERE id = 1; PREPARE TRANSACTION 'kept'),
	'a transaction is prepared that keeps an old envelope'
);
subscriber_follows('in the middle');
$primary->wait_for_catchup($standby, 'replay');
sql_is($standby,
	'SELECT count(*) FROM (SELECT DISTINCT key_id FROM keyring_census() WHERE relation = $$person$$::regclass) k',
	'2', 'the standby has values under both keys');
$primary->stop('immediate');

sub ends_right
{
	my ($node, $name) = @_;
	sql_ok($node, 'CALL keyring_wait_for_job(1)', "$name: the job ends");
	sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '2', "$name: every value is under the new key");
	sql_is($node, $right, '3000', "$name: values are what they were");
	sql_is($node, q(SET enable_seqscan = off; SELECT id FROM person WHERE name = 'name 77'),
		'77', "$name: and are found");
	sql_is($node, q(SELECT count(*) FROM keyring_unrecoverable), '0', "$name: none is given up");
	sql_ok($node, 'SELECT keyring_destroy_key(1)', "$name: the old key can be destroyed");
	sql_is($node, $right, '3000', "$name: and is not missed");
	$node->command_ok(
		[ 'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '-t', 'public.*', '--heapallindexed' ],
		"$name: pg_amcheck finds nothing"
	);
	return;
}

sub waits_for_prepared
{
	my ($node, $name) = @_;
	wait_for(
		$node, 'SELECT state, waiting_for_transaction FROM keyring_jobs',
		'waiting|kept', "$name: the job goes on, and waits for the prepared transaction"
	);
	return sql_ok($node, q(COMMIT PREPARED 'kept'), "$name: which is committed");
}

# --- promoted -------------------------------------------------------------------------------------

$standby->promote;
waits_for_prepared($standby, 'promoted');
sql_ok($standby, 'DROP TABLE enough', 'promoted: the reader is told to end');
my %answer = finish_sql($reader);
is($answer{message}, 'no error', 'a reader was never disturbed, before and after');
ends_right($standby, 'promoted');
$standby->stop('immediate');

# --- restored -------------------------------------------------------------------------------------

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($primary, 'middle');
append_to_file(root_key_file($restored), slurp_file(root_key_file($primary)));
chmod 0600, root_key_file($restored);
$restored->append_conf('postgresql.auto.conf', 'keyring.reencrypt_delay = 0');
$restored->start;
ends_right($restored, 'restored');
$restored->stop('immediate');

# --- the server itself ------------------------------------------------------------------------------

$primary->append_conf('postgresql.auto.conf', 'keyring.reencrypt_delay = 0');
$primary->start;
waits_for_prepared($primary, 'after a crash');
ends_right($primary, 'after a crash');
subscriber_follows('at the end');

done_testing();
