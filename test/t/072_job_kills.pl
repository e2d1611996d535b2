# kill -9 at random moments, of a process that matters to a job, while clients write: each time the job ends with
# every value under the new key and none changed, and nothing that a client was told is committed is lost.
#
# KEYRING_KILLS is how often (20), KEYRING_SEED makes the same choices again; moments still differ by what the machine does.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;
use List::Util qw(shuffle);
use Time::HiRes qw(time usleep);

my $kills = $ENV{KEYRING_KILLS} // 20;
my $seed = $ENV{KEYRING_SEED} // time ^ $$;
my $rows = 2000;
my $clients = 3;

# a kill comes so many ms after the start of a job, which takes somewhat longer
my $moments = 300;

srand $seed;
diag("$kills kills, KEYRING_SEED=$seed");

my $node = KeyringTest->new_node('main', conf => <<'END');
autovacuum_naptime = 1s
keyring.reencrypt_batch_time = 1ms
keyring.reencrypt_delay = 8ms
log_statement = none
END
keyring_db($node);

# secret and name follow from the other columns, whoever writes the row; told has a line for each change.
sql_ok($node, <<"END", 'a table of values that follow from others');
CREATE EXTENSION amcheck;
CREATE FUNCTION secret_of(id int, n int) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN concat('secret ', id, ' ', n, ' ', repeat(md5(id::text), CASE WHEN id % 50 = 0 THEN 100 ELSE 1 END));
CREATE TABLE t (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, secret encrypted_text, n int DEFAULT 0);
CREATE TABLE told (id int);
INSERT INTO t SELECT i, concat('name ', i), secret_of(i, 0) FROM generate_series(1, $rows) i;
END

my %scripts = (
	update => q(UPDATE t SET n = n + 1, secret = secret_of(id, n + 1) WHERE id = :id RETURNING id),

	# the envelopes go along
	touch => q(UPDATE t SET name = name, n = n + 1, secret = secret_of(id, n + 1) WHERE id = :id RETURNING id),
	replace => q(DELETE FROM t WHERE id = :id RETURNING id, name, n),
);
$scripts{$_} = "WITH done AS ($scripts{$_})" for keys %scripts;
$scripts{$_} .= ' INSERT INTO told SELECT id FROM done;' for qw(update touch);
$scripts{replace} .= ', again AS (INSERT INTO t SELECT id, name, secret_of(id, n + 1), n + 1 FROM done RETURNING id)'
  . ' INSERT INTO told SELECT id FROM again;';

my @files = map { script($_) } sort keys %scripts;
my $acknowledged = 0;
my $in_middle = 0;
my $run = start_clients();
my @victims;

for my $number (1 .. $kills)
{
	@victims = shuffle('keyring job', 'keyring launcher', 'keyring kms', 'client', 'postmaster') if !@victims;
	my $victim = shift @victims;
	my $moment = int rand $moments;
	subtest "kill $number: $victim, after $moment ms" => sub { one($victim, $moment) };
}
diag("$in_middle of $kills kills were in the middle of a job, clients made $acknowledged changes");
cmp_ok($in_middle, '>=', $kills / 4, 'enough of the kills were in the middle of a job');
cmp_ok($acknowledged, '>', $kills * 20, 'clients have written all along');
end_clients($run);
$node->command_ok(
	[ 'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--heapallindexed', '--parent-check' ],
	'pg_amcheck finds nothing');
done_testing();

# --- one kill -----------------------------------------------------------------------------------

sub one
{
	my ($victim, $moment) = @_;
	my ($key, $job) = split /\|/, sql_value(
		$node,
		'SELECT keyring_create_key() AS key \gset
		 SELECT keyring_activate(:key) \gset
		 SELECT :key, keyring_reencrypt()'
	);

	usleep($moment * 1000);
	$in_middle += end_process($victim, $job);
	end_clients($run);
	$run = start_clients();
	wait_for($node, "SELECT state FROM keyring_jobs WHERE id = $job", 'completed', 'the job ends');
	sql_is(
		$node, checks(),
		join("\n", "keys|$key", 'given up|0', "rows|$rows|wrong|0|0|lost|0", 'told|t', "found|$rows"),
		'every value is under the new key and what was written, no change is lost, each row is found by its index'
	);
	return;
}

# Values and told are read in one snapshot, while clients write.
sub checks
{
	return qq(
		SELECT 'keys', string_agg(DISTINCT key_id::text, ',') FROM keyring_census();
		SELECT 'given up', count(*) FROM keyring_unrecoverable;
		SELECT 'rows', count(*), 'wrong', count(*) FILTER (WHERE name <> concat('name ', id)),
		       count(*) FILTER (WHERE secret <> secret_of(id, n)), 'lost', sum(n) - (SELECT count(*) FROM told) FROM t;
		SELECT 'told', count(*) >= $acknowledged FROM told;
		SET enable_seqscan = off;
		SELECT 'found', count(t.id) FROM generate_series(1, $rows) i LEFT JOIN t ON t.name = concat('name ', i) AND t.id = i;
		DO 'BEGIN PERFORM bt_index_check(indexrelid, heapallindexed => true) FROM pg_index WHERE indrelid = ''t''::regclass; END');
}

# --- processes ----------------------------------------------------------------------------------

# Kills it, and waits until the server is back. True if the job had not ended.
sub end_process
{
	my ($victim, $job) = @_;
	my @all = split ' ', slurp_file("/proc/$node->{_pid}/task/$node->{_pid}/children");
	my $active = sql_value($node, "SELECT count(*) FROM keyring_jobs WHERE id = $job AND state <> 'completed'");

	if ($victim eq 'postmaster')
	{
		$node->kill9;

		# the next one does not start beside them
		usleep(5_000) while grep { kill 0, $_ } @all;
		$node->start;
		return $active;
	}
	my $pid = pid_of($victim, $job) or return 0;
	kill 'KILL', $pid;
	usleep(5_000) while kill 0, $pid;
	wait_for($node, 'SELECT 1', '1', 'the server is back');
	return $active;
}

# Of one that is, or undef: a job's worker ends with its job.
sub pid_of
{
	my ($victim, $job) = @_;
	return worker_pid($node, $victim) if $victim =~ /kms|launcher/;
	my $type = $victim eq 'client' ? 'client backend' : $victim;
	my $ended = "SELECT count(*) FROM keyring_jobs WHERE id = $job AND state = 'completed'";
	do
	{
		my $pid = sql_value($node,
			"SELECT pid FROM pg_stat_activity WHERE backend_type = '$type' AND pid <> pg_backend_pid() LIMIT 1");
		return $pid if $pid;
	} until sql_value($node, $ended);
	return;
}

sub script
{
	my ($name) = @_;
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, "\\set id random(1, $rows)\n$scripts{$name}\n");
	return $file;
}

sub start_clients
{
	my %clients = (output => '');
	$clients{handle} = IPC::Run::start(
		[
			'pgbench', '-n', '-c', $clients, '-T', 600, '-R', 600, (map { ('-f', $_) } @files),
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'>&',
		\$clients{output}
	);
	return \%clients;
}

# They end with their connections.
sub end_clients
{
	my ($clients) = @_;
	my $ended;
	$node->psql(
		'postgres',
		q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
		stdout => \$ended
	);
	$clients->{handle}->finish;
	$acknowledged += $1 if $clients->{output} =~ /transactions actually processed: (\d+)/;
	my @errors =
	  grep { /ERROR|FATAL|PANIC/ && !/terminating connection|the database system is/ } split /\n/, $clients->{output};
	is(join("\n", @errors), '', 'clients saw no other error than that the server went away');
	return;
}
