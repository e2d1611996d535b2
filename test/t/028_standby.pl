# A standby reads encrypted values with its own copy of the root key, changes nothing, follows its primary's
# changes of keys, and can take over.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $primary = KeyringTest->new_node('primary', streaming => 1, conf => "keyring.cache_ttl = '1d'");
keyring_db($primary);
sql_ok(
	$primary, q(CREATE TABLE plain (i int); INSERT INTO plain VALUES (7);
	CREATE TABLE t (id int PRIMARY KEY, v encrypted_text, s encrypted_text(searchable));
	CREATE INDEX t_s ON t (s);
	INSERT INTO t SELECT i, 'value ' || i, 'word ' || i FROM generate_series(1, 200) i; ANALYZE t), 'values'
);
my $first_key = sql_value($primary, 'SELECT kek_version FROM keyring_keys');
my $standby = new_standby($primary, 'standby');

sub catch_up
{
	$primary->wait_for_catchup($standby);
	return;
}

catch_up();
sql_is($standby, 'SELECT v, s FROM t WHERE id = 5', 'value 5|word 5', 'reads');
sql_is($standby, q(SET enable_seqscan = off; SELECT id FROM t WHERE s = 'word 77'), '77', 'finds through an index');
sql_is($standby, q(SELECT v FROM t ORDER BY v DESC LIMIT 1), 'value 99', 'sorts');
sql_is($standby, q(SELECT count(DISTINCT v), count(DISTINCT s) FROM t), '200|200', 'reads them all');
is(sql_value($standby, q(COPY (SELECT v FROM t WHERE id = 3) TO STDOUT)), 'value 3', 'copies out');
sql_is($standby, 'SELECT id, state, kek_version, cached, health FROM keyring_keys',
	"1|primary|$first_key|t|ok", 'shows its keys, with their health here');
sql_is(
	$standby,
	q(SELECT detail FROM keyring_doctor() WHERE subject = 'role'),
	'standby: keys are read, never changed',
	'the doctor knows that it is a standby'
);
sql_is($standby, q(SELECT ok FROM keyring_doctor() WHERE subject IN ('worker', 'key 1')),
	"t\nt", 'and is content with worker and key');
sql_is($standby, 'SELECT bool_and(ok) FROM keyring_check_key(1)', 't', 'checks a key live');
sql_is($standby, 'SELECT key_id, value_count FROM keyring_census() ORDER BY column_name', "1|200\n1|200", 'counts');
sql_is($standby, q(SELECT string_agg(action, ' ' ORDER BY at) FROM keyring_events), 'create activate', 'shows events');
sql_is($standby, q(SELECT count(*) FROM keyring_columns), '2', 'shows columns');
sql_is($standby, q(SELECT value FROM keyring_stats WHERE name = 'unwraps'), '1', 'counts its own unwraps');
sql_is($standby, 'DO $$BEGIN PERFORM keyring_flush_cache(); END$$; SELECT v FROM t WHERE id = 1',
	'value 1', 'its cache can be flushed');
sql_is(
	$standby,
	q(PREPARE p AS SELECT id FROM t WHERE s = $1; ) . q(EXECUTE p ('word 9'); ) x 7,
	join("\n", (9) x 7),
	'prepared statements'
);

my %refused = (
	'keyring_create_key()' => 'SELECT keyring_create_key()',
	'keyring_activate()' => 'SELECT keyring_activate(1)',
	'keyring_rewrap_key()' => 'SELECT keyring_rewrap_key(1)',
	'keyring_destroy_key()' => 'SELECT keyring_destroy_key(1)',
	'keyring_grant()' => q(SELECT keyring_grant('pg_monitor', 'reader')),
	'keyring_revoke()' => q(SELECT keyring_revoke('pg_monitor', 'reader')),
	'keyring_encrypt_column()' => q(SELECT keyring_encrypt_column('plain', 'i')),
	'keyring_decrypt_column()' => q(SELECT keyring_decrypt_column('t', 'v')),
	'a write' => q(INSERT INTO t VALUES (0, 'x', 'x')),
	'dropping the extension' => 'DROP EXTENSION keyring CASCADE',
);
my $keys = KeyringHold->new($standby);
wait_until(sub { sql_value($standby, 'SHOW keyring.root_key_command') ne '' }, 'the command to be set');
my $calls = $keys->calls;

