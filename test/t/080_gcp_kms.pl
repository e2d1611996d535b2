# Keys of a customer in Google Cloud KMS: checked, created, activated, revoked, restored, through an outage, and what
# each kind of refusal tells whom.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(start_sql finish_sql wait_until);
use KmsStub;

my $kms = KmsStub->new;
my $node = KeyringTest->new_node('main',
	conf => $kms->conf . "keyring.cache_ttl = '1s'\nkeyring.cache_grace = '1h'\nkeyring.kms_timeout = '4s'\n");
my $name = $kms->key('k');

keyring_db($node);
sql_ok(
	$node,
	q(CREATE TABLE managed (v encrypted_text); INSERT INTO managed VALUES ('managed')),
	'a value under a managed key'
);

# --- before there is a key ----------------------------------------------------------------------

sql_is($node, q(SELECT keyring_service_account('gcp-kms')), 'serviceAccount:' . $kms->account, 'whom to grant');
sql_is($node, q(SELECT keyring_service_account('managed') IS NULL), 't', 'managed keys need no grant');
sql_fails(
	$node, q(SELECT keyring_service_account('vault')),
	'22023',
	qr/Known providers: managed, gcp-kms/,
	'unknown provider'
);
sql_is(
	$node,
	qq(SELECT string_agg(step || ' ' || ok, ', ') FROM keyring_check_resource('gcp-kms', '$name')),
	'name true, credentials true, metadata true, purpose true, state true, wrap true, unwrap true',
	'all steps of a good key'
);
sql_is($node, q(SELECT count(*) FROM keyring_keys), '1', 'no key is made by checking');

sub steps
{
	my ($id) = @_;
	return sql_value($node,
			"SELECT string_agg(step, ' ') FILTER (WHERE NOT ok) FROM keyring_check_resource('gcp-kms', '"
		  . $kms->key($id)
		  . "')");
}

sub hint_of
{
	my ($id, $step) = @_;
	return sql_value($node,
		"SELECT hint FROM keyring_check_resource('gcp-kms', '" . $kms->key($id) . "') WHERE step = '$step'");
}

my %fails = (
	denied => 'metadata wrap',
	viewer => 'metadata',
	encrypter => 'unwrap',
	disabled => 'state wrap',
	scheduled => 'state wrap',
	destroyed => 'state wrap',
	notfound => 'metadata wrap',
	api => 'metadata wrap',
	html => 'metadata wrap'
);
for my $behaviour (sort keys %fails)
{
	$kms->set($behaviour, $behaviour);
	is(steps($behaviour), $fails{$behaviour}, "checking, $behaviour: what fails");
}
like(
	hint_of('denied', 'wrap'),
	qr/add-iam-policy-binding denied .*--member=serviceAccount:\S+ --role=roles\/cloudkms\.cryptoKeyEncrypterDecrypter/,
	'the missing role, and the command that grants it'
);
like(hint_of('viewer', 'metadata'), qr/--role=roles\/cloudkms\.viewer/, 'the role for metadata');
like(hint_of('api', 'wrap'), qr/gcloud services enable cloudkms\.googleapis\.com/, 'API not enabled');
like(
	sql_value(
		$node,
		"SELECT detail FROM keyring_check_resource('gcp-kms', '" . $kms->key('scheduled') . "') WHERE step = 'state'"
	),
	qr/DESTROY_SCHEDULED for 2031-02-03T04:05:06Z/,
	'scheduled for destruction: when'
);
sql_is($node, q(SELECT step || ok FROM keyring_check_resource('gcp-kms', 'k')), 'namefalse', 'a name that is none');

# --- creating -----------------------------------------------------------------------------------

