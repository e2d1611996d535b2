# The KMS worker is stopped, as a debugger or a dead disk may do: cached keys go out of use in time all the
# same, since every session looks at the clock. When the worker goes on, so does everything.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node(
	'main', conf => q(
keyring.cache_ttl = '1s'
keyring.cache_grace = '1s'
keyring.kms_timeout = '500ms'
keyring.kms_connect_timeout = '100ms')
);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a table with a value');

# One session is in a transaction, with contexts of its own.
my $session = background($node);
$session->query_safe('BEGIN');
is($session->query_safe('SELECT v FROM t'), 'secret', 'a cached key');

my $pid = worker_pid($node, 'keyring kms');
kill 'STOP', $pid;
sql_is($node, 'SELECT v FROM t', 'secret', 'the worker is stopped: a key in memory serves on');
sleep 4;
sql_fails($node, 'SELECT v FROM t', 'KR005', qr/did not answer in time/, 'but not for longer than the settings say');
sql_is($node, 'SELECT cached FROM keyring_keys', 'f', 'it is wiped');
$session->{stderr} = '';
$session->query('SELECT v FROM t');
like($session->{stderr}, qr/ERROR:  KR005/, 'nor for a transaction that was open');
sql_fails($node, q(INSERT INTO t VALUES ('more')), 'KR005', qr/did not answer in time/, 'nor for writing');

my $doctor = q(SELECT ok, detail, hint FROM keyring_doctor() WHERE subject);
sql_is(
	$node,
	"$doctor = 'worker'",
	"f|background worker \"keyring kms\" runs as process $pid, but does not answer|"
	  . 'See what holds the process up: it may be stopped, or wait for a disk that does not answer.',
	'the doctor says so'
);
sql_is(
	$node,
	"$doctor = 'key 1'",
	'f|background worker "keyring kms" did not answer in time|Try again; look at keyring_doctor() and at the server log.',
	'and does not wait for each key'
);

kill 'CONT', $pid;
wait_for($node, 'SELECT v FROM t', 'secret', 'the worker goes on: values can be read');
$session->{stderr} = '';
$session->query_safe('ROLLBACK');
is($session->query_safe('SELECT v FROM t'), 'secret', 'by the session that stayed, too');
sql_is(
	$node,
	"$doctor = 'worker'",
	"t|background worker \"keyring kms\" runs as process $pid|",
	'the doctor is content'
);
$session->quit;

done_testing();
