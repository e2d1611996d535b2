# A session that waits for a key can be cancelled and terminated at once, whatever the key's provider does,
# and leaves nothing behind: no slot of the cache, no slot of the request queue, no key. The root key
# command is held all the time, so a statement that ends has ended before it.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

# One slot of the cache; the queue has 8.
my $rounds = 10;
my $node =
  KeyringTest->new_node('main',
	conf => "max_connections = 50\nkeyring.kms_timeout = '10min'\nkeyring.max_cached_keys = 1");
my $keys = KeyringHold->new($node);
keyring_db($node);
sql_ok($node, q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret')), 'a table with a value');
keyring_db($node, 'other');
sql_ok(
	$node,
	q(CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('other secret')),
	'another database',
	db => 'other'
);

my $read = 'SELECT v FROM t';
my $create = 'SELECT keyring_create_key()';

# Nothing was lost: each kind of wait comes to its end, and only what ended so has left a key.
my $expected = 1;

sub check_whole
{
	my ($when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$keys->release;
	sql_is($node, $read, 'secret', "$when: reading works");
	sql_is($node, $create, ++$expected, "$when: a key can be made, and no other was");
	return;
}

# Sessions that wait, each in its own way: for a fetch or for a request.
sub start_waiting
{
	my ($sql, $name, $count) = @_;
	sql_value($node, 'SELECT keyring_flush_cache()');
	$keys->hold;
	my @sessions = map { start_sql($node, $sql, name => $name) } 1 .. $count;
	wait_until_waiting($node, $name, $count);
	return @sessions;
}

for my $case ([ 'reading', $read ], [ 'creating', $create ])
{
	my ($what, $sql) = @$case;

	# statement_timeout, one after the other in one session, which goes on.
	sql_value($node, 'SELECT keyring_flush_cache()');
	$keys->hold;
	my ($out, $err) = ('', '');
	$node->psql(
		'postgres',
		"SET statement_timeout = '100ms';" . "$sql;" x $rounds . "RESET statement_timeout; SELECT 'still here'",
		stdout => \$out,
		stderr => \$err,
		on_error_stop => 0,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]
	);
	is(() = $err =~ /57014: canceling statement due to statement timeout/g,
		$rounds, "$what: statement_timeout, $rounds times")
	  or diag($err);
	like($out, qr/still here/, "$what: the session goes on after it");
	check_whole("$what, statement_timeout");

	# Ctrl-C in psql, and pg_cancel_backend().
	my ($interrupted, @sessions) = start_waiting($sql, 'cancelled', $rounds);
	$interrupted->{run}->signal('INT');
	my %answer = finish_sql($interrupted);
	is($answer{sqlstate}, '57014', "$what: Ctrl-C") or diag($answer{all});
	sql_value($node, q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'cancelled'));
	is(
		join(' ', map { +{ finish_sql($_) }->{sqlstate} } @sessions),
		join(' ', ('57014') x @sessions),
		"$what: pg_cancel_backend(), all of them"
	);
	check_whole("$what, cancelled");

	# pg_terminate_backend()
	@sessions = start_waiting($sql, 'terminated', $rounds);
	sql_value($node, q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'terminated'));
	is(
		join(' ', map { +{ finish_sql($_) }->{sqlstate} } @sessions),
		join(' ', ('57P01') x @sessions),
		"$what: pg_terminate_backend(), all of them"
	);
	check_whole("$what, terminated");

	# The client goes away. Its session notices when it answers, and must not be in anybody's way.
	@sessions = start_waiting($sql, 'gone', 2);
	$_->{run}->kill_kill for @sessions;
	$expected += 2 if $sql eq $create;
	$keys->release;
	wait_for(
		$node, q(SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gone'),
		'0', "$what: sessions without a client end when they have their answer"
	);
	check_whole("$what, clients gone");
}

# All slots of the queue work: more requests than there are, at once.
my @sessions = start_waiting($create, 'queue', $rounds);
$keys->release;
is(
	join(' ', sort { $a <=> $b } map { +{ finish_sql($_) }->{stdout} } @sessions),
	join(' ', $expected + 1 .. $expected + $rounds),
	"$rounds keys made at once: each is there"
);
$expected += $rounds;

# The only slot of the cache is being fetched; who waits for one can be cancelled as well.
my ($reader) = start_waiting($read, 'reader', 1);
$keys->wait_until_held;
my $second = start_sql($node, $read, db => 'other', name => 'second');
wait_until_waiting($node, 'second');
sql_value($node, q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'second'));
my %answer = finish_sql($second);
is($answer{sqlstate}, '57014', 'waiting for a slot of the cache: cancelled') or diag($answer{all});

# Inside a transaction: the savepoint takes it up, locks stay.
my $inside = background($node, db => 'other');
$inside->query_safe(q(BEGIN; CREATE TABLE made (i int); SAVEPOINT s; SET statement_timeout = '100ms'));
my ($out, $failed) = $inside->query($read);
like($inside->{stderr}, qr/57014/, 'waiting inside a transaction: cancelled');
$inside->{stderr} = '';
is($inside->query_safe(q(ROLLBACK TO s; SELECT count(*) FROM made)), '0', 'the transaction goes on from its savepoint');
$keys->release;
$inside->query_safe(q(SET statement_timeout = 0));
is($inside->query_safe($read), 'other secret', 'and reads');
$inside->query_safe('COMMIT');
$inside->quit;
is({ finish_sql($reader) }->{stdout}, 'secret', 'whoever was not cancelled gets the value');

# A request that nobody waits for any more does not keep the worker from others.
my ($creator) = start_waiting($create, 'creator', 1);
$keys->wait_until_held;
sql_value($node, q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'creator'));
finish_sql($creator);
$reader = start_sql($node, $read, name => 'reader');
$keys->wait_until_held(2);
pass('the worker leaves an abandoned request for the next in line');
$keys->release;
is({ finish_sql($reader) }->{stdout}, 'secret', 'which is served');

done_testing();
