# A root key that is taken away locks its data out; one that is merely unusable does so after
# keyring.cache_grace. How long either takes, and that it ends by itself.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main',
	conf => "keyring.kms_timeout = '60s'\nkeyring.cache_ttl = '1s'\nkeyring.cache_grace = '1h'");
my $file = root_key_file($node);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a table with a value');

# One session for all of it: locking out must reach those who hold contexts of their own.
my $session = background($node);

my $read = 'SELECT v FROM t';

# Counts of failures of the worker's calls: so one sees that it has looked.
sub failures
{
	return sql_value($node, q(SELECT value FROM keyring_stats WHERE name = 'unwrap_failures'));
}

is(answer_of($session, $read), 'secret', 'a cached key');

# Taken away: a refusal.
rename $file, "$file.away";
wait_for_answer($session, $read, 'KR001', 'taken away: values are locked within cache_ttl');
sql_is($node, q(SELECT cached, health, health_message LIKE 'could not find root key%' FROM keyring_keys),
	'f|not_found|t', 'as keyring_keys says');
sql_is(
	$node,
	q(SELECT count(*) FROM keyring_doctor() WHERE subject = 'key 1' AND NOT ok AND detail LIKE 'could not find root key%' AND hint LIKE 'Restore%'),
	'1',
	'and the doctor, with what to do'
);
is(answer_of($session, $read), 'KR001', 'it stays so');
rename "$file.away", $file;
wait_for_answer($session, $read, 'secret', 'given back: it ends by itself');
sql_is($node, q(SELECT cached, health FROM keyring_keys), 't|ok', 'as keyring_keys says');

# Unusable: somebody made a mistake, and has cache_grace to mend it.
my $before = failures();
chmod 0644, $file;
wait_for($node, "SELECT value > $before FROM keyring_stats WHERE name = 'unwrap_failures'",
	't', 'unusable: the worker notices');
is(answer_of($session, $read), 'secret', 'unusable: values can be read in the time of grace');
sql_is($node, q(SELECT cached, health, health_message LIKE '%open to everybody%' FROM keyring_keys),
	't|config|t', 'but keyring_keys says what is wrong');
sql_fails($node, 'SELECT keyring_create_key()', 'KR001', qr/open to everybody/, 'and changes are refused');
sql_ok(
	$node,
	q(INSERT INTO t VALUES ('more'); DELETE FROM t WHERE v::text = 'more'),
	'unusable: values can be written, too'
);
chmod 0600, $file;
wait_for($node, 'SELECT health FROM keyring_keys', 'ok', 'mended: noticed by itself');

# The end of grace. It does not wait for the next attempt, which would be after 5 seconds.
sql_ok($node, q(ALTER SYSTEM SET keyring.cache_grace = '3s'; SELECT pg_reload_conf()), 'a short time of grace');
my $position = log_position($node);
my $began = time;
chmod 0644, $file;
wait_for_answer($session, $read, 'KR001', 'grace has ended: values are locked');
cmp_ok(time - $began, '<', 30,
	'not only when a fetch that never ends would have, which keyring.kms_timeout allows for');
my @attempts = map { $_->[0] * 3600 + $_->[1] * 60 + $_->[2] }
  map { [/ (\d\d):(\d\d):(\d\d\.\d+) /] } grep { /could not unwrap a data key: config/ } split /\n/,
  log_since($node, $position);
ok(@attempts >= 2, 'there was a first attempt, and a last one');
cmp_ok(($attempts[1] - $attempts[0]) % 86400, '<', 5, 'the last one came when grace ended');
chmod 0600, $file;
wait_for_answer($session, $read, 'secret', 'mended after that: it ends by itself as well');
$session->quit;

# Verifying keys all the time leaves room for those who ask for something.
my $keys = KeyringHold->new($node);
sql_ok(
	$node,
	q(SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES ('under a second key')),
	'two keys are in use'
);
$keys->delay(1);
my $calls = $keys->calls;
wait_until(sub { $keys->calls >= $calls + 3 }, 'the worker to be busy with verifying');
my %answer =
  finish_sql(start_sql($node, q(SET statement_timeout = '40s'; SELECT bool_and(ok) FROM keyring_check_key(1))));
is($answer{stdout}, 't', 'a worker that is busy with verifying serves requests') or diag($answer{all});

done_testing();
