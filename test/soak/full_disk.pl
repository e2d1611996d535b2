# A job whose tablespace is full: KEYRING_SMALL_DISK, an empty file system of some 32 MB that test/soak/run mounts, as root.
# test/t/077_job_full_disk.pl does the same everywhere, by a limit on the size of files.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

my $disk = $ENV{KEYRING_SMALL_DISK} or die "KEYRING_SMALL_DISK says where the file system is\n";
my $node = KeyringTest->new_node('main', conf => "autovacuum = off\nkeyring.reencrypt_batch_time = 5");
keyring_db($node);
sql_ok($node, "CREATE TABLESPACE small LOCATION '$disk'", 'a tablespace on a disk of its own');
sql_ok($node, <<'END', 'a table there, and one elsewhere');
CREATE TABLE wide (id int PRIMARY KEY USING INDEX TABLESPACE small, v encrypted_text(searchable), w encrypted_text) TABLESPACE small;
INSERT INTO wide SELECT i, 'v' || i, repeat('w', 40) FROM generate_series(1, 20000) i;
CREATE TABLE elsewhere (v encrypted_text);
INSERT INTO elsewhere SELECT 'v' || i FROM generate_series(1, 100) i;
CREATE TABLE spare TABLESPACE small AS SELECT repeat('x', 1000) FROM generate_series(1, 1000);
CREATE TABLE ballast (filler text) TABLESPACE small;
ALTER TABLE ballast ALTER filler SET STORAGE PLAIN;
CREATE EXTENSION amcheck;
END
my $values = q(SELECT md5(string_agg(concat(id, v, w), ',' ORDER BY id)) FROM wide);
my $before = sql_value($node, $values);

sql_ok(
	$node, q(
	DO $$ BEGIN
		LOOP
			BEGIN
				INSERT INTO ballast VALUES (repeat('x', 8000));
			EXCEPTION WHEN disk_full THEN
				RETURN;
			END;
		END LOOP;
	END $$;), 'the disk is full'
);
sql_ok($node, 'DROP TABLE spare; CHECKPOINT', 'but for a MB, so that it fills while the job works');
sql_ok($node, 'SELECT keyring_activate(keyring_create_key()), keyring_reencrypt()', 'a job begins');
wait_for($node, q(SELECT state, waiting_reason ~ 'No space left on device', moved > 100 FROM keyring_jobs),
	'waiting|t|t', 'it waits, and says why');
sql_is($node, q(SELECT DISTINCT key_id FROM keyring_census('elsewhere')), '2', 'another table is moved meanwhile');
sql_is($node, q(SELECT bool_or(key_id = 1), bool_or(key_id = 2) FROM keyring_census('wide')),
	't|t', 'a part of the values is moved');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'no value is given up');
sql_is($node, $values, $before, 'clients read on');
sql_fails($node, 'SELECT keyring_destroy_key(1)', '55006', qr/values still need it/, 'and the old key stays');
sql_ok($node, 'DROP TABLE ballast; CHECKPOINT', 'there is room again');
sql_ok($node, 'CALL keyring_wait_for_job()', 'the job goes on by itself');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '2', 'to the end');
sql_is($node, $values, $before, 'values are what they were');
sql_ok($node, 'SELECT keyring_destroy_key(1)', 'the old key is needed no more');
$node->command_ok([ 'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--heapallindexed' ],
	'pg_amcheck finds nothing');
$node->stop;
done_testing();
