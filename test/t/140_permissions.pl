# What a key's owner grants, as the checks tell it: each permission by its name, with the role and the command; a service
# that does not say, or says too much; and a key that can be read and not written, which is seen before it is re-wrapped.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(finish_sql start_sql);
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.kms_timeout = '2s'
keyring.health_check_interval = '0'
END
keyring_db($node);

my ($encrypt, $decrypt, $get) = qw(cloudkms.cryptoKeyVersions.useToEncrypt cloudkms.cryptoKeyVersions.useToDecrypt
  cloudkms.cryptoKeys.get);
my ($use, $encrypter, $decrypter, $viewer) =
  map { "roles/cloudkms.$_" } qw(cryptoKeyEncrypterDecrypter cryptoKeyEncrypter cryptoKeyDecrypter viewer);

# --- of a resource ----------------------------------------------------------------------------------

sub command_for
{
	my ($id, $role) = @_;
	return qr/add-iam-policy-binding $id .*--member=\Q$kms->{member}\E --role=\Q$role\E \(/;
}

my %grants = (
	none => [ [], 'nothing', "$encrypt, $decrypt, $get", $use, qr/Likewise --role=\Q$viewer\E\./ ],
	view => [ [$viewer], $get, "$encrypt, $decrypt", $use ],
	use => [ [$use], "$encrypt, $decrypt", $get, $viewer ],
	decrypt => [ [ $decrypter, $viewer ], "$decrypt, $get", $encrypt, $use ],
	encrypt => [ [ $encrypter, $viewer ], "$encrypt, $get", $decrypt, $use ],
);
for my $grant (sort keys %grants)
{
	my ($roles, $granted, $missing, $role, $more) = @{ $grants{$grant} };
	my $key = $kms->create_key($grant);
	$kms->grant($key, @$roles) if @$roles;
	my ($ok, $detail, $hint) = split /\|/,
	  sql_value($node,
		"SELECT ok, detail, hint FROM keyring_check_resource('gcp-kms', '$key') WHERE step = 'permissions'");
	is($ok, 'f', "granted $grant: not all");
	is($detail, "granted: $granted; missing: $missing", "granted $grant: which is missing");
	like($hint, command_for($grant, $role), "granted $grant: the role and the command that grants it");
	like($hint, $more, "granted $grant: the second role") if $more;
	unlike($hint, qr/Likewise/, "granted $grant: no second role") if !$more;
}

my $key = $kms->create_key('k');
$kms->grant($key);
my $permissions =
  "SELECT ok, detail, hint IS NULL FROM keyring_check_resource('gcp-kms', '$key') WHERE step = 'permissions'";
sql_is($node, $permissions, "t|granted: $encrypt, $decrypt, $get|t", 'granted all: nothing is to be done');
sql_is(
	$node,
	q(SELECT string_agg(step, ' ') FROM keyring_check_resource('managed', NULL)),
	'name credentials metadata wrap unwrap',
	'nobody grants anything on the root key'
);

# --- of a service that does not tell ------------------------------------------------------------------

my %silences = (
	denied => [ { error => 'denied' }, qr/permission denied/, qr/No role is needed/ ],
	'not supported' => [ { error => 'html_not_found' }, qr/not Cloud KMS/, qr/gcp_endpoint/ ],
	damaged => [ { body => { permissions => 7 } }, qr/answer of Cloud KMS is damaged/, qr/\w/ ],
	unavailable => [ { error => 'unavailable' }, qr/the service cannot answer/, qr/\w/ ],
	slow => [ { delay => 600 }, qr/no answer/, qr/\w/ ],
);
my %asked;
for my $silence (sort keys %silences)
{
	my $silent = $kms->create_key($silence =~ tr/ /-/r);
	$kms->grant($silent);
	$kms->fault(kind => 'test_permissions', key => $silent, count => 1000, %{ $silences{$silence}[0] });
	$asked{$silence} = start_sql($node,
		"SELECT step, coalesce(ok::text, 'not known'), detail, hint FROM keyring_check_resource('gcp-kms', '$silent')");
}
for my $silence (sort keys %silences)
{
	my (undef, $words, $hint) = @{ $silences{$silence} };
	my %answer = finish_sql($asked{$silence});
	my @rows = split /\n/, $answer{stdout};
	is(
		join(' ', map { join ':', (split /\|/)[ 0, 1 ] } @rows),
		'name:true credentials:true metadata:true purpose:true state:true permissions:not known wrap:true unwrap:true',
		"$silence: no failure of the check"
	);
	my ($said) = map { /^permissions\|not known\|(.*)/ } @rows;
	like(
		$said,
		qr/^not known: (?:could not ask for permissions on Cloud KMS key|answer of)/,
		"$silence: says what is not known"
	);
	like($said, $words, "$silence: and why");
	like((split /\|/, $said)[1], $hint, "$silence: with a hint");
}
$kms->control('clear_faults');

# The service itself says that its answer proves nothing.
$kms->revoke($key, $use);
$kms->fault(kind => 'test_permissions', body => { permissions => [ $encrypt, $decrypt, $get ] });
sql_is($node,
	"SELECT step, ok FROM keyring_check_resource('gcp-kms', '$key') WHERE step IN ('permissions', 'wrap', 'unwrap')",
	"permissions|t\nwrap|f", 'what is claimed is tried all the same');
$kms->grant($key, $use);

# --- of a key -----------------------------------------------------------------------------------------

sql_ok($node, "SELECT keyring_create_key('gcp-kms', '$key'), keyring_activate(2)", 'a key');
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a value under it');
my $row = 'SELECT md5(k::text) FROM keyring_key k WHERE id = 2';
my $before = sql_value($node, $row);
$kms->control('reset_counters');
sql_is(
	$node,
	'SELECT step, ok FROM keyring_check_key(2)',
	join("\n", map { "$_|t" } qw(credentials metadata purpose state permissions unwrap wrap)),
	'all steps of a good key'
);
is($kms->count(test_permissions => $key), 1, 'permissions are asked for once');
is($kms->count(encrypt => $key) . $kms->count(decrypt => $key), '12', 'one wrap, of which two were unwrapped');
sql_is($node, $row, $before, 'nothing of it is stored');
sql_is($node,
	q(SELECT detail ~ '^wrapped by KEK version 1 and unwrapped again' FROM keyring_check_key(2) WHERE step = 'wrap'),
	't', 'by which version');
$kms->control('reset_counters');
sql_ok($node, 'SELECT keyring_activate(2)', 'activating the primary checks it');
sql_ok($node, 'SELECT count(*) FROM keyring_doctor()', 'the doctor looks');
is($kms->count('test_permissions') + $kms->count('encrypt'), 0, 'neither asks for more than it did');

sub check_is
{
	my ($expected, $test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql_is(
		$node, q(SELECT string_agg(step || ' ' || coalesce(ok::text, 'not known'), ', ') FROM keyring_check_key(2)
		WHERE step IN ('permissions', 'unwrap', 'wrap')), $expected, $test_name
	);
	return;
}

sub said_of
{
	my ($step, $column) = @_;
	return sql_value($node, "SELECT $column FROM keyring_check_key(2) WHERE step = '$step'");
}

$kms->revoke($key, $use);
$kms->grant($key, $decrypter);
check_is('permissions false, unwrap true, wrap false', 'a key that can be read and not written');
like(said_of('permissions', 'detail'), qr/missing: \Q$encrypt\E$/, 'what is missing');
like(said_of('wrap', 'hint'), command_for('k', $use), 'the command that grants it');
sql_is($node, q(INSERT INTO t VALUES ('more'); SELECT string_agg(v, ' ' ORDER BY v::text) FROM t),
	'more secret', 'values are read and written');
sql_fails($node, 'SELECT keyring_rewrap_key(2)', 'KR002', command_for('k', $use), 'and not re-wrapped');

$kms->revoke($key, $decrypter);
$kms->grant($key, $encrypter);
check_is('permissions false, unwrap false, wrap false', 'a key that can be written and not read');
like(said_of('permissions', 'detail'), qr/missing: \Q$decrypt\E$/, 'what is missing');
like(
	said_of('wrap', 'detail'),
	qr/^wrapped by KEK version 1, but that does not open: could not decrypt/,
	'what it wraps is lost'
);
$kms->revoke($key, $encrypter);
check_is('permissions false, unwrap false, wrap false', 'a key that is denied');
like(said_of('wrap', 'detail'), qr/^could not encrypt with Cloud KMS key/, 'wrapping is tried all the same');
$kms->grant($key, $use);

$kms->fault(kind => 'decrypt', key => $key, error => 'unavailable', count => 1000);
check_is('permissions true, unwrap false', 'whoever gives no answer is not asked to wrap');
$kms->control('clear_faults');
$kms->fault(kind => 'get', key => $key, error => 'unavailable', count => 1000);
$kms->control('reset_counters');
like(
	sql_value(
		$node, q(SELECT string_agg(concat_ws(' ', step, coalesce(ok::text, detail)), '; ') FROM keyring_check_key(2))
	),
	qr/metadata false; permissions not known: could not read the metadata of .* the service cannot answer.*; unwrap true; wrap true$/,
	'a service that has just not answered'
);
is($kms->count(test_permissions => $key), 0, 'and is not asked for permissions too');
$kms->control('clear_faults');
# the key itself, and not what was made up
$kms->fault(kind => 'decrypt', key => $key, error => 'other_key', count => 2);
check_is('permissions true, unwrap false, wrap true', 'a wrap that does not open, by a key that works');
$kms->fault(
	kind => 'decrypt',
	key => $key,
	skip => 1,
	set => { plaintext => 'b3RoZXI=', plaintextCrc32c => 1 },
	count => 1000
);
check_is('permissions true, unwrap true, wrap false', 'what was made up comes back damaged');
$kms->control('clear_faults');
check_is('permissions true, unwrap true, wrap true', 'all is well again');

# without the role for metadata
$kms->revoke($key, $viewer);
my $words = '';
$node->psql('postgres', 'SELECT keyring_activate(2)', stderr => \$words);
like(
	$words,
	qr/WARNING:  could not read the metadata of the wrapping key: .*\nHINT:  .*${\command_for('k', $viewer)}/,
	'activating warns'
);
$kms->grant($key, $viewer);
$words = '';
$node->psql('postgres', 'SELECT keyring_activate(2)', stderr => \$words);
is($words, '', 'and not when there is no reason to');

# without a credential nothing else is tried
chmod 0644, $kms->{credentials_file};
append_to_file($kms->{credentials_file}, "\n");
sql_is($node, q(SELECT step, ok, detail ~ 'open to everybody', hint ~ 'chmod' FROM keyring_check_key(2)),
	'credentials|f|t|t', 'a credentials file that others may read');
chmod 0600, $kms->{credentials_file};
sql_is($node, q(SELECT detail FROM keyring_check_key(2) WHERE step = 'credentials'),
	$kms->{member}, 'who this server is');
sql_is($node, q(SELECT detail FROM keyring_check_key(1) WHERE step = 'credentials'), 'none are needed',
	'a managed key');

# --- waiting for it -------------------------------------------------------------------------------------

$kms->fault(kind => 'test_permissions', key => $key, delay => 600, count => 1000);
my $began = time;
sql_fails($node, q(SET statement_timeout = '300ms'; SELECT * FROM keyring_check_key(2)),
	'57014', qr/timeout/, 'can be cancelled');
cmp_ok(time - $began, '<', 2, 'at once');
sql_is($node, q(SELECT v FROM t WHERE v = 'secret'), 'secret', 'nobody else waits');
done_testing();
