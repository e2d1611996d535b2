# max_worker_processes leaves no place for the KMS worker: the server starts and serves what needs no key;
# what does gets an error within seconds that says what to do, and the doctor says it too.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use Time::HiRes qw(time);

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok($node, 'SELECT keyring_create_key() FROM generate_series(2, 8)', 'some keys');
sql_ok(
	$node, q(CREATE TABLE plain (i int); INSERT INTO plain VALUES (7);
	CREATE TABLE t (id int, v encrypted_text, s encrypted_text(searchable)); INSERT INTO t VALUES (1, 'secret', 'found')),
	'tables'
);
my $before = sql_value($node, 'SELECT id, state, kek_version FROM keyring_keys');

# How long an error may take: the worker is given a few seconds to appear.
my $patience = 30;
my $hint = qr/"keyring kms" is not running.*raise max_worker_processes/s;

for my $places (0, 1)
{
	my $position = log_position($node);
	$node->adjust_conf('postgresql.conf', 'max_worker_processes', $places);
	$node->restart;
	like(log_since($node, $position), qr/too many background workers/, "$places places: PostgreSQL says so in its log");
	sql_is($node, 'SELECT i FROM plain', '7', "$places places: plain tables are served");
	sql_is(
		$node, 'SELECT count(*), max(v::text) IS NULL FROM t WHERE id > 1',
		'0|t', "$places places: also a scan that meets no value"
	);
	sql_is($node, 'SELECT key_id FROM t, keyring_inspect(v)', '1', "$places places: headers can be read");
	my $start = time;
	sql_fails($node, 'SELECT v FROM t', 'KR005', $hint, "$places places: a value cannot be read");
	cmp_ok(time - $start, '<', $patience, "$places places: which is said within seconds");
	next if $places == 1;

	sql_fails($node, q(BEGIN; DELETE FROM plain; INSERT INTO t VALUES (2, 'new', 'new'); COMMIT),
		'KR005', $hint, 'nor written');
	sql_fails($node, 'SELECT keyring_create_key()', 'KR005', $hint, 'nor a key be made');
	sql_is($node, 'SELECT (SELECT count(*) FROM plain), (SELECT count(*) FROM t)', '1|1', 'nothing of it is left');

	$start = time;
	my $report = sql_value($node, 'SELECT subject, ok, detail, hint FROM keyring_doctor()');
	my $words = 'f|background worker "keyring kms" is not running|'
	  . 'Look for its messages in the server log; raise max_worker_processes if none was free.';
	is(() = $report =~ /^worker\|\Q$words\E$/mg, 1, 'the doctor says it');
	is(() = $report =~ /^key \d\|\Q$words\E$/mg, 8, 'and that no key can be checked');
	unlike($report, qr/wrapped by/, 'but nothing about what it could not find out');
	cmp_ok(time - $start, '<', $patience, 'within seconds, however many keys there are');
	sql_is(
		$node,
		q(SELECT step, ok, detail FROM keyring_check_key(1)),
		'credentials|f|background worker "keyring kms" is not running',
		'and keyring_check_key() too'
	);
}

# One place more is enough for the KMS worker; there are no jobs yet for which the launcher would be missed.
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '2');
$node->restart;
sql_is($node, 'SELECT v, s FROM t', 'secret|found', 'with a place for it: values can be read');
sql_is($node, q(SELECT ok FROM keyring_doctor() WHERE subject = 'worker'), 't', 'and the doctor is content');
is(sql_value($node, 'SELECT id, state, kek_version FROM keyring_keys'), $before, 'the key is what it was');
sql_is($node, q(SELECT count(*) FROM keyring_events), '9', 'nothing was recorded that did not happen');

done_testing();
