# What somebody with a superuser's rights and no regard can do to keyring's catalog, and a library that does not fit
# it: errors that say what is wrong, and a way back.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text, s encrypted_text(searchable)); INSERT INTO t VALUES ('one', 'one')),
	'a table');

# Changes the only row of keyring_key behind the back of its trigger and checks, tries, and puts it back.
sub damaged
{
	my ($name, $column, $value, $sqlstate, $like) = @_;
	sql_ok(
		$node, qq(
		CREATE TABLE kept AS SELECT $column AS c FROM keyring_key;
		ALTER TABLE keyring_key DISABLE TRIGGER keyring_key_guard;
		UPDATE keyring_key SET $column = $value;
		ALTER TABLE keyring_key ENABLE ALWAYS TRIGGER keyring_key_guard), "$name: damaged"
	);
	sql_fails($node, 'SELECT v FROM t', $sqlstate, $like, "$name: reading");
	sql_fails($node, q(INSERT INTO t VALUES ('two', 'two')), $sqlstate, $like, "$name: writing");
	sql_ok(
		$node, qq(
		ALTER TABLE keyring_key DISABLE TRIGGER keyring_key_guard;
		UPDATE keyring_key SET $column = (SELECT c FROM kept);
		ALTER TABLE keyring_key ENABLE ALWAYS TRIGGER keyring_key_guard;
		DROP TABLE kept), "$name: mended"
	);
	return sql_is($node, 'SELECT v, s FROM t', 'one|one', "$name: and readable");
}

my @checks = split /\n/,
  sql_value($node, q(SELECT conname FROM pg_constraint WHERE conrelid = 'keyring_key'::regclass AND contype = 'c'));
sql_ok($node, "ALTER TABLE keyring_key @{[ join ', ', map { qq(DROP CONSTRAINT $_) } @checks ]}", 'no checks any more');

damaged('unknown state', 'state', q('x'), 'XX001', qr/table keyring_key holds an unknown state "x"/);
damaged(
	'too long a wrap',
	'wrapped', q(decode(repeat('00', 5000), 'hex')),
	'XX001', qr/column "wrapped" of table keyring_key holds 5000 bytes, more than 4096/
);
damaged('changed wrap', 'wrapped', q(set_byte(wrapped, 40, get_byte(wrapped, 40) # 1)),
	'KR001', qr/with key 1: the wrapped key is not accepted/);
damaged('cut wrap', 'wrapped', q(substr(wrapped, 1, 40)), 'KR001', qr/with key 1: the wrapped key is not accepted/);
damaged(
	'changed uuid', 'uuid',
	q('00000000-0000-0000-0000-000000000001'), 'KR001',
	qr/with key 1: the wrapped key is not accepted/
);
damaged(
	'changed check value',
	'check_value', q(set_byte(check_value, 0, get_byte(check_value, 0) # 1)),
	'KR001', qr/with key 1: the wrapped key is not accepted/
);

sql_ok($node, 'ALTER TABLE keyring_key RENAME COLUMN protection TO shelter', 'a column of another version');
sql_fails(
	$node, 'SELECT v FROM t',
	'42703',
	qr/column "protection" of table keyring_key is missing.*ALTER EXTENSION keyring UPDATE/s,
	'the column is missing'
);
sql_ok($node, 'ALTER TABLE keyring_key RENAME COLUMN shelter TO protection', 'as it was');
sql_ok($node, 'ALTER FUNCTION keyring_may_backup() RENAME TO keyring_might_backup', 'a function of another version');
sql_ok($node, 'CREATE ROLE somebody; GRANT SELECT ON t TO somebody', 'a role');
sql_fails(
	$node, q(SET ROLE somebody; SET keyring.output_format = ciphertext; SELECT v FROM t),
	'42704',
	qr/function "keyring_may_backup" of extension "keyring" is missing.*ALTER EXTENSION keyring UPDATE/s,
	'the function is missing'
);
sql_ok($node, 'ALTER FUNCTION keyring_might_backup() RENAME TO keyring_may_backup', 'as it was');
sql_is($node, 'SELECT v, s FROM t', 'one|one', 'and readable');
done_testing();
