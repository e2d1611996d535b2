# Logical replication: envelopes travel as they are, in text and in binary, also to a subscriber without the keys; and
# plaintext where a superuser has asked for it, so that a plain table can be copied into an encrypted one.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringHold;
use KeyringLeak;
use KeyringTest;

my $options =
  "max_logical_replication_workers = 12\nwal_retrieve_retry_interval = '200ms'\nlog_min_messages = debug1\nlog_statement = none";
my $publisher = KeyringTest->new_node('publisher', streaming => 'logical', conf => $options);
my $subscriber = KeyringTest->new_node('subscriber', streaming => 'logical', conf => $options);
keyring_db($publisher);

my $tables = q(
	CREATE TABLE person (id integer PRIMARY KEY, name encrypted_text, ssn encrypted_text(searchable) UNIQUE, photo encrypted_bytea);
	CREATE TABLE plan (code encrypted_text(searchable) PRIMARY KEY, words encrypted_text);
	CREATE TABLE whole (id integer, ssn encrypted_text(searchable), name encrypted_text);
	ALTER TABLE whole REPLICA IDENTITY FULL);
sql_ok($publisher, $tables, 'tables');
sql_ok(
	$publisher, q(
	INSERT INTO person SELECT i, 'name ' || i, 'ssn ' || i, 'photo' FROM generate_series(1, 50) i;
	UPDATE person SET name = repeat('long', 5000) WHERE id = 50;
	INSERT INTO plan VALUES ('gold', 'all'), ('iron', 'some');
	INSERT INTO whole VALUES (1, 'a', 'x'), (1, 'b', 'y');
	CREATE PUBLICATION everything FOR TABLE person, plan, whole;
	CREATE PUBLICATION keyed FOR TABLE person, plan), 'with rows'
);
my $envelopes = q(SET keyring.output_format = ciphertext;
	TABLE person ORDER BY id; SELECT * FROM plan ORDER BY words IS NULL, md5(code::text); TABLE whole);
my $content =
  q(SELECT id, md5(name::text), ssn, photo FROM person ORDER BY id; TABLE plan ORDER BY code; TABLE whole ORDER BY id, ssn);

# In dollar quotes: connection strings have quotes of their own.
sub subscription
{
	my ($name, $from, $with) = @_;
	return
		"CREATE SUBSCRIPTION $name CONNECTION \$\$"
	  . $publisher->connstr($from)
	  . "\$\$ PUBLICATION "
	  . ($name eq 'blind' ? 'keyed' : 'everything')
	  . " WITH ($with)";
}

sub subscribe
{
	my ($node, $db, $name, $from, $with) = @_;
	sql_value($node, subscription($name, $from, $with), db => $db);
	$node->wait_for_subscription_sync($publisher, $name, $db);
	return pass("$name: subscribed");
}

sub same_as_published
{
	my ($name, $db) = @_;
	is(
		sql_value($subscriber, $envelopes, db => $db),
		sql_value($publisher, $envelopes),
		"$name: the envelopes are those of the publisher"
	);
	is(sql_value($subscriber, $content, db => $db), sql_value($publisher, $content), "$name: and are read");
	return;
}

# The keys first: a dump of keyring_key alone.
sub copy_keys
{
	my ($db) = @_;
	local $ENV{PGOPTIONS} = '-c keyring.output_format=ciphertext';
	my $rows = $publisher->safe_psql('postgres', 'COPY keyring_key TO STDOUT');
	my $copy = "SET keyring.input_format = ciphertext; COPY keyring_key FROM STDIN;\n$rows\n\\.\n";
	return sql_ok($subscriber, $copy, "$db: the keys are copied", db => $db);
}

