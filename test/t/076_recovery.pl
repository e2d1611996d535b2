# doc/recovery.md, step by step: values that a job could not move, for each reason. Exactly those are recorded, the rest is
# moved, and a later job clears what has come back. The statements are taken from the page, and none of them is left out.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

my $node = KeyringTest->new_node('main', streaming => 1, conf => 'autovacuum = off');
my @blocks = slurp_file('doc/recovery.md') =~ /^ *```sql\n(.*?)^ *```$/msg;
my %used;

# The page's block that matches, with what is particular to this test put in.
sub page
{
	my ($pattern, %put) = @_;
	my @found = grep { $_ =~ $pattern } @blocks;
	die "blocks that match $pattern: " . @found if @found != 1;
	my ($block) = @found;
	$used{$block} = 1;
	for my $words (keys %put) { $block =~ s/\Q$words\E/$put{$words}/ or die "$words is not in $block" }
	return $block;
}

sub run_job
{
	my ($name) = @_;
	return sql_ok($node, page(qr/CALL keyring_wait_for_job/), "$name: a job ends");
}

my $recorded =
  q(SELECT concat(relation, ' ', coalesce(primary_key->>'id', 'iban'), ' ', reason) FROM keyring_unrecoverable
	ORDER BY relation::text, (primary_key->>'id')::int);

