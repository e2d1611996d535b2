# doc/errors.md, line by line: fault, SQLSTATE, what is left behind.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use MIME::Base64;

my $node = KeyringTest->new_node('main');

sql_ok($node, 'CREATE EXTENSION keyring', 'the extension');
sql_ok($node, 'CREATE TABLE person (id integer PRIMARY KEY, name text, photo bytea)', 'a plain table');
sql_ok($node, q{INSERT INTO person VALUES (1, 'Ada', '\x01')}, 'with a row');

# --- keys -------------------------------------------------------------------------------------

sql_fails(
	$node, q{SELECT keyring_encrypt_column('person', 'name')},
	'KR007',
	qr/primary key.*keyring_create_key/s,
	'no primary: a column is not encrypted'
);
sql_is($node, 'SELECT name FROM person', 'Ada', 'and is as it was');
sql_ok(
	$node,
	'CREATE TABLE secret (id integer, v encrypted_text(randomized), s encrypted_text(searchable))',
	'an encrypted table'
);
for my $column (qw(v s))
{
	sql_fails($node, "INSERT INTO secret (id, $column) VALUES (1, 'x')",
		'KR007', qr/keyring_activate/, "no primary: nothing is written to $column");
	sql_fails($node, "COPY secret ($column) FROM PROGRAM 'echo x'",
		'KR007', qr/keyring_activate/, "no primary: nothing is copied to $column");
}
sql_is($node, 'SELECT count(*) FROM secret', '0', 'nothing was stored');

sql_ok($node, 'SELECT keyring_create_key()', 'a key');
sql_fails($node, q{INSERT INTO secret (id, v) VALUES (1, 'x')},
	'KR007', qr/keyring_activate/, 'a staged key is not used');
sql_ok($node, 'SELECT keyring_activate(1)', 'activated');
sql_fails($node, q{SELECT keyring_create_key('vault')}, '22023', qr/"vault".*managed/s, 'unknown provider');
sql_fails($node, 'SELECT keyring_activate(7)', 'KR009', qr/key 7 does not exist/, 'unknown key');
sql_fails($node, 'SELECT keyring_destroy_key(1)', '55000', qr/cannot destroy key 1: it is primary/, 'wrong transition');
sql_is($node, 'SELECT id, state FROM keyring_keys', '1|primary', 'the keys are as they were');

# --- columns ----------------------------------------------------------------------------------

sql_fails($node, q{SELECT keyring_encrypt_column('nonesuch', 'name')}, '42P01', qr/nonesuch/, 'unknown relation');
sql_fails($node, q{SELECT keyring_encrypt_column('person', 'nonesuch')}, '42703', qr/nonesuch/, 'unknown column');
sql_fails($node, q{SELECT keyring_census('nonesuch')}, '42P01', qr/nonesuch/, 'census of an unknown relation');
sql_ok($node, 'ALTER TABLE person ADD place point, ADD span interval(3), ADD doc json', 'more columns');
sql_fails($node, q{SELECT keyring_encrypt_column('person', 'place')},
	'42804', qr/point.*text/s, 'a type that cannot be encrypted');
sql_fails(
	$node, q{SELECT keyring_encrypt_column('person', 'span')},
	'42804',
	qr/interval\(3\) says beyond interval.*ALTER COLUMN span TYPE interval/s,
	'a modifier that cannot be kept'
);
sql_fails(
	$node, q{SELECT keyring_encrypt_column('person', 'doc', true)},
	'0A000',
	qr/searchable.*json has no equality/s,
	'a type without equality'
);
sql_fails(
	$node, 'CREATE TABLE docs (d encrypted_json(searchable))',
	'0A000',
	qr/json has no equality/,
	'nor is such a column made'
);
sql_ok($node, 'ALTER TABLE person DROP place, DROP span, DROP doc', 'without them');
sql_ok($node, q{SELECT keyring_encrypt_column('person', 'name', true)}, 'a column is encrypted');
sql_fails($node, q{SELECT keyring_encrypt_column('person', 'name', true)},
	'55000', qr/already.*randomized/s, 'already encrypted');
