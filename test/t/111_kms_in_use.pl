# A key in Cloud KMS while it is used: waiting for it ends when the user wants; credentials that are replaced, damaged and open to
# others; a refusal that is not repeated; how long a revocation takes; a service that wants not to be asked for a while.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(start_sql finish_sql wait_until wait_until_waiting);
use KmsServer;
use Time::HiRes qw(time usleep);

my $kms = KmsServer->start;
my $key = $kms->create_key('k');
$kms->grant($key);
my $account_file = $kms->{dir} . '/in_use.json';
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.gcp_credentials_file = '$account_file'
keyring.kms_timeout = '60s'
keyring.cache_ttl = '1h'
END

# What a deployment does: a new file in the place of the old one.
sub install_credentials
{
	my ($text, $mode) = @_;
	unlink "$account_file.new";
	append_to_file("$account_file.new", $text);
	chmod $mode // 0600, "$account_file.new";
	rename "$account_file.new", $account_file;
	return;
}

sub set_and_reload
{
	my (%settings) = @_;
	$node->append_conf('postgresql.conf', join('', map { "keyring.$_ = '$settings{$_}'\n" } sort keys %settings));
	$node->reload;
	for my $name (sort keys %settings)
	{
		wait_until(sub { sql_value($node, "SHOW keyring.$name") eq $settings{$name} }, "$name to be set");
	}
	return;
}

sub decrypts
{
	return $kms->count(decrypt => $key);
}

# Waits until the worker has asked so many times more.
sub wait_for_calls
{
	my ($count) = @_;
	my $before = decrypts();
	wait_until(sub { decrypts() >= $before + $count }, "$count calls");
	return;
}

sub stat_of
{
	my ($name) = @_;
	return sql_value($node, "SELECT value FROM keyring_stats WHERE name = '$name'");
}

my $good = slurp_file($kms->{credentials_file});
install_credentials($good);
keyring_db($node);
sql_ok(
	$node,
	qq(SELECT keyring_activate(keyring_create_key('gcp-kms', '$key')); CREATE TABLE t (v encrypted_text);
		INSERT INTO t VALUES ('secret')),
	'a value under a key in Cloud KMS'
);
my $read = 'SELECT v FROM t';

# --- waiting ends when the user wants -------------------------------------------------------------

$kms->fault(kind => 'decrypt', key => $key, delay => 50);
sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
my $calls = decrypts();
my @waiting = map { start_sql($node, $read, name => 'waits') } 1 .. 4;
wait_until_waiting($node, 'waits', 4);
my $waiting = q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'waits');
my $worker = worker_pid($node, 'keyring kms');

my $began = time;
my %answer = sql_error($node, "SET statement_timeout = '200ms'; $read");
is($answer{sqlstate}, '57014', 'statement_timeout ends the wait for Cloud KMS');
cmp_ok(time - $began, '<', 10, 'at once');
$began = time;
$waiting[0]{run}->signal('INT');
%answer = finish_sql(shift @waiting);
is($answer{sqlstate}, '57014', 'Ctrl-C ends it');

for my $way (qw(cancel terminate))
{
	sql_value($node, "SELECT pg_${way}_backend(min(pid)) FROM pg_stat_activity WHERE application_name = 'waits'");
	wait_until(sub { sql_value($node, $waiting) == ($way eq 'cancel' ? 2 : 1) }, 'one session less');
}
cmp_ok(time - $began, '<', 10, 'pg_cancel_backend() and pg_terminate_backend() too, and all at once');
$kms->control('clear_faults');
my @ends = map { my %end = finish_sql($_); "$end{sqlstate} $end{stdout}" } @waiting;
is(join(', ', sort @ends), '00000 secret, 57014 , 57P01 ', 'who was not cancelled gets the value');
is(decrypts() - $calls, 1, 'from the call that was under way all the time');
is(worker_pid($node, 'keyring kms'), $worker, 'the worker has gone on');
sql_is($node, $read, 'secret', 'and the next read works');
is(decrypts() - $calls, 1, 'without a call');

$kms->fault(kind => 'encrypt', key => $key, delay => 50);
$began = time;
%answer = sql_error($node, "SET statement_timeout = '300ms'; SELECT keyring_create_key('gcp-kms', '$key')");
is($answer{sqlstate}, '57014', 'making a key can be cancelled as well');
cmp_ok(time - $began, '<', 10, 'and ends at once');
$kms->control('clear_faults');
sql_is($node, 'SELECT count(*) FROM keyring_keys', '2', 'and none is made');
sql_ok($node, "SELECT keyring_create_key('gcp-kms', '$key')", 'the next one is');

# --- credentials ----------------------------------------------------------------------------------

set_and_reload(cache_ttl => '1s', kms_timeout => '4s');
my $other_file = $kms->{dir} . '/other.json';
my $other = $kms->control(
	create_account => email => 'other@acme-db.iam.gserviceaccount.com',
	project => 'acme-db',
	path => $other_file
);
my $member = 'serviceAccount:other@acme-db.iam.gserviceaccount.com';
$kms->control(grant => resource => $key, role => "roles/cloudkms.$_", member => $member)
  for qw(cryptoKeyEncrypterDecrypter viewer);
install_credentials(slurp_file($other_file));
sql_is(
	$node, q(SELECT keyring_service_account('gcp-kms')),
	$member, 'another key file in the place of the old one counts at once'
);
$kms->revoke($key);
wait_for_calls(2);
sql_is($node, $read, 'secret', 'for reading too: the old account has no access any more');

