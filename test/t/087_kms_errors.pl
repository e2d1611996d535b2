# Each kind of refusal of Cloud KMS, met at each moment: while a key is checked, created, activated, used first, and in use.
# What the SQLSTATE is, that a hint says what to do, that nothing is left behind, and that all works again afterwards.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(answer_of finish_sql start_sql wait_for_answer);
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

# One statement for each kind at each moment, all beside each other. Returns their answers by moment and kind.
sub all_at_once
{
	my (%moments) = @_;
	my %answers;
	for my $moment (keys %moments)
	{
		$answers{$moment}{$_} = start_sql($node, $moments{$moment}->($_)) for @kinds;
	}
	for my $of_moment (values %answers)
	{
		%$of_moment = map { $_ => { finish_sql($of_moment->{$_}) } } @kinds;
	}
	return %answers;
}

sub all_failed
{
	my ($moment, %answers) = @_;
	for my $kind (@kinds)
	{
		my $answer = $answers{$kind};
		is($answer->{sqlstate}, $kinds{$kind}[0], "$moment: $kind") or diag($answer->{all});
		like($answer->{hint}, qr/\w/, "$moment: $kind, with a hint");
	}
	return;
}

# Waits until the value under each key can be read.
sub all_read
{
	my ($moment) = @_;
	my $values = join ' UNION ALL ', map { "SELECT v::text FROM t_$_" } @kinds;
	return wait_for($node, "SELECT string_agg(v, ' ' ORDER BY v COLLATE \"C\") FROM ($values) u",
		"@kinds", $moment, timeout => 15);
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
my $setup = '';
for my $kind (@kinds)
{
	my $create = "SELECT keyring_create_key('gcp-kms', '$resource{$kind}')";
	$setup .= "$create; SELECT keyring_activate(max(id)) FROM keyring_keys;\n";
	$setup .= "CREATE TABLE t_$kind (v encrypted_text); INSERT INTO t_$kind VALUES ('$kind'); $create;\n";
}
sql_ok($node, $setup, 'two keys of each, one of which is used');
for my $kind (@kinds)
{
	my $ids = "SELECT min(id), max(id) FROM keyring_keys WHERE resource = '$resource{$kind}'";
	($used{$kind}, $staged{$kind}) = split /\|/, sql_value($node, $ids);
}
# whoever makes a key needs another one, for the token key
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'the primary is one that does not fail');
all_read('every key works');

# --- checked, created, activated -------------------------------------------------------------------

my $keys = q(SELECT string_agg(id || state, ' ' ORDER BY id) FROM keyring_keys);
my $before = sql_value($node, $keys);
harm();
my %answers = all_at_once(
	checking => sub {
		"SELECT count(*) > 0, bool_and(hint ~ '\\w') FROM keyring_check_resource('gcp-kms', '$resource{$_[0]}') WHERE NOT ok";
	},
	'checking a key' => sub {
		"SELECT bool_or(step = 'unwrap'), bool_and(hint ~ '\\w') FROM keyring_check_key($staged{$_[0]}) WHERE NOT ok";
	},
	creating => sub { "SELECT keyring_create_key('gcp-kms', '$resource{$_[0]}')" },
	activating => sub { "SELECT keyring_activate($staged{$_[0]})" }
);
for my $moment ('checking', 'checking a key')
{
	is($answers{$moment}{$_}{stdout}, 't|t', "$moment: $_, with a hint") for @kinds;
}
all_failed($_, %{ $answers{$_} }) for qw(creating activating);
sql_is($node, $keys, $before, 'nothing is stored, no key changes its state');

# --- used first --------------------------------------------------------------------------------------

sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
%answers = all_at_once('first use' => sub { "SELECT v FROM t_$_[0]" });
all_failed('first use', %{ $answers{'first use'} });
$kms->control('clear_faults');
all_read('it ends: all can be read');
my $resources = join ', ', map { "'$_'" } values %resource;
sql_is($node, "SELECT bool_and(ok) FROM unnest(ARRAY[$resources]) r, keyring_check_resource('gcp-kms', r)",
	't', 'it ends: all check');