for my $what (sort keys %refused)
{
	sql_fails($standby, $refused{$what}, '25006', qr/read-only transaction|during recovery/, "$what is refused");
}
is($keys->calls, $calls, 'before anybody is asked for a root key');
sql_is($standby, 'SELECT bool_and(ok) FROM keyring_check_key(1)', 't', 'as others do');
ok($keys->calls > $calls, 'of whom one knows that they ask');

# The primary changes its keys; a session of the standby that is in a transaction follows.
my $session = background($standby);
$session->query_safe('BEGIN');
is($session->query_safe(q(SELECT v FROM t WHERE id = 1)), 'value 1', 'a transaction on the standby');
sql_ok(
	$primary,
	q(SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (201, 'under a second key', 'other')),
	'the primary activates another key'
);
catch_up();
is(
	$session->query_safe('SELECT v FROM t WHERE id = 201'),
	'under a second key',
	'the transaction reads a value under it'
);
is(
	$session->query_safe(q(SELECT string_agg(id || ' ' || state, ', ' ORDER BY id) FROM keyring_keys)),
	'1 deprecated, 2 primary',
	'and sees the new states'
);
$session->query_safe('COMMIT');

# The primary rotates its root key. The standby must have the new one first.
my $new_line = KeyringHold::random_key();
append_to_file(root_key_file($primary), $new_line);
sql_ok($primary, 'SELECT keyring_rewrap_key(1), keyring_rewrap_key(2)', 'the primary wraps its keys by a new root key');
my $second_key = sql_value($primary, 'SELECT DISTINCT kek_version FROM keyring_keys');
catch_up();
sql_fails(
	$standby, 'SELECT v FROM t WHERE id = 1',
	'KR001',
	qr/could not find root key $second_key/,
	'which the standby does not have'
);
$keys->write_keys($keys->keys_text . $new_line);
sql_is($standby, 'DO $$BEGIN PERFORM keyring_flush_cache(); END$$; SELECT v FROM t WHERE id = 1',
	'value 1', 'now it has');

# A standby that gets no root key replicates, and says what it lacks. It does not make one.
my $keyless = new_standby($primary, 'keyless', root_key => 0);
$primary->wait_for_catchup($keyless);
sql_is($keyless, 'SELECT i FROM plain', '7', 'without a root key: plain tables');
sql_fails(
	$keyless, 'SELECT v FROM t',
	'KR001',
	qr/could not find root key $second_key: file .* does not exist/,
	'without a root key: values are closed'
);
sql_fails($keyless, q(SELECT id FROM t WHERE s = 'word 1'), 'KR001', qr/root key $second_key/, 'nor can they be found');
sql_is($keyless,
	q(SELECT count(*) FROM keyring_doctor() WHERE NOT ok AND subject LIKE 'key %' AND detail LIKE '%does not exist'),
	'2', 'the doctor says so');
ok(!-e root_key_file($keyless), 'and none was made');
$keyless->promote;
sql_fails(
	$keyless, 'SELECT keyring_create_key()',
	'KR001',
	qr/root key $second_key/,
	'promoted without one: no key can be made'
);
ok(!-e root_key_file($keyless), 'and no other root key takes the place of the one that is missing');
append_to_file(root_key_file($keyless), slurp_file(root_key_file($primary)));
chmod 0600, root_key_file($keyless);
wait_for($keyless, 'SELECT v FROM t WHERE id = 2', 'value 2', 'given one: it reads, without a restart');
$keyless->stop;

# Fail-over.
$primary->stop('immediate');
$standby->promote;
is($session->query_safe(q(INSERT INTO t VALUES (300, 'after', 'promotion') RETURNING v)),
	'after', 'promoted: a session of before writes');
sql_is($standby, 'SELECT keyring_create_key()', '3', 'promoted: keys can be made');
sql_ok($standby, q(SELECT keyring_activate(3); UPDATE t SET v = v || '!' WHERE id < 3), 'and used');
sql_is(
	$standby,
	q(SELECT string_agg(v || ' ' || key_id, ', ' ORDER BY id) FROM t, keyring_inspect(v) WHERE id < 4),
	'value 1! 3, value 2! 3, value 3 1',
	'old and new values are right'
);
sql_is($standby, q(SELECT detail FROM keyring_doctor() WHERE subject = 'role'), 'primary server', 'the doctor knows');
ok(worker_pid($standby, 'keyring launcher'), 'the launcher has started');
$session->quit;

done_testing();
