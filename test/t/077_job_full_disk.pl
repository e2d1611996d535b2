# A job that finds no room on the disk gives up no value: it goes on with other tables, waits, says so, and ends when
# there is room. The room is what RLIMIT_FSIZE leaves to the server's processes: no mount and no privilege is needed.
use strict;
use warnings FATAL => 'all';

use KeyringHold;
use KeyringTest;

my $page = 8192;
my $node = KeyringTest->new_node(
	'main',
	init => ['--wal-segsize=1'],
	conf => "max_wal_size = 8MB\nautovacuum = off\nkeyring.reencrypt_batch_time = 20"
);
keyring_db($node);
sql_ok($node, <<'END', 'a table that will not find room, and one after it that needs none');
CREATE TABLE wide (id int PRIMARY KEY, v encrypted_text(searchable), w encrypted_text) WITH (fillfactor = 100);
INSERT INTO wide SELECT i, 'v' || i, repeat('w', 40) FROM generate_series(1, 30000) i;
CREATE TABLE narrow (id int PRIMARY KEY, v encrypted_text);
INSERT INTO narrow SELECT i, 'v' || i FROM generate_series(1, 100) i;
CREATE EXTENSION amcheck;
CHECKPOINT;
END
my $values = q(SELECT md5(string_agg(concat(id, v, w), ',' ORDER BY id)) FROM wide);
my $before = sql_value($node, $values);

# The largest file that the server's processes may write: soft, so that it can be raised again.
sub limit
{
	my ($bytes) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children = split ' ', slurp_file("/proc/$postmaster/task/$postmaster/children");
	for my $pid ($postmaster, @children)
	{
		my $done = system('prlimit', "--pid=$pid", "--fsize=$bytes:") == 0;
		die "prlimit of $pid" unless $done || !-e "/proc/$pid";
	}
	return;
}

# A file that ends in the middle of a page is "no space left on device" to PostgreSQL; one that ends between two pages
# is an error of another class.
for my $case ([ 'a full disk', $page / 2 ], [ 'a limit on files', 0 ])
{
	my ($name, $rest) = @$case;
	my $size = sql_value($node, q(SELECT pg_relation_size('wide')));
	my $position = log_position($node);
	limit($size + 3 * $page + $rest);
	my $key = sql_value($node, 'SELECT keyring_create_key()');
	sql_value($node, "SELECT keyring_activate($key)");
	my $job = sql_value($node, 'SELECT keyring_reencrypt()');
	wait_for($node, "SELECT state, waiting_reason ~ 'could not extend file' FROM keyring_jobs WHERE id = $job",
		'waiting|t', "$name: the job waits, and says why");
	sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', "$name: no value is given up");
	sql_is(
		$node, q(SELECT DISTINCT key_id FROM keyring_census('narrow')),
		$key, "$name: the other table is moved meanwhile"
	);
	cmp_ok(
		sql_value($node, q(SELECT pg_relation_size('wide'))),
		'<=',
		$size + 4 * $page,
		"$name: there was no more room"
	);
	sql_is($node, $values, $before, "$name: clients read on");
	my @lines = log_since($node, $position) =~ /^.*LOG:  .*keyring: job $job .*could not extend file.*$/mg;
	is(scalar @lines, 1, "$name: the log has it once");
	limit('unlimited');
	sql_ok($node, "CALL keyring_wait_for_job($job)", "$name: with room it goes on by itself");
	sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', $key, "$name: to the end");
	sql_is($node, $values, $before, "$name: values are what they were");
	sql_ok($node, 'VACUUM FULL wide; CHECKPOINT', "$name: room is made");
}

$node->command_ok([ 'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--heapallindexed' ],
	'pg_amcheck finds nothing');
done_testing();
