# Keys of a customer in Google Cloud KMS: checked, created, activated, revoked, restored, through an outage, and what
# each kind of refusal tells whom.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(answer_of finish_sql start_sql wait_for_answer);
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.cache_ttl = '1s'
keyring.cache_grace = '1h'
keyring.kms_timeout = '3s'
END
my $name = $kms->create_key('k');
$kms->grant($name);

keyring_db($node);
sql_ok(
	$node,
	q(CREATE TABLE managed (v encrypted_text); INSERT INTO managed VALUES ('managed')),
	'a value under a managed key'
);

# --- before there is a key ----------------------------------------------------------------------

sql_is($node, q(SELECT keyring_service_account('gcp-kms')), $kms->{member}, 'whom to grant');
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
	'name true, credentials true, metadata true, purpose true, state true, permissions true, wrap true, unwrap true',
	'all steps of a good key'
);
sql_is($node, q(SELECT count(*) FROM keyring_keys), '1', 'no key is made by checking');

# Of each behaviour: which steps fail, and what makes a key behave so.
my @role = map { "roles/cloudkms.cryptoKey$_" } qw(EncrypterDecrypter Encrypter);
my %behaviours = (
	denied => [ 'metadata permissions wrap', sub { } ],
	viewer => [ 'metadata permissions', sub { $kms->grant($_[0], $role[0]) } ],
	encrypter => [ 'permissions unwrap', sub { $kms->grant($_[0], $role[1], 'roles/cloudkms.viewer') } ],
	map({
			my $state = $_;
			(lc $state => [ 'state wrap', sub { is_in_state($_[0], $state) } ])
	} qw(DISABLED DESTROY_SCHEDULED DESTROYED)),
	map({
			my $error = $_;
			($error => [ 'metadata wrap', sub { fails_with($_[0], $error) } ])
	} qw(not_found service_disabled html_bad_gateway)),
);

sub is_in_state
{
	my ($key, $state) = @_;
	$kms->grant($key);
	$kms->control(set_state => name => $key, state => $state);
	return;
}

sub fails_with
{
	my ($key, $error) = @_;
	$kms->fault(kind => 'any', key => $key, error => $error, count => 1000);
	return;
}

my %key;
for my $behaviour (sort keys %behaviours)
{
	my ($fails, $make) = @{ $behaviours{$behaviour} };
	$key{$behaviour} = $kms->create_key($behaviour =~ tr/_/-/r);
	$make->($key{$behaviour});
	sql_is(
		$node,
		"SELECT string_agg(step, ' ') FILTER (WHERE NOT ok) FROM keyring_check_resource('gcp-kms', '$key{$behaviour}')",
		$fails,
		"checking, $behaviour: what fails"
	);
}

sub said_of
{
	my ($behaviour, $step, $column) = @_;
	return sql_value($node,
		"SELECT $column FROM keyring_check_resource('gcp-kms', '$key{$behaviour}') WHERE step = '$step'");
}

