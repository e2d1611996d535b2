# A key that was destroyed, or wrapped anew, does not stay in memory or come back: on a standby, after a
# prepared transaction, and when it is being fetched at that moment.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $primary = KeyringTest->new_node(
	'primary',
	streaming => 1,
	conf => "keyring.cache_ttl = '1d'\nkeyring.kms_timeout = '60s'\nmax_prepared_transactions = 2"
);
keyring_db($primary);
sql_ok(
	$primary, q(CREATE TABLE t (id int, v encrypted_text);
	INSERT INTO t VALUES (1, 'first');
	SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (2, 'second');
	SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (3, 'third');
	SELECT keyring_activate(keyring_create_key()); INSERT INTO t VALUES (4, 'fourth')), 'values under four keys'
);
my $standby = new_standby($primary, 'standby');
$primary->wait_for_catchup($standby);

my $cached = q(SELECT value FROM keyring_stats WHERE name = 'keys_cached');
my $all = q(SELECT string_agg(v::text, ' ' ORDER BY id) FROM t);
my $last = 'SELECT v FROM t WHERE id = 4';
my %session = map { $_->name => background($_) } $primary, $standby;

is($session{ $_->name }->query_safe($all), 'first second third fourth', $_->name . ': all is read')
  for $primary, $standby;
sql_is($_, $cached, '4', $_->name . ': four keys are cached') for $primary, $standby;

# Destroyed on the primary: the standby's memory is nobody's to evict but its own sessions'.
sql_ok($primary, 'SELECT keyring_destroy_key(1, force => true)', 'a key is destroyed');
sql_is($primary, $cached, '3', 'it is gone from memory');
$primary->wait_for_catchup($standby);
is($session{standby}->query_safe($last), 'fourth', 'a session of the standby goes on');
sql_is($standby, $cached, '3', 'and the key is gone from memory there');

# Destroyed by a prepared transaction.
sql_ok($primary, q(BEGIN; SELECT keyring_destroy_key(2, force => true); PREPARE TRANSACTION 'p'), 'prepared');
sql_ok($primary, q(COMMIT PREPARED 'p'), 'a key is destroyed by COMMIT PREPARED');
is($session{primary}->query_safe($last), 'fourth', 'a session goes on');
sql_is($primary, $cached, '2', 'and the key is gone from memory');

# Wrapped anew: the same data key must not be there twice.
sql_ok($primary, 'SELECT keyring_rewrap_key(4)', 'a key is wrapped anew');
is($session{primary}->query_safe($last), 'fourth', 'a session goes on');
sql_is($primary, $cached, '2', 'and the former wrap is gone from memory');

# Destroyed while it is being fetched.
my $keys = KeyringHold->new($primary);
wait_until(sub { sql_value($primary, 'SHOW keyring.root_key_command') ne '' }, 'the command to be set');
sql_value($primary, 'SELECT keyring_flush_cache()');
$keys->hold;
my $reader = start_sql($primary, 'SELECT v FROM t WHERE id = 3', name => 'reader');
wait_until_waiting($primary, 'reader');
$keys->wait_until_held;
sql_ok($primary, 'SELECT keyring_destroy_key(3, force => true)', 'a key is destroyed while it is being fetched');
$keys->release;
my %answer = finish_sql($reader);
is($answer{sqlstate}, 'KR004', 'who waited for it is told') or diag($answer{all});
sql_is($primary, $cached, '0', 'and it does not come into memory');

# Flushed while it is being fetched: who waits gets it, from after the flush.
my $calls = $keys->calls;
$keys->hold;
$reader = start_sql($primary, $last, name => 'reader');
wait_until_waiting($primary, 'reader');
$keys->wait_until_held;
sql_value($primary, 'SELECT keyring_flush_cache()');
$keys->release;
%answer = finish_sql($reader);
is($answer{stdout}, 'fourth', 'flushed during a fetch: who waits gets the value') or diag($answer{all});
is($keys->calls - $calls, 2, 'from a second fetch');
$_->quit for values %session;

done_testing();