append_to_file(root_key_file($subscriber), slurp_file(root_key_file($publisher)));
chmod 0600, root_key_file($subscriber);
my %subscriptions = (in_text => 'binary = false', in_binary => 'binary = true', blind => 'binary = false');
for my $db (sort keys %subscriptions)
{
	$subscriber->safe_psql('postgres', "CREATE DATABASE $db");
	sql_ok($subscriber, "CREATE EXTENSION keyring; $tables", "$db: the extension and tables", db => $db);
	copy_keys($db) unless $db eq 'blind';
	subscribe($subscriber, $db, $db, 'postgres', $subscriptions{$db});
}
same_as_published("$_, first copy", $_) for qw(in_text in_binary);

# Changes of each kind; the last ones under another key, whose row is copied before it is used.
sql_ok(
	$publisher, q(
	INSERT INTO person VALUES (51, 'new', 'ssn 51', NULL), (52, '', NULL, '');
	UPDATE person SET name = 'changed' WHERE id = 1;
	UPDATE person SET id = 100, ssn = 'ssn 100' WHERE id = 2;
	UPDATE person SET photo = 'other' WHERE id = 50;
	DELETE FROM person WHERE ssn = 'ssn 3';
	UPDATE plan SET words = 'everything' WHERE code = 'gold';
	UPDATE plan SET code = 'silver' WHERE code = 'iron';
	INSERT INTO plan VALUES ('lead');
	DELETE FROM plan WHERE code = 'lead';
	UPDATE whole SET name = 'z' WHERE ssn = 'b';
	DELETE FROM whole WHERE ssn = 'a';
	INSERT INTO whole VALUES (NULL, NULL, NULL)), 'changes'
);
$publisher->wait_for_catchup($_) for sort keys %subscriptions;
same_as_published("$_, changes", $_) for qw(in_text in_binary);
sql_ok($publisher, 'SELECT keyring_activate(keyring_create_key())', 'another key');
for my $db (qw(in_text in_binary))
{
	my $row = sql_value($publisher, 'COPY (SELECT * FROM keyring_key WHERE id = 2) TO STDOUT');
	sql_ok(
		$subscriber,
		"UPDATE keyring_key SET state = 'deprecated' WHERE id = 1",
		"$db: the old primary steps down",
		db => $db
	);
	my $copy = "SET keyring.input_format = ciphertext; COPY keyring_key FROM STDIN;\n$row\n\\.\n";
	sql_ok($subscriber, $copy, "$db: the new key", db => $db);
}
sql_ok(
	$publisher,
	q(INSERT INTO person VALUES (60, 'under another key', 'ssn 60'); UPDATE person SET name = name || '!' WHERE id = 4),
	'values under it'
);
$publisher->wait_for_catchup($_) for sort keys %subscriptions;
same_as_published("$_, another key", $_) for qw(in_text in_binary);
sql_is($subscriber, q(SELECT id FROM person WHERE ssn = 'ssn 60'), '60', 'found by its token', db => 'in_binary');

# No keys: everything arrives, nothing is read.
my $people = 'SET keyring.output_format = ciphertext; TABLE person ORDER BY id';
is(sql_value($subscriber, $people, db => 'blind'), sql_value($publisher, $people), 'blind: the envelopes are there');
sql_is($subscriber, 'SELECT count(*) FROM plan', '2', 'blind: rows were found and changed by tokens', db => 'blind');
sql_fails($subscriber, 'SELECT name FROM person', 'KR009', qr/keyring_key/, 'blind: and cannot be read', db => 'blind');

# A change that does not fit says so, but the log does not quote it.
my $marks = KeyringLeak->new;
my $log = log_position($subscriber);
sql_ok(
	$subscriber,
	"INSERT INTO person VALUES (70, 'x', '" . $marks->text('conflict') . "')",
	'a row of its own',
	db => 'in_text'
);
sql_ok($publisher, "INSERT INTO person VALUES (71, 'y', '" . $marks->text('conflict') . "')", 'the same value there');
wait_until(
	sub { log_since($subscriber, $log) =~ /duplicate key .*"person_ssn_key"|conflict detected on .*insert_exists/ },
	'a conflict');
