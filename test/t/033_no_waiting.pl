# Under a page lock nothing may wait for a key. No index of this version opens values there, so a debugger makes a
# session believe that it holds such a lock.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "keyring.cache_ttl = '1d'");
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id integer, v encrypted_text, s encrypted_text(searchable));
	INSERT INTO t VALUES (1, 'one', 'one')), 'a table'
);

my $session = background($node);
my ($pid) = $session->query_safe('SELECT pg_backend_pid()') =~ /(\d+)/;

# As HOLD_INTERRUPTS() does; an error ends it.
sub hold_interrupts
{
	my $out = `gdb -batch -p $pid -ex 'set var *(unsigned int *) &InterruptHoldoffCount = 1' 2>&1`;
	die "gdb: $out\n" if $out =~ /No symbol|ptrace|Cannot/;
	return;
}

# What a query ends with while interrupts are held off.
sub said
{
	my ($query) = @_;
	hold_interrupts();
	$session->{stderr} = '';
	my $out = $session->query($query);
	my $said = "$out$session->{stderr}";
	$session->{stderr} = '';
	return $said;
}

$session->query_safe('\set VERBOSITY verbose');
is($session->query_safe('SELECT v, s FROM t'), 'one|one', 'the session has read');
is(said('SELECT v, s FROM t'), 'one|one', 'what is in memory is opened');

for my $query ('SELECT v FROM t', q(SELECT v = 'one' FROM t), q(INSERT INTO t VALUES (2, 'two', 'two')))
{
	sql_ok($node, 'SELECT keyring_flush_cache()', 'the cache is empty');
	my $said = said($query);
	like($said, qr/KR001: .*with key 1: the key is not in memory, and nothing may wait here/, 'fails at once')
	  || diag($query);
	like($said, qr/HINT:.*keyring_check_key/, 'and says what to do');
	is($session->query_safe('SELECT id, v FROM t'), '1|one', 'the next statement goes on');
}
$session->quit;
done_testing();
