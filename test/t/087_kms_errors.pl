# Each kind of refusal of Cloud KMS, met at each moment: while a key is checked, created, activated, used first, and in use.
# What the SQLSTATE is, that a hint says what to do, that nothing is left behind, and that all works again afterwards.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(start_sql finish_sql wait_until);
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
max_connections = 150
@{[ $kms->settings ]}
keyring.kms_timeout = '8s'
keyring.cache_ttl = '1h'
keyring.max_cached_keys = 100
END

# Of each: SQLSTATE, whether it locks out at once, and what the service does.
my %kinds = (
	denied => [ 'KR002', 1 ],
	billing_disabled => [ 'KR002', 1 ],
	security_policy => [ 'KR002', 1 ],
	disabled => [ 'KR003', 1 ],
	destroy_scheduled => [ 'KR003', 1 ],
	destroyed => [ 'KR004', 1 ],
	not_found => [ 'KR001', 1 ],
	corrupt_ciphertext => [ 'KR001', 1, kind => 'decrypt' ],
	other_key => [ 'KR001', 1, kind => 'decrypt' ],
	service_disabled => [ 'KR001', 0 ],
	user_project_denied => [ 'KR001', 0 ],
	insufficient_scope => [ 'KR005', 0 ],
	html_not_found => [ 'KR001', 0 ],
	unauthenticated => [ 'KR005', 0 ],
	throttled => [ 'KR005', 0 ],
	unavailable => [ 'KR005', 0 ],
	internal => [ 'KR005', 0 ],
	deadline => [ 'KR005', 0 ],
	pending => [ 'KR005', 0 ],
	external => [ 'KR005', 0 ],
	html_bad_gateway => [ 'KR005', 0 ],
	integrity => [ 'KR005', 0, kind => 'decrypt', set => { plaintextCrc32c => '1' } ],
	garbage => [ 'KR001', 0, status => 200, body => 'no JSON' ],
);
my @kinds = sort keys %kinds;
my %resource;    # of the wrapping key that fails in that way

sub harm
{
	for my $kind (@kinds)
	{
		my (undef, undef, %effects) = @{ $kinds{$kind} };
		$effects{error} = $kind unless $effects{set} || $effects{status};
		$kms->fault(kind => 'any', key => $resource{$kind}, count => 100_000, %effects);
	}
	return;
}

# One statement for each kind, beside each other. Returns their answers by kind.
sub all_at_once
{
	my ($statement) = @_;
	my %running = map { $_ => start_sql($node, $statement->($_)) } @kinds;
	return map {
		my %answer = finish_sql($running{$_});
		$_ => \%answer;
	} @kinds;
}

sub all_fail
{
	my ($moment, $statement) = @_;
	my %answers = all_at_once($statement);
	for my $kind (@kinds)
	{
		my $answer = $answers{$kind};
		is($answer->{sqlstate}, $kinds{$kind}[0], "$moment: $kind") or diag($answer->{all});
		like($answer->{hint}, qr/\w/, "$moment: $kind, with a hint");
	}
	return;
}

sub all_read
{
	my ($moment) = @_;
	my %answers = all_at_once(sub { "SELECT v FROM t_$_[0]" });
	is(join(' ', map { $answers{$_}{stdout} } @kinds), join(' ', @kinds), $moment);
	return;
}

# --- every key works first ----------------------------------------------------------------------

sql_ok($node, 'CREATE EXTENSION keyring', 'extension');
for my $kind (@kinds)
{
	$resource{$kind} = $kms->create_key($kind =~ tr/_/-/r);
	$kms->grant($resource{$kind});
}
my %staged;
my %used;
for my $kind (@kinds)
{
	my $made = sql_value($node,
		"SELECT keyring_create_key('gcp-kms', '$resource{$kind}'), keyring_create_key('gcp-kms', '$resource{$kind}')");
	($used{$kind}, $staged{$kind}) = split /\|/, $made;
	$node->safe_psql('postgres', "SELECT keyring_activate($used{$kind})");
	$node->safe_psql('postgres', "CREATE TABLE t_$kind (v encrypted_text); INSERT INTO t_$kind VALUES ('$kind')");
}
# whoever makes a key needs another one, for the token key
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'the primary is one that does not fail');
all_read('every key works');

# --- checked, created, activated -------------------------------------------------------------------