like(log_since($subscriber, $log), qr/DETAIL:  The values are not logged/, 'its values are not logged');
is(join(' ', %{ { $marks->in_text(slurp_file($subscriber->logfile)) } }), '', 'nowhere in the log');
sql_ok($subscriber, 'DELETE FROM person WHERE id = 70', 'the conflict is over', db => 'in_text');
$publisher->wait_for_catchup('in_text');

# Nor rows that it misses, which servers from 18 on report.
sql_ok($_->[0], 'DELETE FROM person WHERE id = 5', 'a row less', db => $_->[1]) for [ $subscriber, 'in_text' ];
sql_ok($publisher, "UPDATE person SET name = '" . $marks->text('missing') . "' WHERE id = 5", 'which is changed there');
$publisher->wait_for_catchup('in_text');
like(log_since($subscriber, $log), qr/conflict=update_missing/, 'reported') if $subscriber->pg_version >= 18;
is(join(' ', %{ { $marks->in_text(slurp_file($subscriber->logfile)) } }), '', 'but not quoted');
sql_ok($publisher, 'DELETE FROM person WHERE id = 5', 'gone there too');
$publisher->wait_for_catchup($_) for sort keys %subscriptions;
same_as_published('in_text, after the conflict', 'in_text');

# --- plaintext, where a superuser wants it --------------------------------------------------------

# From a plain table into an encrypted one.
$publisher->safe_psql('postgres', 'CREATE DATABASE plain');
sql_ok(
	$publisher, q(
	CREATE TABLE person (id integer PRIMARY KEY, name text, ssn text, photo bytea);
	INSERT INTO person SELECT i, 'name ' || i, 'ssn ' || i, 'photo' FROM generate_series(1, 50) i;
	CREATE PUBLICATION everything FOR TABLE person), 'a plain publisher', db => 'plain'
);
keyring_db($subscriber, 'sealing');
sql_ok(
	$subscriber,
	"$tables; ALTER TABLE person ADD CONSTRAINT refused CHECK (ssn <> 'ssn 7'::text)",
	'an encrypted subscriber',
	db => 'sealing'
);
sql_ok(
	$subscriber,
	'CREATE ROLE sealer LOGIN SUPERUSER; ALTER ROLE sealer SET keyring.input_format = plaintext',
	'its owner gives plaintext'
);
$log = log_position($subscriber);
sql_value(
	$subscriber,
	'SET SESSION AUTHORIZATION sealer; ' . subscription('sealing', 'plain', 'binary = false'),
	db => 'sealing'
);
wait_until(sub { log_since($subscriber, $log) =~ /violates check constraint "refused"/ }, 'the first copy to fail');
unlike(log_since($subscriber, $log), qr/ssn 7/, 'the first copy fails, and its line is not logged');
sql_ok($subscriber, 'ALTER TABLE person DROP CONSTRAINT refused', 'the reason is removed', db => 'sealing');
$subscriber->wait_for_subscription_sync($publisher, 'sealing', 'sealing');
sql_ok($publisher, q(INSERT INTO person VALUES (51, 'later', 'ssn 51')), 'a change', db => 'plain');
$publisher->wait_for_catchup('sealing');
my $all = 'SELECT id, name::text, ssn, photo FROM person ORDER BY id';
is(
	sql_value($subscriber, $all, db => 'sealing'),
	sql_value($publisher, $all, db => 'plain'),
	'the plain values, sealed on arrival'
);
sql_is($subscriber, 'SELECT DISTINCT key_id FROM keyring_census()', '1', 'under the subscriber\'s key',
	db => 'sealing');