sql_ok($node, "SELECT keyring_activate($staged{unavailable})", 'a key that was not activated then is now');
sql_ok($node, 'CREATE TABLE more (v encrypted_text)', 'a table for the new primary');

# --- in use ------------------------------------------------------------------------------------------

sql_ok($node, q(INSERT INTO more VALUES ('1')), 'the primary is in memory');
harm();
sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1s'), 'keys are verified all the time');
$node->reload;
my $session = background($node);

sub locks_out
{
	my ($kind, $test_name) = @_;
	wait_for_answer($session, "SELECT v FROM t_$kind", $kinds{$kind}[0], $test_name);
	return like($session->{stderr}, qr/^HINT:  \w/m, "$test_name, with a hint");
}

my @outages = grep { !$kinds{$_}[1] } @kinds;
for my $kind (grep { $kinds{$_}[1] } @kinds)
{
	locks_out($kind, "in use: $kind locks out");
}
for my $kind (@outages)
{
	wait_for(
		$node, "SELECT health <> 'ok' FROM keyring_keys WHERE id = $used{$kind}",
		't',
		"in use: $kind is noticed",
		timeout => 20
	);
	is(answer_of($session, "SELECT v FROM t_$kind"), $kind, "in use: $kind, values are read on");
}
sql_ok($node, q(INSERT INTO more VALUES ('2')), 'an outage of the primary: values are written on');

# --- the end of grace --------------------------------------------------------------------------------

# with the time-outs, which are part of the time that a key is kept at most, whenever it is to be asked for again
my %short = (cache_grace => '1s', kms_timeout => '2s', kms_connect_timeout => '1s');
sql_ok($node, "ALTER SYSTEM SET keyring.$_ = '$short{$_}'", "a short $_") for sort keys %short;
$node->reload;
my $ids = join ', ', @used{@kinds};
wait_for($node, "SELECT count(*) FROM keyring_keys WHERE cached AND id IN ($ids)", '0', 'after grace: no key is kept');
%answers = all_at_once('after grace' => sub { "SELECT v FROM t_$_[0]" });
all_failed('after grace', %{ $answers{'after grace'} });
locks_out('unavailable', 'after grace: an open session is locked out');
$session->quit;
sql_fails(
	$node, q(INSERT INTO more VALUES ('3')),
	'KR005',
	qr/Check the network/,
	'after grace: nor is anything written'
);
sql_ok($node, "ALTER SYSTEM RESET keyring.$_", "as long as before: $_") for grep { /timeout/ } sort keys %short;
$node->reload;
my $restored = time;
$kms->control('clear_faults');
all_read('service is back: all can be read without a restart');
cmp_ok(time - $restored, '<', 15, 'within seconds: no failure is remembered for long');
wait_for($node, q(INSERT INTO more VALUES ('3')), '', 'and writes', timeout => 15);
sql_is($node, q(SELECT string_agg(v, ' ' ORDER BY v) FROM more), '1 2 3', 'what was refused was not stored');

# --- a hundred sessions --------------------------------------------------------------------------------

sql_ok($node, q(ALTER SYSTEM SET keyring.cache_ttl = '1h'), 'keys are left alone');
$node->reload;
sql_is($node, 'SHOW keyring.cache_ttl', '1h', 'from now on');
$kms->fault(kind => 'decrypt', key => $resource{denied}, delay => 1);
sql_ok($node, 'SELECT keyring_flush_cache()', 'a cold cache');
my $calls = $kms->count(decrypt => $resource{denied});
my $script = $node->basedir . '/read.sql';
append_to_file($script, "SELECT v::text FROM t_denied;\n");
$node->command_ok([ 'pgbench', '-n', '-c', '100', '-j', '2', '-t', '1', '-f', $script, 'postgres' ],
	'a hundred sessions read');
is($kms->count(decrypt => $resource{denied}) - $calls, 1, 'with one call');

done_testing();