sql_fails($node, q{SELECT keyring_decrypt_column('person', 'photo')}, '55000', qr/not encrypted/, 'not encrypted');
sql_fails($node, 'ALTER TABLE person ALTER COLUMN name TYPE text',
	'0A000', qr/keyring_decrypt_column/, 'ALTER TABLE around keyring');
sql_fails($node, 'ALTER TABLE person ALTER COLUMN name TYPE bytea USING name::text::bytea',
	'0A000', qr/keyring_decrypt_column/, 'the same with USING');
sql_is($node, 'SELECT name, (keyring_inspect(name)).key_id FROM person', 'Ada|1', 'the column is as it was');

# --- envelopes --------------------------------------------------------------------------------

# A superuser can make any bytes an envelope; nobody else can. That is how damage is put on disk here.
sql_ok($node, 'CREATE CAST (bytea AS encrypted_text) WITHOUT FUNCTION', 'a way to store damaged envelopes');

sub envelope_of
{
	my ($query) = @_;
	my $armored = sql_value($node, "SET keyring.output_format = ciphertext; $query");
	$armored =~ s/^keyring://m or die "not an armored envelope: $armored\n";
	return decode_base64($armored);
}

sub literal
{
	my ($bytes) = @_;
	return q('\x) . unpack('H*', $bytes) . "'::bytea::encrypted_text";
}

sql_ok($node, q{INSERT INTO secret VALUES (1, 'a value of some length', 'a value of some length')}, 'a row to damage');
my %good = map { $_ => envelope_of("SELECT $_ FROM secret") } qw(v s);
my %fields = (
	'magic' => [ 0, 'KR006' ],
	'algorithm' => [ 1, 'KR006' ],
	'flags' => [ 2, 'KR006' ],
	'token generation' => [ 3, 'KR006' ],
	'key tag' => [ 4, 'KR009' ],
	'nonce prefix' => [ 8, 'KR006' ],
	'nonce counter' => [ 20, 'KR006' ],
	'ciphertext or token' => [ 24, 'KR006' ],
	'ciphertext' => [ 40, 'KR006' ],
	'tag' => [ -1, 'KR006' ]
);

sql_ok($node, 'CREATE TABLE bytes (b encrypted_bytea)', 'a table of another encrypted type');
sql_ok($node, q{INSERT INTO bytes VALUES ('a value of some length')}, 'with a value');

sub sealed_as
{
	my ($bytes, $sqlstate, $what) = @_;
	my $armored = 'keyring:' . encode_base64($bytes, '');

	sql_fails($node, 'SELECT (' . literal($bytes) . ')::text', $sqlstate, qr/./, "$what, when read");
	sql_fails($node, "SET keyring.input_format = ciphertext; INSERT INTO secret (v) VALUES ('$armored')",
		$sqlstate, qr/./, "$what, when loaded")
	  unless $sqlstate eq 'KR009';
	return;
}

for my $column (sort keys %good)
{
	for my $field (sort keys %fields)
	{
		my ($offset, $sqlstate) = @{ $fields{$field} };
		my $bytes = $good{$column};
		substr($bytes, $offset, 1) = chr(ord(substr $bytes, $offset, 1) ^ 0x40);
		sealed_as($bytes, $sqlstate, "$column: $field changed");
	}
	sealed_as(substr($good{$column}, 0, -1), 'KR006', "$column: truncated by a byte");
	sealed_as(substr($good{$column}, 0, 30), 'KR006', "$column: truncated in its middle");
	sealed_as(substr($good{$column}, 0, 7), 'KR006', "$column: truncated in its header");
	sealed_as($good{$column} . "\0", 'KR006', "$column: extended");
}
sealed_as('', 'KR006', 'empty');
sealed_as("\xff", 'KR006', 'a lone magic byte');
sealed_as(envelope_of('SELECT b FROM bytes'), 'KR006', 'an envelope of another base type');
sql_is($node, 'SELECT (' . literal($good{v}) . ')::text', 'a value of some length', 'while a whole one opens');
sql_fails($node, q{SET keyring.input_format = ciphertext; INSERT INTO secret (v) VALUES ('plaintext')},
	'22P02', qr/armored|envelope/, 'plaintext where ciphertext is expected');
sql_is($node, 'SELECT count(*) FROM secret', '1', 'nothing of all that was stored');

# One damaged value spoils nothing but itself.
my $damaged = $good{v};
substr($damaged, -1, 1) = chr(ord(substr $damaged, -1, 1) ^ 1);
sql_ok($node, 'INSERT INTO secret (id, v) VALUES (2, ' . literal($good{v}) . ')', 'a copy is stored');
sql_fails($node, 'INSERT INTO secret (id, s) VALUES (2, ' . literal($damaged) . ')',
	'KR006', qr/damaged/, 'a damaged envelope is not sealed anew');

# --- other keys -------------------------------------------------------------------------------

keyring_db($node, 'other');
sql_ok($node, 'CREATE CAST (bytea AS encrypted_text) WITHOUT FUNCTION', 'the same way in', db => 'other');
sql_fails(
	$node, 'SELECT (' . literal($good{v}) . ')::text',
	'KR009',
	qr/does not have.*tag/s,
	'a value of another database',
	db => 'other'
);

sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'a second key');
sql_fails($node, 'SELECT keyring_destroy_key(1)', '55006', qr/values still need it.*keyring_census/s, 'a key in use');
sql_is($node, 'SELECT id, state FROM keyring_keys', "1|deprecated\n2|primary", 'the key is still there');
sql_ok($node, 'SELECT keyring_destroy_key(1, force => true)', 'destroyed by force');
sql_fails($node, 'SELECT v FROM secret WHERE id = 1', 'KR004', qr/key 1.*destroyed/, 'a value under a destroyed key');
sql_is($node, 'SELECT id FROM secret ORDER BY id', "1\n2", 'its row is still there');
sql_fails(
	$node,
	q{SET keyring.input_format = ciphertext; INSERT INTO secret (v) VALUES ('keyring:}
	  . encode_base64($good{v}, '') . q{')},
	'KR004',
	qr/destroyed/,
	'nor can such a value be loaded'
);
sql_ok($node, 'DELETE FROM secret', 'the row can be deleted');
sql_ok($node, 'DROP TABLE bytes', 'and the other table dropped');

# --- sizes ------------------------------------------------------------------------------------

sql_fails($node, q{INSERT INTO secret (id, v) SELECT 3, repeat('0123456789abcdef', 67108862)},
	'54000', qr/./, 'a value too large');
sql_is($node, 'SELECT count(*) FROM secret', '0', 'was not stored');
sql_ok($node, q{INSERT INTO secret (id, v) SELECT 4, repeat('0123456789abcdef', 6000000)}, 'one of 96 MB');
sql_is($node, q{SELECT length(v), md5(v::text) = md5(repeat('0123456789abcdef', 6000000)) FROM secret},
	'96000000|t', 'comes back whole');

# --- the extension ----------------------------------------------------------------------------

sql_fails($node, 'DROP EXTENSION keyring', '2BP01', qr/depends|other objects/, 'DROP EXTENSION');
sql_fails($node, 'DROP EXTENSION keyring CASCADE', '2BP01', qr/allow_drop_cascade/, 'DROP EXTENSION CASCADE');
sql_fails($node, 'DROP TYPE encrypted_text CASCADE', '2BP01', qr/extension keyring/, 'DROP TYPE CASCADE');
sql_is($node, 'SELECT length(v) FROM secret', '96000000', 'nothing was dropped');
sql_ok($node, 'SET keyring.allow_drop_cascade = on; DROP EXTENSION keyring CASCADE', 'unless it is allowed');
sql_is($node,
	q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'secret'::regclass AND attnum > 0 AND NOT attisdropped},
	'1', 'then the columns are gone');

done_testing();
