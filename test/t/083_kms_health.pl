# What is known of wrapping keys in Google Cloud KMS without asking: versions, dates, health; what the log and the doctor
# say of a version that is taken away; how soon a service that is busy is asked again; rewrapping.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(start_sql finish_sql wait_until);
use KmsServer;
use Time::HiRes qw(time usleep);

my $kms = KmsServer->start;
my $key = $kms->create_key('k', rotation => 90 * 86400, protection_level => 'HSM');
my $other = $kms->create_key('other');
$kms->grant($_) for $key, $other;
my $node = KeyringTest->new_node(
	'main',
	conf => <<"END"
@{[ $kms->settings ]}
keyring.cache_ttl = '1h'
keyring.cache_grace = '2h'
keyring.health_check_interval = '1s'
keyring.kms_timeout = '4s'
restart_after_crash = on
END
);

sub sees
{
	my ($columns, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for($node, "SELECT $columns FROM keyring_keys WHERE id = 1", $expected, $name);
}

sub logged
{
	my ($pattern) = @_;
	return scalar(() = slurp_file($node->logfile) =~ /$pattern/g);
}

# One look at least has begun from now on, and has been taken in.
sub looks
{
	my $before = $kms->count(get => $key);
	wait_until(sub { $kms->count(get => $key) >= $before + 2 }, 'two looks at the metadata');
	return;
}

sub sleep_until
{
	my ($when) = @_;
	my $left = $when - time;
	usleep($left * 1e6) if $left > 0;
	return;
}

sub set_and_reload
{
	my ($line) = @_;
	$node->append_conf('postgresql.conf', $line);
	$node->reload;
	return;
}

sql_ok($node, 'CREATE EXTENSION keyring', 'extension');
sql_is($node, "SELECT keyring_create_key('gcp-kms', '$key')", '1', 'a key');
sql_ok($node, q(SELECT keyring_activate(1); CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')),
	'a value');
sees('health, kek_version, current_version, protection, destroy_time, health_since <= now()',
	'ok|1|1|HSM||t', 'a good key');
sees(q(next_rotation BETWEEN now() + '89 days' AND now() + '91 days', kek_checked_at <= now()),
	't|t', 'when it rotates, and when that was learned');
is(logged('which wraps a data key'), 0, 'nothing to warn of');

# --- a version that still wraps is taken away -------------------------------------------------------

$kms->control(rotate => name => $key);
sees('health, kek_version, current_version', 'ok|1|2', 'rotated: the current version is another');
$kms->control(set_state => name => $key, version => 1, state => 'DISABLED');
sees(
	'health, cached, health_message',
	'disabled|t|version 1 of the wrapping key is disabled',
	'the old version is disabled: seen before anybody is locked out'
);
is(sql_value($node, q(SELECT v FROM t)), 'secret', 'who has the key reads on until keyring.cache_ttl is over');
my %log = (
	disabled => "WARNING: .*version 1 of wrapping key \"$key\", which wraps a data key, is disabled",
	scheduled => 'which wraps a data key, is scheduled for destruction at 20\S+Z',
	enabled => 'LOG: .*which wraps a data key, is enabled'
);
wait_until(sub { logged($log{disabled}) }, 'a warning in the log');

$kms->control(set_state => name => $key, version => 1, state => 'DESTROY_SCHEDULED');
sees(q(health, destroy_time > now()), 'destroy_scheduled|t', 'scheduled for destruction: the date');
wait_until(sub { logged($log{scheduled}) }, 'another one in the log, with the date');
sql_is(
	$node,
	q(SELECT count(*) FROM keyring_doctor() WHERE NOT ok AND subject = 'key 1'
		AND detail ~ '^version 1 of its wrapping key is scheduled for destruction at 20\S+Z$'
		AND hint LIKE '%SELECT keyring_rewrap_key(1)'),
	'1', 'the doctor warns with the date'
);
$kms->control(set_state => name => $key, version => 1, state => 'ENABLED');
sees('health, destroy_time', 'ok|', 'enabled again');
looks();
is(logged($log{$_}), 1, "the log says that it is $_, once, however often one looks") for sort keys %log;

# --- rewrapping -------------------------------------------------------------------------------------

my $wrap = 'SELECT md5(wrapped) FROM keyring_key WHERE id = 1';
my $old = sql_value($node, $wrap);
$kms->fault(kind => 'decrypt', key => $key, skip => 1, error => 'denied', count => 2);
sql_fails($node, 'SELECT keyring_rewrap_key(1)', 'KR002', qr/permission denied/, 'a new wrap that does not open');
sql_is($node, $wrap, $old, 'is not stored');
$kms->control('clear_faults');
sql_ok($node, 'BEGIN; SELECT keyring_rewrap_key(1); ROLLBACK', 'a rewrap that is rolled back');
sql_is($node, "$wrap AND kek_version = '1'", $old, 'leaves the old wrap');

# Everything dies when the new wrap has been made and verified, and is not committed.
my $session = background($node);
$session->query_safe('BEGIN; SELECT keyring_rewrap_key(1)');
$node->stop('immediate');
eval { $session->quit };
$node->start;
sql_is($node, "$wrap AND kek_version = '1'", $old, 'a crash between the new wrap and its commit: the old one is there');
sql_is($node, 'SELECT v FROM t', 'secret', 'and opens');

# The server process dies while the KMS is asked.
$kms->fault(kind => 'encrypt', key => $key, delay => 30);
my $asked = $kms->count(encrypt => $key);
my $rewrap = start_sql($node, 'SELECT keyring_rewrap_key(1)', name => 'rewrap');
wait_until(sub { $kms->count(encrypt => $key) > $asked }, 'the KMS is asked');
kill 'KILL', sql_value($node, q(SELECT pid FROM pg_stat_activity WHERE application_name = 'rewrap'));
finish_sql($rewrap);
$kms->control('clear_faults');
wait_until(sub { $node->psql('postgres', 'SELECT 1') == 0 }, 'the server recovers');
sql_is($node, "$wrap AND kek_version = '1'", $old, 'kill -9 while the KMS is asked: the old wrap is there');
sql_is($node, 'SELECT v FROM t', 'secret', 'and opens');

sql_ok($node, 'SELECT keyring_rewrap_key(1)', 'rewrapped');
sees('kek_version, current_version, health', '2||', 'by the current version; nobody has used it yet');
sql_is($node, 'SELECT v FROM t', 'secret', 'the value is still there');
my $warnings = logged('which wraps a data key');
$kms->control(set_state => name => $key, version => 1, state => 'DESTROYED');
looks();
is(logged('which wraps a data key'), $warnings, 'the old version may go: nothing is wrapped by it any more');
sees('health, destroy_time', 'ok|', 'as keyring_keys says');

# --- nobody is delayed, and it can be turned off ------------------------------------------------------

$kms->fault(kind => 'get', delay => 60, count => 100);
sql_is($node, "SELECT keyring_create_key('managed')", '2', 'metadata that hang delay no request');
sql_ok($node, 'SELECT keyring_flush_cache()', 'nothing is cached');
my $began = time;
sql_is($node, 'SELECT v FROM t', 'secret', 'nor a fetch of the same key');
cmp_ok(time - $began, '<', 3, 'not for seconds');
$kms->control('clear_faults');
$kms->revoke($key, 'roles/cloudkms.viewer');
looks();
sees('health, current_version', 'ok|2', 'metadata that may not be read any more: what was known stays');

# --- asking again -------------------------------------------------------------------------------------

# Two keys fail: one whose service names a time, one whose service is merely too busy.
sql_is($node, "SELECT keyring_create_key('gcp-kms', '$other')", '3', 'a key of the other wrapping key');
sql_ok(
	$node,
	q(SELECT keyring_activate(3); CREATE TABLE u (v encrypted_text); INSERT INTO u VALUES ('secret')),
	'a value under it'
);
my %failing = (
	1 => [ $key, 't', 'unreachable', 1, error => 'unavailable', headers => { 'Retry-After' => '30' } ],
	3 => [ $other, 'u', 'throttled', 3, error => 'throttled' ]
);

# How often each was asked in vain.
sub refused
{
	my %left = map { $_->{key} => $_->{count} } @{ $kms->control('pending_faults') };
	return map { $_ => 1000 - $left{ $failing{$_}[0] } } keys %failing;
}

set_and_reload("keyring.health_check_interval = 0\nkeyring.cache_ttl = '1s'\n");
wait_for($node, q(SELECT count(*) FROM keyring_keys WHERE id IN (1, 3) AND health = 'ok'), '2', 'both are well');
for my $id (sort keys %failing)
{
	my ($resource, undef, undef, undef, %fault) = @{ $failing{$id} };
	$kms->fault(kind => 'decrypt', key => $resource, %fault, count => 1000);
}
for my $id (sort keys %failing)
{
	my (undef, undef, $health) = @{ $failing{$id} };
	wait_for($node, "SELECT health FROM keyring_keys WHERE id = $id", $health, "key $id: $health");
}
my $seen = time;
my %asked = refused();
my $looks = $kms->count('get');
for my $id (sort keys %failing)
{
	my (undef, $table, undef, $tries) = @{ $failing{$id} };
	is($asked{$id}, $tries, "key $id: requests before it gives up for now");
	is(sql_value($node, "SELECT v FROM $table"), 'secret', "key $id: values are read on");
}
sleep_until($seen + 4);
is({ refused() }->{3}, $asked{3}, 'too busy: not asked again for 5 s at least');
sleep_until($seen + 5.3);
is({ refused() }->{1}, $asked{1}, 'a service that names a time is left alone for longer than others');
is($kms->count('get'), $looks, 'keyring.health_check_interval = 0: nobody looks at metadata any more');
$kms->control('clear_faults');
sql_ok($node, 'SELECT keyring_flush_cache()', 'over');
is(sql_value($node, "SELECT v FROM $failing{$_}[1]"), 'secret', "key $_: whoever has nothing asks")
  for sort keys %failing;
done_testing();
