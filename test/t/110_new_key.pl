# A new key while the primary is not to be had: its owner has taken it away, or its service is away. Any other key yields the
# database's token key, so writing resumes under a new one; what the old one holds is out of reach until access returns.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.kms_timeout = '2s'
keyring.cache_ttl = '1h'
END

sub wrapping_key
{
	my ($id) = @_;
	my $name = $kms->create_key($id);
	$kms->grant($name);
	return $name;
}

# A wrapping key and a data key under it, made primary; returns both.
sub new_primary
{
	my ($id, $db) = @_;
	my $name = wrapping_key($id);
	my $key = sql_value($node, "SELECT keyring_create_key('gcp-kms', '$name')", db => $db);
	sql_value($node, "SELECT keyring_activate($key)", db => $db);
	return ($name, $key);
}

sub set_state
{
	my ($name, $state) = @_;
	return $kms->control(set_state => name => $name, state => $state);
}

# --- one obstacle after the other, each met by a primary of its own ---------------------------------

my %obstacles = (
	denied => [ 'KR002', sub { $kms->revoke($_[0]) }, sub { $kms->grant($_[0]) } ],
	disabled => [ 'KR003', sub { set_state($_[0], 'DISABLED') }, sub { set_state($_[0], 'ENABLED') } ],
	scheduled => [ 'KR003', sub { set_state($_[0], 'DESTROY_SCHEDULED') }, sub { set_state($_[0], 'ENABLED') } ],
	destroyed => [ 'KR004', sub { set_state($_[0], 'DESTROYED') } ],
	unreachable => [
		'KR005',
		sub { $kms->fault(kind => 'any', key => $_[0], error => 'unavailable', count => 100_000) },
		sub { $kms->control('clear_faults') }
	]
);

sql_ok($node, 'CREATE EXTENSION keyring', 'extension');
my ($first) = new_primary('first', 'postgres');
sql_ok($node, 'CREATE TABLE t (id serial PRIMARY KEY, v encrypted_text(searchable)); CREATE INDEX ON t (v)', 'a table');
for my $obstacle (sort keys %obstacles)
{
	my ($state, $harm, $mend) = @{ $obstacles{$obstacle} };
	my ($name, $key) = new_primary($obstacle, 'postgres');
	my $next = wrapping_key("after-$obstacle");
	sql_ok($node, "INSERT INTO t (v) VALUES ('$obstacle')", "$obstacle: a value under the primary");
	$harm->($name);
	sql_ok($node, 'SELECT keyring_flush_cache()', "$obstacle: nothing is cached");
	sql_fails($node, "INSERT INTO t (v) VALUES ('lost')", $state, qr/\Q$name\E/, "$obstacle: nothing can be written");
	sql_is(
		$node,
		"SELECT count(*) FROM keyring_doctor() WHERE NOT ok AND subject = 'key $key' AND hint LIKE 'To go on writing meanwhile%'",
		'1',
		"$obstacle: the doctor knows a way"
	);

	sql_ok(
		$node,
		qq(SELECT keyring_create_key('gcp-kms', '$next', 'after $obstacle'); SELECT keyring_activate(max(id)) FROM keyring_keys),
		"$obstacle: a new key can be made and activated"
	);
	sql_ok($node, "INSERT INTO t (v) VALUES ('$obstacle')", "$obstacle: writing resumes under it");
	sql_fails(
		$node, "SELECT v::text FROM t WHERE v = '$obstacle'",
		$state,
		qr/with key $key: /,
		"$obstacle: what the old key holds stays out of reach"
	);
	sql_is($node, "SELECT count(*) FROM t WHERE v = '$obstacle'", '2', "$obstacle: both keys share the token key");
	next unless $mend;
	$mend->($name);
	sql_ok($node, 'SELECT keyring_flush_cache()', "$obstacle ends");
	sql_is(
		$node,
		"SELECT string_agg(v::text, ' ') FROM t WHERE v = '$obstacle'",
		"$obstacle $obstacle",
		"$obstacle ends: old and new values are read"
	);
}
sql_is($node, q(SELECT count(*) FROM t WHERE v = 'lost'), '0', 'nothing was stored that was refused');

# A managed key does as well, and needs nobody.
sql_ok($node, 'SELECT keyring_create_key()', 'a managed key');
$kms->fault(kind => 'any', error => 'unavailable', count => 100_000);
sql_ok(
	$node,
	'SELECT keyring_flush_cache(); SELECT keyring_activate(keyring_create_key())',
	'all of Cloud KMS is away: another one'
);
sql_ok($node, q(INSERT INTO t (v) VALUES ('local')), 'and writing goes on');
$kms->control('clear_faults');

# --- what is in memory ------------------------------------------------------------------------------

my $db = 'memory';
$node->safe_psql('postgres', "CREATE DATABASE $db");
sql_ok($node, 'CREATE EXTENSION keyring', 'a database whose only key is in Cloud KMS', db => $db);
my ($only, $only_key) = new_primary('only', $db);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('1')), 'it is in memory', db => $db);

