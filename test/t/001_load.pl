# keyring works when it is preloaded; when it is not, whatever touches it says so and says what to do.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main');

sql_is($node, 'SHOW shared_preload_libraries', 'keyring', 'preloaded');
keyring_db($node);
sql_ok($node, 'CREATE TABLE t (id int PRIMARY KEY, v encrypted_text)', 'a table with an encrypted column');
sql_ok($node, q(INSERT INTO t VALUES (1, 'seven')), 'a value goes in');
sql_is($node, 'SELECT v::text FROM t', 'seven', 'and comes out');
ok(worker_pid($node, 'keyring kms') > 0, 'the KMS worker runs');
sql_is($node, "SELECT extversion FROM pg_extension WHERE extname = 'keyring'",
	'0.1.0', 'the version is that of the control file');

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;

my %without = (
	'a stored value' => 'SELECT v::text FROM t',
	'a stored value, as text' => 'SELECT * FROM t',
	'a literal' => q(SELECT 'x'::encrypted_text),
	'a write' => q(INSERT INTO t VALUES (2, 'eight')),
	'a copy' => 'COPY t TO STDOUT',
	'a comparison' => q(SELECT * FROM t WHERE v = 'seven'),
	'making a key' => 'SELECT keyring_create_key()',
	'activating a key' => 'SELECT keyring_activate(1)',
	'the view of keys' => 'SELECT * FROM keyring_keys',
	'the doctor' => 'SELECT * FROM keyring_doctor()',
);

for my $what (sort keys %without)
{
	my %error = sql_error($node, $without{$what});
	is($error{sqlstate}, '55000', "not preloaded, $what: SQLSTATE");
	like($error{message}, qr/keyring is not preloaded/, "not preloaded, $what: message");
	like($error{hint}, qr/shared_preload_libraries/, "not preloaded, $what: hint");
}
sql_is($node, 'SELECT id FROM t', '1', 'not preloaded: what needs no key is still served');

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'keyring'");
$node->restart;
sql_is($node, 'SELECT v::text FROM t', 'seven', 'preloaded again: nothing was lost');

# A database that never had it.
my $bare = KeyringTest->new_node('bare', preload => 0);
sql_fails(
	$bare, 'CREATE EXTENSION keyring',
	'55000',
	qr/not preloaded.*shared_preload_libraries/s,
	'not preloaded: the extension cannot be created'
);

done_testing();