sql_fails(
	$node, q(SELECT keyring_create_key('gcp-kms', 'k')),
	'22023',
	qr/gcloud kms keys describe/,
	'bad resource name'
);
sql_fails($node, q(SELECT keyring_create_key('gcp-kms')), '22023', qr/it is empty/, 'no resource name');
sql_fails(
	$node, qq(SELECT keyring_create_key('gcp-kms', '$name/cryptoKeyVersions/1')),
	'22023',
	qr/Name the key itself/,
	'a key version'
);
my %states = (
	denied => 'KR002',
	encrypter => 'KR002',
	disabled => 'KR003',
	scheduled => 'KR003',
	destroyed => 'KR004',
	notfound => 'KR001',
	api => 'KR001',
	html => 'KR005',
	throttled => 'KR005',
	busy => 'KR005'
);
for my $behaviour (sort keys %states)
{
	$kms->set($behaviour, $behaviour);
	sql_fails(
		$node, "SELECT keyring_create_key('gcp-kms', '" . $kms->key($behaviour) . "')",
		$states{$behaviour},
		qr/Cloud KMS key/,
		"creating, $behaviour"
	);
}
sql_is($node, q(SELECT count(*) FROM keyring_keys), '1', 'a refused key is not stored');

sql_ok(
	$node,
	qq(ALTER DATABASE postgres SET keyring.kms_allowed_resources = 'projects/other/*, $name'),
	'a list of allowed keys'
);
sql_fails(
	$node, "SELECT keyring_create_key('gcp-kms', '" . $kms->key('other') . "')",
	'42501',
	qr/keyring\.kms_allowed_resources/,
	'a key that is not on it'
);
sql_fails(
	$node, "SELECT * FROM keyring_check_resource('gcp-kms', '" . $kms->key('other') . "')",
	'42501',
	qr/not allowed/,
	'nor is it checked'
);
is($kms->count('other', 'encrypt'), 0, 'and nobody was asked');
sql_is($node, qq(SELECT keyring_create_key('gcp-kms', 'https://cloudkms.googleapis.com/v1/$name/', 'customer')),
	'2', 'a key, from a pasted URL');
sql_is($node, q(SELECT state, resource, kek_version, protection FROM keyring_keys WHERE id = 2),
	"staged|$name|1|SOFTWARE", 'is staged');
sql_is($node, q(SELECT bool_and(ok) FROM keyring_check_key(2)), 't', 'and checks');

# --- using --------------------------------------------------------------------------------------

$kms->set('k', 'denied');
sql_fails(
	$node, q(SELECT keyring_activate(2)),
	'KR002',
	qr/add-iam-policy-binding k /,
	'activating a key that is denied'
);
$kms->set('k', 'ok');
sql_ok($node, q(SELECT keyring_activate(2)), 'activated');
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a value under it');

my $session = background($node);

sub answer
{
	$session->{stderr} = '';
	my ($out) = $session->query('SELECT v FROM t');
	my ($error) = $session->{stderr} =~ /ERROR:  (\w{5})/;
	return $error // $out;
}

sub wait_for_answer
{
	my ($expected, $test_name) = @_;
	my $last = '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		wait_until(sub { ($last = answer()) eq $expected }, $expected);
	};
	is($last, $expected, $test_name);
	return;
}

is(answer(), 'secret', 'a session reads');
for my $refusal (
	[ denied => 'KR002' ],
	[ disabled => 'KR003' ],
	[ scheduled => 'KR003' ],
	[ destroyed => 'KR004' ],
	[ notfound => 'KR001' ]
  )
{
	$kms->set('k', $refusal->[0]);
	wait_for_answer($refusal->[1], "revoked, $refusal->[0]: the open session is locked out");
	$kms->set('k', 'ok');
	wait_for_answer('secret', "$refusal->[0] ends: it reads again by itself");
}
$kms->set('k', 'disabled');
wait_for_answer('KR003', 'disabled');
sql_is($node, q(SELECT health, cached FROM keyring_keys WHERE id = 2), 'disabled|f', 'keyring_keys says so');
sql_is($node, q(SELECT count(*) > 0 FROM keyring_doctor() WHERE NOT ok AND hint LIKE '%versions enable 1 --key=k%'),
	't', 'and the doctor, with the command');