$kms->revoke($only);
sql_is($node, 'SELECT v FROM t', '1', 'revoked, and nobody has asked yet', db => $db);
sql_fails(
	$node, 'SELECT keyring_create_key()',
	'KR002',
	qr/: key $only_key: could not decrypt with .*\nIf the name is right, .*add-iam-policy-binding only /s,
	'what its owner has taken away is not copied from memory',
	db => $db
);
sql_is($node, 'SELECT v FROM t', '1', 'where it stays until it is verified', db => $db);
sql_is($node, 'SELECT count(*) FROM keyring_keys', '1', 'no key was stored', db => $db);
$kms->grant($only);
$kms->fault(kind => 'any', key => $only, error => 'unavailable', count => 100_000);
sql_ok($node, 'SELECT keyring_create_key()', 'nobody answers: what is in memory serves, as for reading', db => $db);
$kms->control('clear_faults');
sql_is($node, 'SELECT v FROM t', '1', 'it still does', db => $db);

# Two token keys in one database would make equality wrong.
sql_ok(
	$node,
	q(ALTER TABLE keyring_key DISABLE TRIGGER ALL; UPDATE keyring_key SET token_key_id = decode(repeat('00', 8), 'hex')),
	'rows that somebody has changed by hand',
	db => $db
);
sql_fails(
	$node, 'SELECT keyring_create_key()',
	'KR001',
	qr/: key \d+: it holds another token key than table keyring_key says; key \d+: it holds/,
	'are not believed',
	db => $db
);

# --- none can be had --------------------------------------------------------------------------------

my $crowd = 'crowd';
$node->safe_psql('postgres', "CREATE DATABASE $crowd");
sql_ok($node, 'CREATE EXTENSION keyring', 'a database with many keys', db => $crowd);
my @names = map { (new_primary("crowd-$_", $crowd))[0] } 1 .. 7;
sql_ok($node, "SELECT keyring_create_key('gcp-kms', '$names[0]')", 'two of them of one wrapping key', db => $crowd);
$kms->revoke($_) for @names;
sql_ok($node, 'SELECT keyring_flush_cache()', 'and all of them denied', db => $crowd);
my $asked = $kms->count(decrypt => $names[0]);
my %error = sql_error($node, 'SELECT keyring_create_key()', db => $crowd);
is($error{sqlstate}, 'KR002', 'no key can be had: why the primary cannot');
like($error{message}, qr/^could not create a key: the owner of the key does not allow it$/, 'what could not be done');
like(
	$error{detail},
	qr/^The new key .* token key .*: key 7: could not decrypt with \S+ \S+ \S+ \Q$names[6]\E.*; key 8: .*; 2 more; not tried, .*: 1 more\.$/,
	'which keys were tried, and why they failed, as far as there is room'
);
is(scalar(() = $error{detail} =~ /could not decrypt/g), 5, 'five of them');
like($error{hint}, qr/^One of these keys is enough\. For key 7: .*add-iam-policy-binding crowd-7 /, 'what helps');
is($kms->count(decrypt => $names[0]) - $asked, 2,
	'a wrapping key that refuses is asked once, and once more to be sure');
$kms->grant($names[3]);
sql_ok($node, 'SELECT keyring_create_key()', 'one of them is enough', db => $crowd);

# --- metadata that may not be read ------------------------------------------------------------------

my $hidden = $kms->create_key('hidden');
$kms->grant($hidden, 'roles/cloudkms.cryptoKeyEncrypterDecrypter');
my $words = '';
$node->psql($crowd, "SELECT keyring_activate(keyring_create_key('gcp-kms', '$hidden'))", stderr => \$words);
like(
	$words,
	qr/WARNING:  could not read the metadata of the wrapping key: .*\nHINT:  .*--role=roles\/cloudkms\.viewer /,
	'without the viewer role a key can be made, with a warning that names it'
);
sql_ok($node, q(CREATE TABLE h (v encrypted_text); INSERT INTO h VALUES ('1')), 'and used', db => $crowd);
sql_is(
	$node,
	q(SELECT health, kek_version, protection, current_version, kek_checked_at FROM keyring_keys WHERE state = 'primary'),
	'ok|1|||',
	'its health is what using it says, and no more',
	db => $crowd
);

# --- a root key that is lost ------------------------------------------------------------------------

my $rescue = keyring_db($node, 'rescue');
sql_ok(
	$node,
	q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('1')),
	'a value under a managed key',
	db => $rescue
);
unlink root_key_file($node);
append_to_file(root_key_file($node), '');
chmod 0600, root_key_file($node);
sql_fails(
	$node, 'SELECT * FROM keyring_create_key()',
	'KR001',
	qr/root key file/,
	'no managed key can be made',
	db => $rescue
);
sql_ok(
	$node,
	"SELECT keyring_activate(keyring_create_key('gcp-kms', '$hidden')); SELECT keyring_reencrypt()",
	'an unusable root key file: what is in memory serves for one elsewhere',
	db => $rescue
);
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '60 s')), 'to which all values are moved', db => $rescue);
unlink root_key_file($node);
sql_ok($node, 'SELECT keyring_flush_cache()', 'the root key is gone for good', db => $rescue);
sql_is($node, 'SELECT v FROM t', '1', 'and is not needed', db => $rescue);

done_testing();
