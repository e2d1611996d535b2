# Base backup, point-in-time recovery and crash recovery: what a backup holds, that values and states of
# keys belong together at every moment, and that nothing works without the root key.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main', streaming => 1, archiving => 1, fsync => 1);
keyring_db($node);
sql_ok(
	$node,
	q(CREATE TABLE t (id int, v encrypted_text, s encrypted_text(searchable)); INSERT INTO t VALUES (1, 'one', 'first')),
	'a value'
);
my ($line) = slurp_file(root_key_file($node)) =~ /^([0-9a-f]{64})$/m;
my $wanted = sql_value($node, 'SELECT kek_version FROM keyring_keys');

$node->backup('base');
sql_ok(
	$node, q(INSERT INTO t VALUES (2, 'two', 'second');
	SELECT keyring_activate(keyring_create_key());
	INSERT INTO t VALUES (3, 'three', 'third')), 'values under two keys after the backup'
);
my $target = sql_value($node, 'SELECT pg_current_wal_lsn()');
sql_ok(
	$node, q(SELECT keyring_activate(keyring_create_key());
	UPDATE t SET v = v::text, s = s::text;
	SELECT keyring_destroy_key(1)), 'then everything moves to a third key, and the first is destroyed'
);
my $archived = sql_value($node, q(SELECT pg_walfile_name(pg_switch_wal())));
wait_for($node, "SELECT last_archived_wal >= '$archived' FROM pg_stat_archiver", 't', 'archived');

# What a thief of the backup has.
my $backup = $node->backup_dir . '/base';
ok(!-e "$backup/keyring_root.key" && !-e $node->backup_dir . '/keyring_root.key',
	'the backup does not contain the root key file');
my $found = 0;
for my $file (split /\n/, `find "$backup" "@{[$node->archive_dir]}" -type f`)
{
	my $bytes = slurp_file($file);
	$found++ if $bytes =~ /\Q$line\E/i || index($bytes, pack 'H*', $line) >= 0;
}
is($found, 0, 'nor the root key anywhere else, and neither does the archive');

# Restores to a moment. Options: root_key (the file's text).
sub restore
{
	my ($name, $lsn, %options) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);

	# its own life is not archived, or the next one would follow it
	$restored->append_conf('postgresql.conf', 'archive_mode = off');
	$restored->append_conf('postgresql.conf', "recovery_target_lsn = '$lsn'\nrecovery_target_action = 'promote'")
	  if defined $lsn;
	if (defined $options{root_key})
	{
		append_to_file(root_key_file($restored), $options{root_key});
		chmod 0600, root_key_file($restored);
	}
	$restored->start;
	wait_for($restored, 'SELECT pg_is_in_recovery()', 'f', "$name: recovered");
	return $restored;
}

my $past = restore('past', $target, root_key => slurp_file(root_key_file($node)));
sql_is(
	$past,
	'SELECT v, s, key_id FROM t, keyring_inspect(v) ORDER BY id',
	"one|first|1\ntwo|second|1\nthree|third|2",
	'the past: values of that moment, under the keys of that moment'
);
sql_is($past, 'SELECT id, state FROM keyring_keys',
	"1|deprecated\n2|primary", 'the past: a key that was destroyed later is there');
sql_is($past, q(SELECT id FROM t WHERE s = 'second'), '2', 'the past: values can be found');
sql_is($past, q(SELECT keyring_create_key()), '3', 'the past: keys can be made');
sql_ok($past, q(SELECT keyring_activate(3); UPDATE t SET v = v || '!'), 'the past: and used');

# The key with the number 3 is another one there than here: their values do not mix.
my $stray = sql_value($past, q(SET keyring.output_format = ciphertext; SELECT v FROM t WHERE id = 1));
sql_ok(
	$node,
	"SET keyring.input_format = ciphertext; INSERT INTO t VALUES (9, '$stray', NULL)",
	'a value of that other life'
);
sql_fails(
	$node, 'SELECT v FROM t WHERE id = 9',
	'KR009',
	qr/sealed under a key that this database does not have/,
	'is not taken for a value of this one'
);
sql_ok($node, 'DELETE FROM t WHERE id = 9', 'away with it');
$past->stop;

my $latest = restore('latest', undef, root_key => slurp_file(root_key_file($node)));
sql_is(
	$latest, 'SELECT v, key_id FROM t, keyring_inspect(v) ORDER BY id',
	"one|3\ntwo|3\nthree|3", 'the end of the archive: all values under the third key'
);
sql_is(
	$latest,
	'SELECT id, state FROM keyring_keys',
	"1|destroyed\n2|deprecated\n3|primary",
	'the end of the archive: states of keys'
);
$latest->stop;

my $stolen = restore('stolen', $target);
sql_is($stolen, 'SELECT id, (keyring_inspect(v)).key_id FROM t ORDER BY id',
	"1|1\n2|1\n3|2", 'without the root key: headers');
sql_fails(
	$stolen, 'SELECT v FROM t',
	'KR001',
	qr/could not find root key $wanted: file .* does not exist/,
	'without the root key: no values'
);
sql_fails($stolen, 'SELECT keyring_create_key()', 'KR001', qr/root key $wanted/, 'without the root key: no new key');
ok(!-e root_key_file($stolen), 'without the root key: none is made');
append_to_file(root_key_file($stolen), KeyringHold::random_key());
chmod 0600, root_key_file($stolen);
sql_fails(
	$stolen, 'DO $$BEGIN PERFORM keyring_flush_cache(); END$$; SELECT v FROM t',
	'KR001',
	qr/could not find root key $wanted in file/,
	'with another root key: no values'
);
$stolen->stop;

# A crash: what was committed is there, what was not is not, for keys as for values.
my $session = background($node);
$session->query_safe(q(BEGIN; SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (5, 'lost', 'lost')));
sql_ok(
	$node,
	q(INSERT INTO t VALUES (4, 'four', 'fourth'); CHECKPOINT; INSERT INTO t VALUES (6, 'six', 'sixth')),
	'before and after a checkpoint'
);
$node->stop('immediate');
$session->{run}->kill_kill;
$node->start;
sql_is($node, 'SELECT v, s, key_id FROM t, keyring_inspect(v) WHERE id > 3 ORDER BY id',
	"four|fourth|3\nsix|sixth|3", 'after a crash: committed values, and no others');
sql_is(
	$node,
	'SELECT id, state FROM keyring_keys',
	"1|destroyed\n2|deprecated\n3|primary",
	'after a crash: an activation that was not committed did not happen'
);
sql_ok(
	$node,
	q(SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (7, 'seven', 'seventh')),
	'after a crash: keys can be changed'
);
$node->stop('immediate');
$node->start;
sql_is(
	$node, 'SELECT v, key_id FROM t, keyring_inspect(v) WHERE id = 7',
	'seven|4', 'after another one: a committed activation did happen'
);

done_testing();
