# A worker that is busy for ever, with root key commands that hang or are slow: every cached key is verified
# all the same, and none is used for longer than the settings allow.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main', conf => "keyring.kms_timeout = '5s'\nkeyring.kms_connect_timeout = '100ms'");
my $keys = KeyringHold->new($node);
my @databases = map { keyring_db($node, $_) } qw(postgres second third fourth);

sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), "a value in $_", db => $_)
  for @databases;

sub reload
{
	my (%settings) = @_;
	my $sql = join '', map { "ALTER SYSTEM SET keyring.$_ = '$settings{$_}';\n" } sort keys %settings;
	sql_value($node, "$sql SELECT pg_reload_conf()");
	wait_until(sub { sql_value($node, 'SHOW keyring.cache_ttl') eq $settings{cache_ttl} }, 'the settings');
	return;
}

# Three keys that take longer to verify than they stay verified: each gets its turn.
sql_value($node, 'SELECT keyring_flush_cache()');
sql_is($node, 'SELECT v FROM t', 'secret', "$_ is read", db => $_) for @databases[ 0 .. 2 ];
my %verified = map { $_ => sql_value($node, 'SELECT verified_at FROM keyring_keys', db => $_) } @databases[ 0 .. 2 ];
$keys->delay(1.2);
reload(cache_ttl => '1s', kms_timeout => '5s');
wait_for(
	$node,
	"SELECT verified_at > '$verified{$_}' FROM keyring_keys",
	't', "slow commands: the key of $_ is verified",
	db => $_,
	timeout => 15
) for @databases[ 0 .. 2 ];

# Commands that hang, and sessions that ask for other keys all the time: the cached one goes in time.
$keys->delay(0);
sql_value($node, 'SELECT keyring_flush_cache()');
reload(cache_ttl => '1d', cache_grace => '1s', kms_timeout => '1500ms');
sql_is($node, 'SELECT v FROM t', 'secret', 'a cached key');
$keys->hold;
my $ask = q(DO $$ BEGIN LOOP
	BEGIN PERFORM v::text FROM t; EXCEPTION WHEN OTHERS THEN PERFORM pg_sleep(0.05); END;
	END LOOP; END $$);
my @others =
  map { start_sql($node, "SET statement_timeout = '60s'; $ask", db => $_, name => 'other') } @databases[ 1 .. 3 ];
wait_until_waiting($node, 'other', 3);
reload(cache_ttl => '1s');
wait_for(
	$node, 'SELECT cached FROM keyring_keys',
	'f',
	'hanging commands: a key in the cache goes in time',
	timeout => 15
);
sql_value($node, q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'other'));
finish_sql($_) for @others;
$keys->release;
wait_for($node, 'SELECT v FROM t', 'secret', 'and comes back when they end');

done_testing();