sql_is($node, q(SELECT v FROM managed), 'managed', 'other keys are not touched');
$kms->set('k', 'ok');
wait_for_answer('secret', 'enabled');

# An outage is no revocation.
for my $outage (qw(busy throttled html corrupt hang))
{
	my $calls = $kms->count('k', 'decrypt');
	$kms->set('k', $outage);
	wait_until(sub { $kms->count('k', 'decrypt') > $calls + 1 }, "asked during $outage");
	is(answer(), 'secret', "outage, $outage: values are read on");
}

# A key whose service hangs delays no other.
$kms->set('k', 'ok');
wait_for_answer('secret', 'the outage is over');
sql_is($node, "SELECT keyring_create_key('gcp-kms', '" . $kms->key('k') . "')",
	'3', 'another key of the same wrapping key');
$kms->set('k', 'hang');
sql_ok($node, q(SELECT keyring_flush_cache()), 'nothing is cached');
my $hanging = start_sql($node, 'SELECT v FROM t');
my $began = time;
sql_is($node, q(SELECT v FROM managed), 'managed', 'a key that hangs delays no other');
cmp_ok(time - $began, '<', 3, 'not for seconds');
my %end = finish_sql($hanging);
is($end{sqlstate}, 'KR005', 'the one that hangs fails in time');
$kms->set('k', 'ok');
wait_for_answer('secret', 'and comes back');

# --- rotation -----------------------------------------------------------------------------------

$kms->set_version('k', 2);
sql_is(
	$node,
	q(SELECT hint FROM keyring_check_key(2) WHERE step = 'metadata'),
	'SELECT keyring_rewrap_key(2) wraps it by the current version.',
	'a new version of the wrapping key'
);
sql_ok($node, q(SELECT keyring_rewrap_key(2)), 'rewrapped');
sql_is($node, q(SELECT kek_version FROM keyring_keys WHERE id = 2), '2', 'by the new version');
is(answer(), 'secret', 'the value is still there');

# --- one call for a crowd -----------------------------------------------------------------------

sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1h'), 'no rechecks');
$node->reload;
sql_ok($node, q(SELECT keyring_flush_cache()), 'a cold cache');
my $before = $kms->count('k', 'decrypt');
my @crowd = map { start_sql($node, 'SELECT v FROM t') } 1 .. 20;
is(join(' ', map { my %got = finish_sql($_); $got{stdout} } @crowd), join(' ', ('secret') x 20), 'a crowd reads');
is($kms->count('k', 'decrypt') - $before, 1, 'with one call');

# --- secrets ------------------------------------------------------------------------------------

is($kms->count('-', 'token') < 60, 1, 'tokens are kept');
my $log = slurp_file($node->logfile);
unlike($log, qr/stub-token-that-nobody-may-see/, 'no token in the log');
unlike($log, qr/PRIVATE KEY/, 'no private key in the log');

# --- credentials that fail ----------------------------------------------------------------------

chmod 0644, $kms->account_file;
my $text = slurp_file($kms->account_file);
append_to_file($kms->account_file, "\n");
sql_fails(
	$node, qq(SELECT keyring_create_key('gcp-kms', '$name')),
	'KR001',
	qr/is open to everybody/,
	'a credentials file that others may read'
);
is(
	sql_value($node, qq(SELECT step || ok FROM keyring_check_resource('gcp-kms', '$name') WHERE step = 'credentials')),
	'credentialsfalse',
	'as the check says'
);
sql_fails(
	$node, q(SELECT keyring_service_account('gcp-kms')),
	'KR001',
	qr/could not find out the service account/,
	'then nobody knows whom to grant'
);
chmod 0600, $kms->account_file;
sql_ok($node, qq(SELECT keyring_create_key('gcp-kms', '$name')), 'mended, it counts at once');

$session->quit;
done_testing();