like(
	said_of('denied', 'wrap', 'hint'),
	qr/add-iam-policy-binding denied .*--member=serviceAccount:\S+ --role=roles\/cloudkms\.cryptoKeyEncrypterDecrypter/,
	'the missing role, and the command that grants it'
);
like(said_of('viewer', 'metadata', 'hint'), qr/--role=roles\/cloudkms\.viewer/, 'the role for metadata');
like(
	said_of('service_disabled', 'wrap', 'hint'),
	qr/gcloud services enable cloudkms\.googleapis\.com/,
	'API not enabled'
);
like(
	said_of('destroy_scheduled', 'state', 'detail'),
	qr/DESTROY_SCHEDULED for 20\d\d-\d\d-\d\dT\d\d:\d\d:\S+Z/,
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
sql_fails(
	$node, "SELECT keyring_create_key('gcp-kms', '$key{encrypter}')",
	'KR002',
	qr/Cloud KMS key/,
	'a key that would never open what it wraps'
);
sql_is($node, q(SELECT count(*) FROM keyring_keys), '1', 'a refused key is not stored');

sql_ok(
	$node,
	qq(ALTER DATABASE postgres SET keyring.kms_allowed_resources = 'projects/other/*, $name'),
	'a list of allowed keys'
);
my $calls = $kms->count(encrypt => $key{viewer});
sql_fails(
	$node, "SELECT keyring_create_key('gcp-kms', '$key{viewer}')",
	'42501',
	qr/keyring\.kms_allowed_resources/,
	'a key that is not on it'
);
sql_fails(
	$node, "SELECT * FROM keyring_check_resource('gcp-kms', '$key{viewer}')",
	'42501',
	qr/not allowed/,
	'nor is it checked'
);
is($kms->count(encrypt => $key{viewer}), $calls, 'and nobody was asked');
sql_is($node, qq(SELECT keyring_create_key('gcp-kms', 'https://cloudkms.googleapis.com/v1/$name/', 'customer')),
	'2', 'a key, from a pasted URL');
sql_is($node, q(SELECT state, resource, kek_version, protection FROM keyring_keys WHERE id = 2),
	"staged|$name|1|SOFTWARE", 'is staged');
sql_is($node, q(SELECT bool_and(ok) FROM keyring_check_key(2)), 't', 'and checks');

# --- using --------------------------------------------------------------------------------------

$kms->revoke($name);
sql_fails(
	$node, q(SELECT keyring_activate(2)),
	'KR002',
	qr/add-iam-policy-binding k /,
	'activating a key that is denied'
);
$kms->grant($name);
sql_ok($node, q(SELECT keyring_activate(2)), 'activated');
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a value under it');

my $read = 'SELECT v FROM t';
my @sessions = map { background($node) } 1 .. 2;
is(answer_of($_, $read), 'secret', 'a session reads') for @sessions;

my %refusals = (
	denied => [ 'KR002', qr/add-iam-policy-binding k /, sub { $kms->revoke($name) }, sub { $kms->grant($name) } ],
	disabled => [ 'KR003', qr/versions enable 1 --key=k /, map { sets_state($_) } qw(DISABLED ENABLED) ],
	scheduled => [ 'KR003', qr/versions restore 1 --key=k /, map { sets_state($_) } qw(DESTROY_SCHEDULED ENABLED) ],
);

sub sets_state
{
	my ($state) = @_;
	return sub { $kms->control(set_state => name => $name, state => $state) };
}

for my $refusal (sort keys %refusals)
{
	my ($state, $hint, $harm, $mend) = @{ $refusals{$refusal} };
	$harm->();
	wait_for_answer($sessions[0], $read, $state, "revoked, $refusal: an open session is locked out");
	is(answer_of($sessions[1], $read), $state, "revoked, $refusal: and every other one");
	like($sessions[1]{stderr}, qr/HINT:  .*$hint/, "revoked, $refusal: with the command that mends it");
	if ($refusal eq 'disabled')
	{
		sql_is($node, q(SELECT health, cached FROM keyring_keys WHERE id = 2), 'disabled|f', 'keyring_keys says so');
		sql_is($node,
			q(SELECT count(*) > 0 FROM keyring_doctor() WHERE NOT ok AND hint LIKE '%versions enable 1 --key=k%'),
			't', 'and the doctor, with the command');
		sql_is($node, q(SELECT v FROM managed), 'managed', 'other keys are not touched');
	}
	$mend->();
	wait_for_answer($sessions[1], $read, 'secret', "$refusal ends: it reads again by itself");
	is(answer_of($sessions[0], $read), 'secret', "$refusal ends: and so does the other");
}

# One refusal alone may be a mistake of the service: it is asked again before anybody is locked out.
my $before = $kms->count(decrypt => $name);
my %answers;
$kms->fault(kind => 'decrypt', key => $name, error => 'denied');
until ($kms->count(decrypt => $name) >= $before + 3)
{
	$answers{ answer_of($sessions[0], $read) }++;
}
is(join(' ', keys %answers), 'secret', 'one spurious refusal locks nobody out');

# An outage is no revocation, and a key whose service hangs delays no other.
sql_is($node, "SELECT keyring_create_key('gcp-kms', '$name')", '3', 'another key of the same wrapping key');
$kms->fault(kind => 'decrypt', key => $name, delay => 600, count => 1000);
wait_for($node, q(SELECT health FROM keyring_keys WHERE id = 2), 'unreachable', 'a service that hangs is noticed');
is(answer_of($sessions[0], $read), 'secret', 'values are read on');
sql_ok($node, q(SELECT keyring_flush_cache()), 'nothing is cached');
my $hanging = start_sql($node, $read);
my $began = time;
sql_is($node, q(SELECT v FROM managed), 'managed', 'a key that hangs delays no other');
cmp_ok(time - $began, '<', 3, 'not for seconds');
my %end = finish_sql($hanging);
is($end{sqlstate}, 'KR005', 'the one that hangs fails in time');
$kms->control('clear_faults');
wait_for_answer($sessions[0], $read, 'secret', 'and comes back');

# --- rotation -----------------------------------------------------------------------------------

$kms->control(rotate => name => $name);
sql_is(
	$node,
	q(SELECT hint FROM keyring_check_key(2) WHERE step = 'metadata'),
	'SELECT keyring_rewrap_key(2) wraps it by the current version.',
	'a new version of the wrapping key'
);
sql_ok($node, q(SELECT keyring_rewrap_key(2)), 'rewrapped');
sql_is($node, q(SELECT kek_version FROM keyring_keys WHERE id = 2), '2', 'by the new version');
is(answer_of($sessions[0], $read), 'secret', 'the value is still there');

cmp_ok($kms->count('token'), '<', 20, 'tokens are kept');

# --- credentials that fail ----------------------------------------------------------------------

chmod 0644, $kms->{credentials_file};
append_to_file($kms->{credentials_file}, "\n");
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
chmod 0600, $kms->{credentials_file};
sql_ok($node, qq(SELECT keyring_create_key('gcp-kms', '$name')), 'mended, it counts at once');

$_->quit for @sessions;
done_testing();