sub credentials_fail
{
	my ($health, $pattern, $test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql_is(
		$node,
		"SELECT step, ok, detail ~ '$pattern' FROM keyring_check_resource('gcp-kms', '$key')",
		'name|t|' . ($key =~ /$pattern/ ? 't' : 'f') . "\ncredentials|f|t",
		"$test_name: the check says so"
	);
	wait_for(
		$node, "SELECT health, health_message ~ '$pattern' FROM keyring_keys WHERE id = 2",
		"$health|t",
		"$test_name: keyring_keys says so",
		timeout => 60
	);
	sql_is($node, $read, 'secret', "$test_name: whoever has the key reads on");
	return;
}

install_credentials('no JSON at all');
credentials_fail('config', 'is not a JSON object|is not JSON|no JSON', 'garbage');
install_credentials(slurp_file($other_file));
sql_ok($node, 'SELECT keyring_flush_cache()', 'mended');
sql_is($node, $read, 'secret', 'it counts at once');
chmod 0644, $account_file;
credentials_fail('config', 'is open to everybody', 'open to others, without another change');
chmod 0600, $account_file;
sql_ok($node, 'SELECT keyring_flush_cache()', 'mended');
sql_is($node, $read, 'secret', 'and read from the cold');
unlink $account_file;
credentials_fail('auth', 'does not exist', 'gone');
$kms->grant($key);
install_credentials($good);
sql_ok($node, 'SELECT keyring_flush_cache()', 'the first one is back');
sql_is($node, $read, 'secret', 'and its account reads');

# --- a refusal that is not repeated -----------------------------------------------------------------

my $session = background($node);
my $evictions = stat_of('evictions');
my $failures = stat_of('unwrap_failures');
$calls = decrypts();
$kms->fault(kind => 'decrypt', key => $key, error => 'denied', count => 1);
my %seen;
while (decrypts() < $calls + 3)
{
	$session->{stderr} = '';
	my $said = $session->query($read);
	$seen{ $said . $session->{stderr} }++;
	usleep(20_000);
}
is(join(' ', keys %seen), 'secret', 'one refusal that is not repeated: an open session notices nothing');
is(scalar @{ $kms->control('pending_faults') }, 0, 'though the service did refuse');
is(stat_of('evictions') - $evictions, 0, 'the key has stayed in memory');
is(stat_of('unwrap_failures') - $failures, 0, 'nothing has failed');
sql_is($node, 'SELECT health, cached FROM keyring_keys WHERE id = 2', 'ok|t', 'and its health is good');
$kms->fault(kind => 'decrypt', key => $key, error => 'denied', count => 1);
sql_ok($node, 'SELECT keyring_flush_cache()', 'the same');
sql_is($node, $read, 'secret', 'from the cold: nor does a user see it there');

# --- how long it takes ------------------------------------------------------------------------------

# Until a session that reads all the time is refused, or reads again.
sub seconds_until
{
	my ($pattern) = @_;
	my $start = time;
	while (1)
	{
		$session->{stderr} = '';
		my $said = $session->query($read) // '';
		return time - $start if "$said$session->{stderr}" =~ $pattern;
		die "nothing happens\n" if time - $start > 100;
		usleep(20_000);
	}
	return;
}

my $slack = 3;    # a machine that is busy with other tests
set_and_reload(cache_ttl => '2s', kms_timeout => '2s', kms_connect_timeout => '1s');
sql_value($node, $read);
my $states = q(SELECT detail FROM keyring_doctor() WHERE subject = 'revocation');
my ($revoked, $away) = sql_value($node, $states) =~ /at most (\d+) s .* after (\d+) s$/;
is("$revoked $away", '5 3600', 'the doctor says how long a revocation takes, and an outage is bridged');
$kms->revoke($key);
cmp_ok(seconds_until(qr/KR002/), '<', $revoked + $slack, "a revocation has its effect within $revoked s");
$kms->grant($key);
cmp_ok(seconds_until(qr/^secret$/), '<', 2 + 2 + 2 * $slack, 'access that returns is noticed within seconds');
set_and_reload(cache_grace => '4s');
($away) = sql_value($node, $states) =~ /(\d+) s$/;
sql_ok($node, "SELECT keyring_flush_cache(); $read", 'verified a moment ago');
$kms->fault(kind => 'any', key => $key, error => 'unavailable', count => 100_000);
my $bridged = seconds_until(qr/KR005/);
cmp_ok($bridged, '>', $away - 2, "an outage is bridged for $away s");
cmp_ok($bridged, '<', $away + 3 + $slack, 'and not for longer, but for the time-outs');
$kms->control('clear_faults');

# --- Retry-After --------------------------------------------------------------------------------------

set_and_reload(cache_ttl => '1h', kms_timeout => '3s');
$kms->fault(kind => 'decrypt', key => $key, error => 'throttled', headers => { 'Retry-After' => '4' }, count => 1);
sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
$calls = decrypts();
$began = time;
my $words = qr/the quota is used up \(HTTP 429, retry after 4 s\)/;
sql_fails($node, $read, 'KR005', $words, 'a service that wants not to be asked: the error says for how long');
my $last = $began;

while (time < $began + 3)
{
	my %error = sql_error($node, $read);
	last if $error{sqlstate} ne 'KR005';
	$last = time;
	usleep(100_000);
}
cmp_ok($last - $began, '>', 2.5, 'until then whoever reads is told at once');
is(decrypts() - $calls, 1, 'and the service is not asked');
sql_is($node, q(SELECT health, health_message ~ 'retry after 4 s' FROM keyring_keys WHERE id = 2),
	'throttled|t', 'keyring_keys says so');
cmp_ok(seconds_until(qr/^secret$/), '<', 1 + 2 + $slack, 'after that it is asked, and answers');
is(decrypts() - $calls, 2, 'once');

$session->quit;
done_testing();
