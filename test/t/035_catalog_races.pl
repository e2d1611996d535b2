# Sessions that look something up in the catalogs while it changes, or that fail at it, do not remember the
# wrong answer. Locks on the catalogs stop them half way.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (v encrypted_text); INSERT INTO t VALUES ('secret');
	CREATE ROLE readers; CREATE ROLE alice LOGIN IN ROLE readers;
	GRANT SELECT ON t TO alice;
	SELECT keyring_grant('readers', 'reader');
	ALTER DATABASE postgres SET keyring.require_reader = on), 'a reader, by way of another role'
);

sub answer
{
	my ($session) = @_;
	$session->{stderr} = '';
	my ($out) = $session->query('SELECT v FROM t');
	my ($error) = $session->{stderr} =~ /ERROR:  (\w{5})/;
	return $error // $out;
}

sub wait_until_locked
{
	my ($relation) = @_;
	wait_until(
		sub {
			sql_value($node, "SELECT count(*) FROM pg_locks WHERE relation = '$relation'::regclass AND NOT granted") >
			  0;
		},
		"somebody to wait for $relation"
	);
	return;
}

# The first statement of a session cannot find out where the extension is.
my $locker = background($node);
$locker->query_safe('BEGIN; LOCK TABLE pg_catalog.pg_extension');
my $early = do
{
	local $ENV{PGOPTIONS} = '-c lock_timeout=300ms';
	background($node);
};
is(answer($early), '55P03', 'the schema of the extension cannot be read');
$locker->query_safe('ROLLBACK');
is(answer($early), 'secret', 'it is looked up again by the next statement');
$early->quit;

# The right to read is taken away after it was looked at, and before the answer was complete.
my $alice = background($node, user => 'alice');
$locker->query_safe(q(BEGIN; SELECT keyring_revoke('readers', 'reader'); LOCK TABLE pg_catalog.pg_auth_members));
$alice->query_until(qr//, "SELECT v FROM t;\n");
wait_until_locked('pg_auth_members');
$locker->query_safe('COMMIT');
like(answer($alice), qr/KR008/, 'a right that is taken away during the look is not remembered');
$_->quit for $alice, $locker;

done_testing();
