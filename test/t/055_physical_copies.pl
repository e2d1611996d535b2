# Copies of the whole data directory: a base backup, with and without the root key, and pg_upgrade.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main', streaming => 1);
keyring_db($node);
sql_ok(
	$node, q(
	CREATE EXTENSION amcheck;
	CREATE ROLE backup; SELECT keyring_grant('backup', 'backup');
	CREATE TABLE person (id integer PRIMARY KEY, name encrypted_text NOT NULL DEFAULT 'nobody', ssn encrypted_text(searchable) UNIQUE,
		zip varchar(9), dropped encrypted_text, CHECK (name <> 'x'::text)) ;
	ALTER TABLE person DROP dropped;
	INSERT INTO person SELECT i, 'name ' || i, 'ssn ' || i, 'zip' || i FROM generate_series(1, 50) i;
	UPDATE person SET name = repeat('long', 10000) WHERE id = 3;
	SELECT keyring_encrypt_column('person', 'zip');
	SELECT keyring_activate(keyring_create_key(label => 'second'));
	INSERT INTO person VALUES (100, 'under the second', 'ssn 100');
	CREATE VIEW sorted AS SELECT name, ssn FROM person ORDER BY ssn;
	CREATE MATERIALIZED VIEW kept AS SELECT ssn, name FROM person;
	CREATE FUNCTION f(encrypted_text) RETURNS integer LANGUAGE sql AS 'SELECT length($1)';
	CREATE TABLE parts (id integer, v encrypted_text) PARTITION BY LIST (id);
	CREATE TABLE part PARTITION OF parts DEFAULT), 'a database'
);
my %content = (
	person => 'SELECT id, md5(name::text), ssn, zip FROM person ORDER BY id',
	sorted => 'SELECT ssn, md5(name::text) FROM sorted',
	envelopes =>
	  'SET keyring.output_format = ciphertext; SELECT id, md5(name::text), ssn, zip FROM person ORDER BY id; SELECT ssn FROM kept ORDER BY md5(ssn::text)',
	oids => q(SELECT oid, typname FROM pg_type WHERE typname ~ 'encrypted' ORDER BY oid),
	keys => 'SELECT id, tag, uuid, label, state, kek_version, created_at FROM keyring_keys ORDER BY id',
	members =>
	  q(SELECT count(*) FROM pg_depend WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'keyring')),
	configuration => q(SELECT extconfig::regclass[], extcondition FROM pg_extension WHERE extname = 'keyring'),
	rights =>
	  q(SELECT has_function_privilege('backup', 'keyring_may_backup()', 'EXECUTE'), has_table_privilege('backup', 'keyring_key', 'SELECT')),
	columns => 'SELECT relation, column_name, base_type, searchable FROM keyring_columns ORDER BY 1, 2'
);
my %original = map { $_ => sql_value($node, $content{$_}) } sort keys %content;

sub same_content
{
	my ($name, $copy) = @_;
	is(sql_value($copy, $content{$_}), $original{$_}, "$name: $_") for sort keys %content;
	sql_ok(
		$copy,
		q(SELECT bt_index_parent_check(indexrelid, true) FROM pg_index WHERE indrelid = 'person'::regclass),
		"$name: indexes are sound"
	);
	sql_is($copy, q(SELECT id FROM person WHERE ssn = 'ssn 42'), '42', "$name: looked up");
	sql_fails($copy, q(INSERT INTO person VALUES (101, 'x', 'ssn 101')), '23514', qr/check/, "$name: CHECK");
	sql_fails($copy, q(INSERT INTO person VALUES (101, 'y', 'ssn 42')), '23505', qr/ssn/, "$name: UNIQUE");
	sql_fails($copy, q(ALTER TABLE person ALTER zip TYPE text), '0A000', qr/keyring_decrypt_column/, "$name: guards");
	sql_is(
		$copy,
		q(INSERT INTO person (id, ssn) VALUES (102, 'new'); SELECT name, (keyring_inspect(name)).key_id FROM person WHERE ssn = 'new'),
		'nobody|2',
		"$name: written"
	);
	sql_ok(
		$copy,
		q(CREATE TABLE another (v encrypted_text); SELECT keyring_activate(keyring_create_key())),
		"$name: new tables and keys"
	);
	return;
}

sub give_root_key
{
	my ($copy) = @_;
	append_to_file(root_key_file($copy), slurp_file(root_key_file($node)));
	chmod 0600, root_key_file($copy);
	return;
}

# --- a base backup -------------------------------------------------------------------------------

my $backup = 'base';
$node->backup($backup);
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, $backup);
$restored->start;
sql_is($restored, 'SELECT count(*) FROM person', '51', 'a base backup without the root key: rows are there');
sql_fails($restored, 'SELECT name FROM person', 'KR001', qr/root key [0-9a-f]{16}/, 'and cannot be read');
sql_fails($restored, q(INSERT INTO person (id) VALUES (1000)), 'KR001', qr/root key/, 'nor written');
sql_fails($restored, 'SELECT keyring_create_key()', 'KR001', qr/root key/, 'and no other root key is made');
ok(!-e root_key_file($restored), 'really none');
sql_is($restored, q(SELECT bool_and(ok) FROM keyring_doctor() WHERE subject ~ 'key 1'), 'f', 'the doctor knows');
give_root_key($restored);
wait_for($restored, 'SELECT count(name::text) FROM person', '51', 'with the root key they are read');
same_content('base backup', $restored);

# --- pg_upgrade, to the same major version -------------------------------------------------------------

my $upgraded = KeyringTest->new_node('upgraded', start => 0);
my $bin = $node->config_data('--bindir');
my $said = '';
$node->stop;
chdir $upgraded->basedir or die $!;
ok(
	IPC::Run::run(
		[
			$upgraded->installed_command('pg_upgrade'),
			'--no-sync', '-b', $bin, '-B', $bin, '-d', $node->data_dir, '-D', $upgraded->data_dir,
			'-s', $node->host, '-p', $node->port, '-P', $upgraded->port
		],
		'<',
		\undef,
		'>&',
		\$said
	),
	'pg_upgrade'
) or diag($said);
give_root_key($upgraded);
$upgraded->start;
same_content('pg_upgrade', $upgraded);
done_testing();
