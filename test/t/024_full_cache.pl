# More keys than the cache has slots: every value is right, evictions are counted, nobody starves.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main',
	conf => "max_connections = 60\nkeyring.kms_timeout = '60s'\nkeyring.cache_ttl = '1d'\nkeyring.max_cached_keys = 1");

# Three databases with the same key id; in the first one values under three keys.
my %value = (postgres => 'first', second => 'second', third => 'third');
for my $db (sort keys %value)
{
	keyring_db($node, $db);
	sql_ok($node, "CREATE TABLE t (id int, v encrypted_text); INSERT INTO t VALUES (1, '$value{$db}')",
		"database $db", db => $db);
}
sql_ok(
	$node, q(
	CREATE TABLE many (id int PRIMARY KEY, v encrypted_text(searchable));
	INSERT INTO many SELECT i, 'value ' || i FROM generate_series(1, 4) i;
	SELECT keyring_activate(keyring_create_key());
	INSERT INTO many SELECT i, 'value ' || i FROM generate_series(5, 8) i;
	SELECT keyring_activate(keyring_create_key());
	INSERT INTO many SELECT i, 'value ' || i FROM generate_series(9, 12) i;
	CREATE INDEX ON many (v);), 'values under three keys'
);
sql_is($node, 'SELECT string_agg(DISTINCT key_id::text, $$ $$) FROM many, keyring_inspect(v)', '1 2 3', 'really three');

sub count_of
{
	my ($name) = @_;
	return sql_value($node, "SELECT value FROM keyring_stats WHERE name = '$name'");
}

# From row to row another key, with one slot.
my $query = q(SELECT string_agg(a.v || '+' || b.v || '+' || c.v, ' ' ORDER BY a.id)
	FROM many a JOIN many b ON b.id = a.id + 4 JOIN many c ON c.id = a.id + 8);
my $expected = join ' ', map {
	join '+', map { "value $_" } $_, $_ + 4, $_ + 8
} 1 .. 4;
my ($unwraps, $evictions) = (count_of('unwraps'), count_of('evictions'));
sql_is($node, $query, $expected, 'one slot, three keys in one query: all values are right');
my $fetched = count_of('unwraps') - $unwraps;
ok($fetched >= 9, "which took $fetched unwraps");
is(count_of('unwraps') - count_of('evictions'), 1, 'every unwrapped key but the cached one was counted as evicted');
is(count_of('keys_cached'), 1, 'one key is cached');

sql_is(
	$node,
	q(SELECT string_agg(v::text, ',' ORDER BY v DESC) FROM many WHERE id % 4 = 0),
	'value 8,value 4,value 12',
	'sorting across keys'
);
sql_is($node, q(SELECT id FROM many WHERE v = 'value 6'), '6', 'finding by equality');
sql_is($node, q(SELECT id FROM many WHERE v IN ('value 1', 'value 7', 'value 12') ORDER BY id),
	"1\n7\n12", 'finding several');
sql_is(
	$node,
	q(UPDATE many SET v = v || '!' WHERE id % 4 = 1 RETURNING v),
	"value 1!\nvalue 5!\nvalue 9!",
	'updating across keys'
);
sql_fails($node, q(INSERT INTO many VALUES (13, 'value 2'), (2, 'value 13')),
	'23505', qr/many_pkey/, 'an error in the midst of it is the right one');
sql_is(
	$node, q(BEGIN; DECLARE c CURSOR FOR SELECT v::text FROM many WHERE id % 4 = 2 ORDER BY id; FETCH c;
	SAVEPOINT s; SELECT v::text FROM many WHERE id = 12; ROLLBACK TO s; FETCH c; FETCH c; COMMIT),
	"value 2\nvalue 12\nvalue 6\nvalue 10", 'a cursor goes on under each key'
);
for my $round (1 .. 2)
{
	sql_is($node, 'SELECT v FROM t', $value{$_}, "databases in turn, round $round: $_", db => $_) for sort keys %value;
}