my $keys = q(SELECT string_agg(id || state, ' ' ORDER BY id) FROM keyring_keys);
my $before = sql_value($node, $keys);
harm();
my %checks = all_at_once(
	sub {
		"SELECT count(*) > 0, bool_and(hint ~ '\\w') FROM keyring_check_resource('gcp-kms', '$resource{$_[0]}') WHERE NOT ok";
	}
);
is($checks{$_}{stdout}, 't|t', "checking: $_, with a hint") for @kinds;
all_fail('creating', sub { "SELECT keyring_create_key('gcp-kms', '$resource{$_[0]}')" });
all_fail('activating', sub { "SELECT keyring_activate($staged{$_[0]})" });
sql_is($node, $keys, $before, 'nothing is stored, no key changes its state');

# --- used first --------------------------------------------------------------------------------------

sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
all_fail('first use', sub { "SELECT v FROM t_$_[0]" });
$kms->control('clear_faults');
for my $kind (@kinds)
{
	wait_for($node, "SELECT v FROM t_$kind", $kind, "$kind ends: it reads", timeout => 15);
}
%checks = all_at_once(sub { "SELECT bool_and(ok) FROM keyring_check_resource('gcp-kms', '$resource{$_[0]}')" });
is($checks{$_}{stdout}, 't', "$_ ends: it checks") for @kinds;
sql_ok($node, "SELECT keyring_activate($staged{unavailable})", 'a key that was not activated then is now');
sql_ok($node, 'CREATE TABLE more (v encrypted_text)', 'a table for the new primary');

# --- in use ------------------------------------------------------------------------------------------

sql_ok($node, q(INSERT INTO more VALUES ('1')), 'the primary is in memory');
harm();
sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1s'), 'keys are verified all the time');
$node->reload;
for my $kind (@kinds)
{
	my ($state, $locks_out) = @{ $kinds{$kind} };
	if ($locks_out)
	{
		my %error;
		eval {
			wait_until(sub { %error = sql_error($node, "SELECT v FROM t_$kind"); $error{sqlstate} ne '00000' }, $kind);
		};
		is($error{sqlstate}, $state, "in use: $kind locks out");
		like($error{hint}, qr/\w/, "in use: $kind, with a hint");
	}
	else
	{
		wait_for(
			$node, "SELECT health <> 'ok' FROM keyring_keys WHERE id = $used{$kind}",
			't',
			"in use: $kind is noticed",
			timeout => 20
		);
		sql_is($node, "SELECT v FROM t_$kind", $kind, "in use: $kind, values are read on");
	}
}
sql_ok($node, q(INSERT INTO more VALUES ('2')), 'an outage of the primary: values are written on');

# --- the end of grace --------------------------------------------------------------------------------

sql_ok($node, q(ALTER SYSTEM SET keyring.cache_grace = '1s'), 'a short time of grace');
$node->reload;
for my $kind (grep { !$kinds{$_}[1] } @kinds)
{
	my %error;
	eval {
		wait_until(sub { %error = sql_error($node, "SELECT v FROM t_$kind"); $error{sqlstate} ne '00000' }, $kind);
	};
	is($error{sqlstate}, $kinds{$kind}[0], "after grace: $kind locks out");
	like($error{hint}, qr/\w/, "after grace: $kind, with a hint");
}
sql_fails(
	$node, q(INSERT INTO more VALUES ('3')),
	'KR005',
	qr/Check the network/,
	'after grace: nor is anything written'
);
my $restored = time;
$kms->control('clear_faults');
for my $kind (@kinds)
{
	wait_for($node, "SELECT v FROM t_$kind", $kind, "service is back: $kind reads without a restart", timeout => 15);
}
cmp_ok(time - $restored, '<', 15, 'within seconds: no failure is remembered for long');
wait_for($node, q(INSERT INTO more VALUES ('3')), '', 'and writes', timeout => 15);
sql_is($node, q(SELECT string_agg(v, ' ' ORDER BY v) FROM more), '1 2 3', 'what was refused was not stored');

# --- a hundred sessions --------------------------------------------------------------------------------

sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1h'), 'keys are left alone');
$node->reload;
sql_is($node, 'SHOW keyring.cache_ttl', '1h', 'from now on');
$kms->fault(kind => 'decrypt', key => $resource{denied}, delay => 2);
sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
my $calls = $kms->count(decrypt => $resource{denied});
my $script = $node->basedir . '/read.sql';
append_to_file($script, "SELECT v::text FROM t_denied;\n");
$node->command_ok([ 'pgbench', '-n', '-c', '100', '-j', '2', '-t', '1', '-f', $script, 'postgres' ],
	'a hundred sessions read');
is($kms->count(decrypt => $resource{denied}) - $calls, 1, 'with one call');

done_testing();
