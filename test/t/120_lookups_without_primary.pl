# Looking values up by equality while the primary key is not to be had. The token key is the database's and every key holds it, so
# values under other keys are found and read; those under the primary stay closed, and nothing is written.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;
use Time::HiRes qw(time);

my $kms = KmsServer->start;
my $key = $kms->create_key('k');
$kms->grant($key);
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.kms_timeout = '3s'
keyring.cache_ttl = '1h'
END

keyring_db($node);
sql_ok(
	$node,
	qq(CREATE TABLE t (v encrypted_text(searchable), w int);
		CREATE INDEX ON t (v);
		INSERT INTO t VALUES ('old', 1), ('both', 2);
		SELECT keyring_activate(keyring_create_key('gcp-kms', '$key', 'acme'));
		INSERT INTO t VALUES ('new', 3), ('both', 4)),
	'values under a managed key, and under a primary in Cloud KMS'
);

sub flush
{
	return sql_ok($node, 'SELECT keyring_flush_cache()', 'nothing is cached');
}

sub read_by_equality
{
	my ($test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $index (qw(on off))
	{
		sql_is($node,
			"SET enable_indexscan = $index; SET enable_bitmapscan = $index; SELECT v, w FROM t WHERE v = 'old'",
			'old|1', "$test_name: a value under another key is found and read (index scan $index)");
	}
	sql_is($node, q(SELECT v FROM t WHERE v = ANY ('{old,none}')), 'old', "$test_name: = ANY");
	sql_is($node, q(SELECT t.v FROM t JOIN (VALUES ('old'::text)) AS list(x) ON t.v = list.x),
		'old', "$test_name: a join");
	sql_is($node, q(PREPARE p AS SELECT v FROM t WHERE v = $1; EXECUTE p ('old')), 'old', "$test_name: a parameter");
	sql_is($node, q(PREPARE p (encrypted_text) AS SELECT v FROM t WHERE v = $1; EXECUTE p ('old')),
		'old', "$test_name: an encrypted parameter");
	sql_is($node, q(SELECT v = 'old', count(*) FROM t GROUP BY v = 'old' ORDER BY 1),
		"f|3\nt|1", "$test_name: two literals that are to be one");
	sql_is($node, q(SELECT count(*) FROM t WHERE v = 'none'), '0', "$test_name: what is not there is not found");
	return;
}

# An operand may be sealed under another key; none gets into a table.
my @writes = (
	q(INSERT INTO t VALUES ('lost', 5)),
	q(UPDATE t SET v = 'lost' WHERE v = 'old'),
	q(UPDATE t SET v = v WHERE v = 'old'),
	q(INSERT INTO t SELECT v FROM t WHERE v = 'old'),
	q(INSERT INTO t SELECT keyring_text_operand('lost')),
	q(INSERT INTO t SELECT keyring_text_seal('lost', -1, false)),
	q(MERGE INTO t USING (VALUES ('old'::text)) AS s(x) ON t.v = s.x WHEN MATCHED THEN UPDATE SET v = s.x),
	q(CREATE TABLE made AS SELECT keyring_text_operand('lost') AS v),
	q(SELECT keyring_text_operand('lost') AS v INTO made),
	q(PREPARE p (encrypted_text) AS INSERT INTO t VALUES ($1); EXECUTE p ('lost')),
	q(COPY t (v) FROM PROGRAM 'echo lost'),
	q(DO $$ DECLARE x encrypted_text := 'lost'; BEGIN INSERT INTO t VALUES (x); END $$),
	q(DO $$ DECLARE r t; BEGIN r.v := 'lost'; INSERT INTO t SELECT r.*; END $$)
);

sub stays_closed
{
	my ($state, $test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $value (qw(new both))
	{
		sql_fails(
			$node, "SELECT v FROM t WHERE v = '$value'",
			$state,
			qr/could not open a value with key 2 \(acme\): /,
			"$test_name: $value is found, and not opened"
		);
	}
	for my $write (@writes)
	{
		sql_fails(
			$node, $write, $state,
			qr/could not seal a value with key 2 \(acme\): /,
			"$test_name: nothing is written by $write"
		);
	}
	sql_is($node, 'SELECT key_id, value_count FROM keyring_census() ORDER BY key_id',
		"1|2\n2|2", "$test_name: nor under another key");
	return;
}

# --- refused ----------------------------------------------------------------------------------------

my $session = background($node);
is($session->query(q(SELECT count(*) FROM t WHERE v = 'both')), '2', 'a session that has the keys');
$kms->revoke($key);
flush();
read_by_equality('denied');
stays_closed('KR002', 'denied');
is($session->query(q(SELECT v FROM t WHERE v = 'old')), 'old', 'denied: an open session looks up as well');
sql_is($node, q(SELECT health, cached FROM keyring_keys WHERE id = 2), 'denied|f', 'denied: the key is not in memory');

my $asked = $kms->count(decrypt => $key);
sql_is($node,
	q(SELECT count(v) FROM generate_series(1, 50) i, LATERAL (SELECT v FROM t WHERE v = 'old' || left(i::text, 0)) x),
	'50', 'fifty look-ups');
is($kms->count(decrypt => $key) - $asked, 0, 'none of which asks for the primary');

$kms->grant($key);
flush();
sql_is(
	$node,
	q(SELECT string_agg(v, ' ' ORDER BY w) FROM t WHERE v = ANY ('{new,both}')),
	'both new both',
	'access returns'
);
is($session->query(q(SELECT w FROM t WHERE v = 'new')), '3', 'in the open session too');

# --- no answer --------------------------------------------------------------------------------------

$kms->fault(kind => 'decrypt', key => $key, delay => 60, count => 100_000);
flush();
my $began = time;
sql_is($node, q(SELECT v FROM t WHERE v = 'old'),
	'old', 'a service that hangs: the first look-up waits for it, and goes on without');
cmp_ok(time - $began, '>', 2, 'after the time-out');
$began = time;
read_by_equality('a service that hangs');
cmp_ok(time - $began, '<', 2.5, 'later ones do not wait');
$kms->control('clear_faults');

# --- none can be had --------------------------------------------------------------------------------

my $hidden = root_key_file($node);
rename $hidden, "$hidden.away" or die "rename: $!\n";
flush();
sql_is($node, q(SELECT v FROM t WHERE v = 'new'), 'new', 'the root key is away: the primary in Cloud KMS is enough');
sql_fails(
	$node, q(SELECT v FROM t WHERE v = 'old'),
	'KR001',
	qr/could not open a value with key 1: /,
	'for values under it'
);
$kms->revoke($key);
flush();
sql_fails(
	$node,
	q(SELECT v FROM t WHERE v = 'old'),
	'KR002',
	qr/could not compute an equality token with key 2 \(acme\): the owner of the key does not allow it\n.*add-iam-policy-binding/s,
	'no key can be had: the error names the primary'
);
rename "$hidden.away", $hidden or die "rename: $!\n";
wait_for($node, q(SELECT v FROM t WHERE v = 'old'), 'old', 'the root key is back');

# --- another token key would find nothing, and say so to nobody -------------------------------------------

sql_ok(
	$node, q(ALTER TABLE keyring_key DISABLE TRIGGER ALL;
	UPDATE keyring_key SET token_key_id = decode(repeat('00', 8), 'hex') WHERE id = 2),
	'a row that somebody has changed by hand'
);
flush();
sql_fails(
	$node, q(SELECT v FROM t WHERE v = 'old'),
	'KR002',
	qr/could not compute an equality token with key 2/,
	'a key with another token key than the primary is not taken'
);

$session->quit;
done_testing();
