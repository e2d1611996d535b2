# pgbench's standard run, with encrypted columns in its tables and another key in the middle of it.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $seconds = 6;    # of each run
my $accounts = 100_000;
my $node = KeyringTest->new_node('main', conf => 'max_wal_size = 2GB');

keyring_db($node);
pgbench('-i', '-s', 1, '-q');
sql_ok($node, "SELECT keyring_encrypt_column('pgbench_$_', 'filler')", "pgbench_$_.filler is encrypted")
  for qw(accounts branches tellers history);

# What the script of our own uses. The addresses are digits, so that pgbench may pass a number of its
# own as a parameter without a type, which then is one of the encrypted type.
sql_ok(
	$node, q(
	ALTER TABLE pgbench_accounts ADD COLUMN address encrypted_text(searchable);
	UPDATE pgbench_accounts SET address = (aid * 7)::text;
	CREATE UNIQUE INDEX accounts_address ON pgbench_accounts (address);
	CREATE TABLE letters (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, aid int NOT NULL, told encrypted_text,
		address encrypted_text(searchable), number int, sent timestamptz DEFAULT statement_timestamp());
	CREATE INDEX ON letters (address);
	VACUUM ANALYZE), 'an encrypted column with an index, and a table to write to'
);

for my $mode (qw(simple extended prepared))
{
	my $before = sql_value($node, 'SELECT count(*) FROM letters');
	my $run = start_pgbench($mode);

	wait_for($node, "SELECT count(*) > $before + 20 FROM letters", 't', "$mode: the run is under way");
	my $key = sql_value($node, 'SELECT keyring_create_key()');
	sql_ok($node, "SELECT keyring_activate($key)", "$mode: key $key is activated meanwhile");
	my $switched = sql_value($node, 'SELECT clock_timestamp()');
	my $output = finish($run);

	like($output, qr/number of failed transactions: 0 /, "$mode: no transaction failed") or diag($output);
	unlike($output, qr/error|aborted/i, "$mode: no client had an error") or diag($output);
	sums_are_right($mode);
	values_are_right($mode);
	sql_is(
		$node,
		"SELECT count(*) > 20, bool_and((keyring_inspect(told)).key_id = $key AND (keyring_inspect(address)).key_id = $key)
		   FROM letters WHERE sent > '$switched'",
		't|t',
		"$mode: what began after the activation is sealed under key $key"
	);
	census_adds_up($mode, $key);
}
done_testing();

# A command of pgbench on the node; dies when it fails.
sub pgbench
{
	my (@arguments) = @_;
	my $output;
	IPC::Run::run([ 'pgbench', @arguments, '-h', $node->host, '-p', $node->port, 'postgres' ], '>&', \$output)
	  or die "pgbench failed: $output";
	return $output;
}

# Our own script finds an account by its address, copies that, under whatever key it is, and writes to the account.
sub script
{
	my ($mode) = @_;
	# text in quotes for the simple protocol, which knows no parameters
	my $address = $mode eq 'simple' ? "':address'" : ':address';
	my $file = $node->basedir . "/$mode.sql";

	PostgreSQL::Test::Utils::append_to_file($file, <<"SCRIPT");
\\set aid random(1, $accounts)
\\set address :aid * 7
\\set number random(1, 1000)
BEGIN;
SELECT aid AS found FROM pgbench_accounts WHERE address = $address \\gset
INSERT INTO letters (aid, told, address, number) SELECT aid, concat('letter to ', :found::int), address, :number FROM pgbench_accounts WHERE address = $address;
UPDATE pgbench_accounts SET filler = (SELECT told FROM letters WHERE address = $address LIMIT 1), address = $address WHERE aid = :found;
SELECT filler AS told, address AS again FROM pgbench_accounts WHERE address IN ($address, 'x') \\gset
END;
SCRIPT
	return $file;
}

sub start_pgbench
{
	my ($mode) = @_;
	my %run = (output => '');
	$run{handle} = IPC::Run::start(
		[
			'pgbench', '-n', '-M', $mode, '-c', 4, '-j', 2, '-T', $seconds, '-b', 'tpcb-like@3', '-f',
			script($mode) . '@2',
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'>&',
		\$run{output}
	);
	return \%run;
}

# What pgbench printed; a test fails if its exit code is not 0.
sub finish
{
	my ($run) = @_;
	ok($run->{handle}->finish, 'pgbench ends well');
	return $run->{output};
}

# TPC-B's invariant: every delta went to one account, one teller, one branch and into the history.
sub sums_are_right
{
	my ($mode) = @_;
	sql_is(
		$node,
		q(SELECT count(DISTINCT sum), count(*) FROM (
			SELECT sum(abalance) FROM pgbench_accounts UNION ALL SELECT sum(bbalance) FROM pgbench_branches
			UNION ALL SELECT sum(tbalance) FROM pgbench_tellers UNION ALL SELECT sum(delta) FROM pgbench_history) s),
		'1|4',
		"$mode: the sums of accounts, branches, tellers and history agree"
	);
	sql_is($node, 'SELECT count(*) > 0 FROM pgbench_history', 't', "$mode: transactions were made");
	return;
}

# Every value can be read, and is what was written.
sub values_are_right
{
	my ($mode) = @_;
	sql_is(
		$node,
		q(SELECT count(*), count(*) FILTER (WHERE a.address <> (a.aid * 7)::text),
		         count(*) FILTER (WHERE filler <> '' AND filler <> concat('letter to ', a.aid)),
		         count(*) FILTER (WHERE (filler = '') <> (l.aid IS NULL))
		    FROM pgbench_accounts a LEFT JOIN (SELECT DISTINCT aid FROM letters) l USING (aid)),
		"$accounts|0|0|0",
		"$mode: addresses and fillers of all accounts are right"
	);
	sql_is(
		$node,
		q(SELECT count(*) FILTER (WHERE told <> concat('letter to ', aid)), count(*) FILTER (WHERE l.address <> (aid * 7)::text),
		         count(*) - count(a.aid)
		    FROM letters l LEFT JOIN pgbench_accounts a USING (aid, address)),
		'0|0|0',
		"$mode: so are the letters, which join with the accounts by address"
	);
	return;
}

sub census_adds_up
{
	my ($mode, $key) = @_;
	sql_is(
		$node,
		q(WITH counted AS (
			SELECT 'pgbench_accounts.filler' AS c, count(filler) AS n FROM pgbench_accounts
			UNION ALL SELECT 'pgbench_accounts.address', count(address) FROM pgbench_accounts
			UNION ALL SELECT 'pgbench_branches.filler', count(filler) FROM pgbench_branches
			UNION ALL SELECT 'pgbench_tellers.filler', count(filler) FROM pgbench_tellers
			UNION ALL SELECT 'pgbench_history.filler', count(filler) FROM pgbench_history
			UNION ALL SELECT 'letters.told', count(told) FROM letters
			UNION ALL SELECT 'letters.address', count(address) FROM letters)
		  SELECT c, n, total FROM counted
		    LEFT JOIN (SELECT relation || '.' || column_name AS c, sum(value_count) AS total FROM keyring_census() GROUP BY 1) s USING (c)
		   WHERE n <> COALESCE(total, 0)),
		'',
		"$mode: the census adds up"
	);
	sql_is(
		$node,
		q(SELECT string_agg(DISTINCT key_id::text, ',' ORDER BY key_id::text) FROM keyring_census('pgbench_accounts')),
		join(',', 1 .. $key),
		"$mode: accounts have values under every key so far"
	);
	return;
}