# A stream in plaintext obeys who may read.
sub stream_as
{
	my ($role, @options) = @_;
	local $ENV{PGOPTIONS} = join ' ', @options;
	my ($out, $err) = ('', '');
	my $slot = "slot_$role";
	my $position = sql_value(
		$publisher, "SELECT pg_create_logical_replication_slot('$slot', 'test_decoding') AS s;
		INSERT INTO person VALUES (DEFAULT_ID, 'streamed', NULL); SELECT pg_current_wal_insert_lsn()" =~
		  s/DEFAULT_ID/(SELECT max(id) + 1 FROM person)/r
	);
	my $end = (split /\n/, $position)[-1];
	IPC::Run::run(
		[
			$publisher->installed_command('pg_recvlogical'),
			'--start', '-n', '-S', $slot, '-U', $role, '-d', $publisher->connstr('postgres'),
			'-f', '-', '--endpos', $end
		],
		'<',
		\undef,
		'>',
		\$out,
		'2>',
		\$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default)
	);
	wait_for($publisher, "SELECT active FROM pg_replication_slots WHERE slot_name = '$slot'",
		'f', 'the stream has ended');
	sql_value($publisher, "SELECT pg_drop_replication_slot('$slot')");
	return ($out, $err);
}

sql_ok(
	$publisher,
	q(CREATE ROLE streamer LOGIN REPLICATION; CREATE ROLE reader LOGIN REPLICATION; SELECT keyring_grant('reader', 'reader');
	ALTER DATABASE postgres SET keyring.require_reader = on), 'roles that stream'
);
my ($out, $err) = stream_as('streamer');
like($out, qr/encrypted_text\]:'keyring:/, 'by default a stream carries envelopes, to anybody');
($out, $err) = stream_as($_, '-c keyring.output_format=plaintext'),
  like($out, qr/encrypted_text\]:'keyring:/, "also to a $_ who asks for plaintext")
  for qw(streamer reader);

# So do the functions, in which a role that asks by SET is the same.
sub decoded_by
{
	my ($role, $set) = @_;
	sql_value(
		$publisher, q(SELECT pg_create_logical_replication_slot('sql', 'test_decoding');
		INSERT INTO person VALUES ((SELECT max(id) + 1 FROM person), 'streamed', NULL))
	);
	my $data =
	  sql_value($publisher, "$set; SELECT data FROM pg_logical_slot_get_changes('sql', NULL, NULL)", user => $role);
	sql_value($publisher, q(SELECT pg_drop_replication_slot('sql')));
	return $data;
}
my $plaintext = 'SET keyring.output_format = plaintext';
like(decoded_by('reader', $plaintext), qr/encrypted_text\]:'keyring:/, 'a reader who asks by SET gets envelopes, too');
my $superuser = sql_value($publisher, 'SELECT current_user');
like(decoded_by($superuser, $plaintext), qr/encrypted_text\]:'streamed'/, 'a superuser gets plaintext');

# Nor may such a role keep the setting for itself, wherever it is connected.
for my $db ('postgres', 'template1')
{
	sql_fails(
		$publisher, "ALTER ROLE reader $plaintext", '42501', qr/a superuser's to decide/,
		"a role cannot keep it for itself in $db",
		user => 'reader',
		db => $db
	);
}
sql_fails(
	$publisher, "$plaintext; ALTER ROLE reader IN DATABASE postgres SET keyring.output_format FROM CURRENT",
	'42501',
	qr/permission denied to keep/,
	'nor from a session',
	user => 'reader'
);
sql_ok(
	$publisher,
	'ALTER ROLE reader SET keyring.output_format = ciphertext; ALTER ROLE reader RESET keyring.output_format',
	'it can keep ciphertext',
	user => 'reader'
);
sql_ok($publisher, "ALTER ROLE $_ $plaintext", "a superuser sets it for $_") for qw(reader streamer);
($out, $err) = stream_as('reader');
like($out, qr/encrypted_text\]:'streamed'/, 'plaintext to a reader where a superuser said so');
($out, $err) = stream_as('streamer');
like($err, qr/role "streamer" may not read encrypted values/, 'not to another');
unlike($out, qr/streamed|\(encrypted\)/, 'nor a placeholder that might be stored');
done_testing();