# All at once: who fetched a key uses it before it is taken away again, and nobody waits for ever.
sub crowds
{
	my ($transactions, $clients) = @_;
	my %crowd;
	for my $db (sort keys %value)
	{
		my $script = $node->basedir . "/$db.sql";
		unlink $script;
		append_to_file($script, "SELECT 1 / (count(*) FILTER (WHERE v::text = '$value{$db}')) FROM t;\n");
		my $crowd = $crowd{$db} = { out => '', err => '' };
		$crowd->{run} = IPC::Run::start(
			[
				$node->installed_command('pgbench'),
				'-n', '-f', $script, '-t', $transactions, '-c', $clients,
				$node->connstr($db) . " application_name='crowd'"
			],
			'<',
			\undef,
			'>',
			\$crowd->{out},
			'2>',
			\$crowd->{err}
		);
	}
	return \%crowd;
}

sub check_crowds
{
	my ($crowd, $total, $name) = @_;
	for my $db (sort keys %$crowd)
	{
		$crowd->{$db}{run}->finish;
		like($crowd->{$db}{out}, qr{actually processed: $total/}, "$name: all answers are right in $db")
		  or diag($crowd->{$db}{err});
	}
	return;
}

my $keys = KeyringHold->new($node);
wait_until(sub { sql_value($node, 'SHOW keyring.root_key_command') ne '' }, 'the command to be set');
sql_value($node, 'SELECT keyring_flush_cache()');
$keys->hold;
my $crowd = crowds(10, 12);
wait_until_waiting($node, 'crowd', 36);
($unwraps, my $opened) = (count_of('unwraps'), count_of('values_opened'));
sql_value($node, q(ALTER SYSTEM SET keyring.root_key_command = ''; SELECT pg_reload_conf()));
$keys->release;
check_crowds($crowd, 120, 'three crowds on one slot');
sql_value($node, q(ALTER SYSTEM RESET keyring.root_key_command; SELECT pg_reload_conf()));
$fetched = count_of('unwraps') - $unwraps;
$opened = count_of('values_opened') - $opened;
ok($fetched > 10, 'they were in each other\'s way');
ok($fetched <= $opened * 1.1, 'but a fetched key serves somebody before it goes')
  or diag("$fetched unwraps for $opened values");
note("$fetched unwraps for $opened values");

# No slot is free: the only one is being fetched, for as long as the test likes.
sql_value($node, 'SELECT keyring_flush_cache()');
$keys->hold;
my @readers = map { start_sql($node, 'SELECT v FROM t', db => $_, name => 'reader') } sort keys %value;
wait_until_waiting($node, 'reader', 3);
$keys->wait_until_held;
$keys->release;
is(
	join(' ', map { +{ finish_sql($_) }->{stdout} } @readers),
	'first second third',
	'all slots busy: everybody gets a turn'
);

# A key that cannot be had does not take the slot from the others.
$keys->fail('no luck');
sql_value($node, 'SELECT keyring_flush_cache()');
sql_fails($node, 'SELECT v FROM t', 'KR005', qr/failed with exit status 1/, 'a key that cannot be had');
$keys->succeed;
sql_is($node, 'SELECT v FROM t', 'second', 'the slot of a failure is free for another key at once', db => 'second');

# Two slots for three keys, a few times over.
$node->adjust_conf('postgresql.conf', 'keyring.max_cached_keys', '2');
$node->restart;
sql_is($node, $query, $expected =~ s/(value [159])\b/$1!/gr, 'two slots: all values are right');
is(count_of('unwraps') - count_of('evictions'), 2, 'two slots: evictions are counted');
check_crowds(crowds(25, 4), 100, 'three crowds on two slots');

# The key that was used last is the last to go.
sql_value($node, 'SELECT keyring_flush_cache()');
my $session = background($node);
$session->query_safe('SELECT v FROM t');
sql_value($node, 'SELECT v FROM t', db => 'second');
$session->query_safe('SELECT v FROM t');
$unwraps = count_of('unwraps');
sql_value($node, 'SELECT v FROM t', db => 'third');
$session->query_safe('SELECT v FROM t');
is(count_of('unwraps') - $unwraps, 1, 'the key that was not used for the longest time is the one that goes');
$session->quit;

done_testing();