keyring_db($node);
sql_ok($node, <<'END', 'tables');
CREATE FUNCTION odd(id int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT id % 2';
CREATE TABLE patients (id int PRIMARY KEY, name text, ssn encrypted_text(searchable));
INSERT INTO patients SELECT i, 'name ' || i, CASE i WHEN 17 THEN '078-05-1120' ELSE 'ssn ' || i END FROM generate_series(1, 20) i;
CREATE INDEX by_odd ON patients (odd(id));
CREATE INDEX ON patients (ssn);
CREATE TABLE accounts (iban encrypted_text(searchable) PRIMARY KEY, holder text);
INSERT INTO accounts VALUES ('DE02100100100006820101', 'Grace'), ('DE02300209000106531065', 'Ada');
END

# --- the root key is away, and comes back -------------------------------------------------------

my $file = root_key_file($node);
my $first = slurp_file($file);

sub root_keys
{
	my (@lines) = @_;
	unlink $file;
	append_to_file($file, join '', @lines);
	chmod 0600, $file;
	return;
}

my $second = KeyringHold::random_key();
root_keys($first, $second);
sql_ok(
	$node,
	'SELECT keyring_activate(keyring_create_key()); UPDATE patients SET ssn = ssn WHERE id <= 5',
	'a key under another root key, and values under it'
);
root_keys($second);
sql_ok(
	$node,
	'SELECT keyring_flush_cache(); SELECT keyring_reencrypt(skip_unavailable => true); CALL keyring_wait_for_job()',
	'the first root key is taken away, and a job told to pass over its values'
);
sql_is(
	$node,
	page(qr/GROUP BY 1, 2, 3, 4/),
	"patients|ssn|key unavailable|1|15\naccounts|iban|key unavailable|1|2",
	'unavailable: what needs the key is recorded'
);
sql_is($node, q(SELECT min((primary_key->>'id')::int), max((primary_key->>'id')::int) FROM keyring_unrecoverable),
	'6|20', 'unavailable: and nothing else');
my $check = page(qr/keyring_check_key/);
like(sql_value($node, $check), qr/^\w+\|f\|.*root key/m, 'step 1: the check says that the root key is missing');
root_keys($first, $second);
unlike(sql_value($node, $check), qr/^\w+\|f\|/m, 'step 1: the root key is back');

# A row that an index refuses from now on.
sql_ok($node, <<'END', 'a function of an index that fails for one row');
CREATE OR REPLACE FUNCTION odd(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	IF id = 13 THEN RAISE 'no odd number'; END IF;
	RETURN id % 2;
END $$
END
run_job('available again');
sql_is(
	$node, $recorded,
	'patients 13 row refused',
	'available again: the record is cleared, but for the row that is refused'
);
sql_is(
	$node,
	q(SELECT relation, key_id, value_count FROM keyring_census() ORDER BY 1, 2),
	"patients|1|1\npatients|2|19\naccounts|2|2",
	'available again: all others are moved'
);

# --- values of another database, and a key that is destroyed --------------------------------------

sql_value($node, 'CREATE DATABASE elsewhere TEMPLATE postgres');
my $strangers = sql_value($node, <<'END', db => 'elsewhere');
SELECT keyring_activate(keyring_create_key()) IS NULL;
UPDATE patients SET ssn = 'from elsewhere' WHERE id IN (11, 12);
SET keyring.output_format = ciphertext;
SELECT ssn FROM patients WHERE id IN (11, 12) ORDER BY id
END
my ($whole, $damaged) = $strangers =~ /(keyring:\S+)/g;
# before the padding, and in the tag
$damaged =~ s/(.)(.)(=*)$/$1 . ($2 eq 'A' ? 'B' : 'A') . $3/e;
$damaged =~ s/(.)(.{4}=*)$/($1 eq 'A' ? 'B' : 'A') . $2/e;
sql_ok($node, <<"END", 'values from there, and a third key that some values are under');
SET keyring.input_format = ciphertext;
UPDATE patients SET ssn = '$whole' WHERE id = 18;
UPDATE patients SET ssn = '$damaged' WHERE id = 12;
RESET keyring.input_format;
SELECT keyring_activate(keyring_create_key());
UPDATE patients SET ssn = ssn WHERE id NOT IN (12, 13, 17, 18, 19, 20);
UPDATE accounts SET iban = iban WHERE holder = 'Ada';
END
$node->backup('before');
sql_ok($node, 'SELECT keyring_destroy_key(2, force => true)', 'a key that others are under is destroyed by force');
run_job('destroyed');
sql_is($node, $recorded, <<'END' =~ s/\n$//r, 'destroyed: exactly those that cannot be moved are recorded');
accounts iban key destroyed
patients 12 key unknown
patients 13 row refused
patients 17 key destroyed
patients 18 key unknown
patients 19 key destroyed
patients 20 key destroyed
END

# --- step 2: the key is brought -----------------------------------------------------------------

my $tag = sql_value($node, page(qr/key_tag FROM patients/));
my $copy = $node->basedir . "/key.copy";
sql_ok(
	$node,
	page(qr/copy \(SELECT/, '5c4581da' => $tag, 'key.copy' => $copy),
	'step 2: the row of the key is copied there',
	db => 'elsewhere'
);
sql_ok($node, page(qr/brought/, 'key.copy' => $copy), 'step 2: and put in here');
sql_is(
	$node,
	'SELECT id, state FROM keyring_keys ORDER BY id',
	"1|deprecated\n2|destroyed\n3|primary\n4|deprecated",
	'step 2: under a number of its own'
);
run_job('brought');
sql_is($node, 'SELECT ssn FROM patients WHERE id = 18', 'from elsewhere', 'step 2: the value is read, and was moved');
sql_is(
	$node,
	q(SELECT primary_key->>'id', key_id, reason FROM keyring_unrecoverable WHERE primary_key->>'id' IN ('12', '18')),
	'12|4|envelope damaged',
	'step 2: the other one is known for damaged now'
);

# --- step 3: values are restored ------------------------------------------------------------------

my ($where, $look) = page(qr/SELECT primary_key, ctid/) =~ /^(.*?;)(.*)/s;
like(sql_value($node, $where), qr/^\{"id": 17\}\|\(0,\d+\)$/m, 'step 3: the row is shown');
sql_is($node, $look, '17|name 17', 'step 3: its other columns can be read');
sql_fails($node, 'SELECT ssn FROM patients WHERE id = 17', 'KR004', qr/key 2/, 'step 3: the value cannot');
my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($node, 'before');
append_to_file(root_key_file($restored), $first . $second);
chmod 0600, root_key_file($restored);
$restored->start;
sql_is($restored, 'SELECT ssn FROM patients WHERE id = 17', '078-05-1120', 'step 3: a copy of before has it');
$restored->stop('immediate');
sql_ok($node, page(qr/SET ssn = '078-05-1120'/), 'step 3: it is written');
sql_fails(
	$node,
	q(SET keyring.input_format = ciphertext; SELECT holder FROM accounts WHERE iban = ')
	  . sql_value($node, q(SELECT primary_key->>'iban' FROM keyring_unrecoverable WHERE column_name = 'iban')) . q('),
	'KR004',
	qr/could not verify an envelope/,
	'step 3: the envelope of a primary key cannot be entered'
);
my $found = sql_value($node, page(qr/SELECT ctid FROM accounts/));
my ($by_place, $write) = page(qr/JOIN keyring_unrecoverable/, '(0,1)' => $found) =~ /^(.*?;)(.*)/s;
sql_is($node, $by_place, "$found|Grace", 'step 3: by its token or by its record, it is the same row');
sql_ok($node, $write, 'step 3: the primary key is written');
sql_is($node, q(SELECT holder FROM accounts WHERE iban = 'DE02100100100006820101'), 'Grace', 'step 3: and found');

# --- steps 4 to 6 -----------------------------------------------------------------------------------

sql_fails(
	$node, page(qr/SET ssn = ssn/), 'P0001',
	qr/no odd number/,
	'step 4: writing by hand shows why the row is refused'
);
sql_ok($node, 'DROP INDEX by_odd', 'step 4: the index is dropped');
my $give_up = page(qr/DELETE FROM patients/);
sql_ok($node, $give_up . $give_up =~ s/19/12/r, 'step 5: values are given up');
sql_fails(
	$node, 'SELECT keyring_destroy_key(1)',
	'55006',
	qr/values still need it/,
	'step 5: a key that is needed stays'
);
run_job('step 6');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'step 6: nothing is recorded any more');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '3', 'step 6: all values are under the primary');
sql_is(
	$node,
	q(SELECT string_agg(ssn, ' ' ORDER BY id) FROM patients WHERE id > 10),
	'ssn 11 ssn 13 ssn 14 ssn 15 ssn 16 078-05-1120 from elsewhere',
	'step 6: and are what they should be'
);

# The end of a session is the end of what it keeps.
my $session = background($node);
my $pid = $session->query_safe(
	'SET keyring.native_types = off; BEGIN; DECLARE c CURSOR WITH HOLD FOR TABLE patients; COMMIT; SELECT pg_backend_pid()'
);
my %refusal = sql_error($node, 'SELECT keyring_destroy_key(1)');
is(
	"$refusal{sqlstate} $refusal{message} $refusal{detail}",
	"55006 cannot destroy key 1: a cursor WITH HOLD keeps encrypted values It is one of process $pid, whose rows only its session can read.",
	'step 6: a key is not destroyed while a cursor WITH HOLD keeps values'
);
$session->quit;
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", 0, 'step 6: that session ends');
sql_ok($node, 'SELECT keyring_destroy_key(1), keyring_destroy_key(4)', 'step 6: the other keys are needed no more');
is(join("\n", grep { !$used{$_} } @blocks), '', 'every statement of the page was run');

$node->command_ok(
	[
		'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--install-missing', '-t', 'public.*',
		'--heapallindexed'
	],
	'pg_amcheck finds nothing'
);
done_testing();
