
=head1 NAME

JobClients - pgbench's clients on encrypted tables while jobs of re-encryption run

=head1 SYNOPSIS

  use JobClients;
  use KeyringTest;

  my $clients = JobClients->new($node, accounts => 20_000);    # tables of pgbench, encrypted
  my $run = $clients->start(seconds => 5, clients => 4);
  my $moved = $clients->jobs_until_end($run);          # one job after the other meanwhile; values moved
  my %figures = $clients->finish($run);                # tests; transactions, latencies in ms
  $clients->values_are_right('with a job');            # tests

=cut

package JobClients;

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;
use Time::HiRes qw(time usleep);

=head1 METHODS

=over

=item JobClients->new($node, %options)

Makes the tables. Options: accounts (100,000), branches (1). An account's encrypted filler follows from its balance, its encrypted
address, which has an index, from its number.

=cut

sub new
{
	my ($class, $node, %options) = @_;
	my $self =
	  bless { node => $node, accounts => $options{accounts} // 100_000, branches => $options{branches} // 1, run => 0 },
	  $class;
	sql_ok(
		$node, qq(
		CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int DEFAULT 0, filler encrypted_text);
		CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, tbalance int DEFAULT 0, filler encrypted_text);
		CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, abalance int DEFAULT 0, filler encrypted_text,
			address encrypted_text(searchable) UNIQUE, pad char(60) DEFAULT '');
		CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamptz, filler encrypted_text);
		INSERT INTO pgbench_branches SELECT i, 0, 'branch' FROM generate_series(1, $self->{branches}) i;
		INSERT INTO pgbench_tellers SELECT i, 0, 'teller' FROM generate_series(1, 10 * $self->{branches}) i;
		INSERT INTO pgbench_accounts SELECT i, 0, i || ':0', i || ' High Street' FROM generate_series(1, $self->{accounts}) i;
		VACUUM ANALYZE), 'tables as those of pgbench, with values that follow from others'
	);
	return $self;
}

sub where
{
	my ($self) = @_;
	return ('-h', $self->{node}->host, '-p', $self->{node}->port, 'postgres');
}

# TPC-B with values.
sub script
{
	my ($self) = @_;
	my $file = $self->{node}->basedir . '/clients.sql';
	return $file if -e $file;

	append_to_file($file, <<'SCRIPT');
\set aid random(1, :accounts)
\set bid random(1, :branches)
\set tid random(1, 10 * :branches)
\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta, filler = concat(aid, ':', abalance + :delta) WHERE aid = :aid;
SELECT aid AS found FROM pgbench_accounts WHERE address = ':aid High Street' \gset
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime, filler) VALUES (:tid, :bid, :found, :delta, now(), ':aid');
END;
SCRIPT
	return $file;
}

=item $clients->start(%options)

Starts the clients. Options: seconds, clients (4), rate (as many as they can).

=cut

sub start
{
	my ($self, %options) = @_;
	my %run =
	  (output => '', log => $self->{node}->basedir . '/latency' . ++$self->{run}, ends => time + $options{seconds});

	$run{handle} = IPC::Run::start(
		[
			'pgbench', '-n',
			'-c', $options{clients} // 4,
			'-j', 2,
			'-T', $options{seconds},
			'-D', "branches=$self->{branches}",
			'-D', "accounts=$self->{accounts}",
			defined $options{rate} ? ('-R', $options{rate}) : (), '-l',
			'--log-prefix', $run{log},
			'-f', $self->script,
			$self->where
		],
		'>&',
		\$run{output}
	);
	return \%run;
}

=item $clients->jobs_until_end($run)

Lets a job follow another for as long as the clients run, each to a new key. Returns how many values were moved in a
second.

=item $clients->no_jobs_until_end($run)

Asks as often, and lets none run.

=cut

sub jobs_until_end
{
	my ($self, $run) = @_;
	return $self->_ask_until_end(
		$run, q(
		DO $$ BEGIN
			IF NOT EXISTS (SELECT FROM keyring_job WHERE state NOT IN ('completed', 'cancelled')) THEN
				PERFORM keyring_activate(keyring_create_key()), keyring_reencrypt();
			END IF;
		END $$;)
	);
}

sub no_jobs_until_end
{
	my ($self, $run) = @_;
	return $self->_ask_until_end($run, '');
}

# In one session: to start psql each time would take a tenth of a processor, and cost the clients more than a job does.
sub _ask_until_end
{
	my ($self, $run, $first) = @_;
	my $session = $self->{session} //= background($self->{node});
	my $moved = 'SELECT coalesce(sum(moved), 0) FROM keyring_job';
	my ($start, $before) = (time, $session->query_safe($moved));

	while (time < $run->{ends})
	{
		$session->query_safe($first) if $first;
		$self->{workers}{$_} = 1
		  for split ' ', $session->query_safe(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'keyring job'));
		usleep(200_000);
	}
	return ($session->query_safe($moved) - $before) / (time - $start);
}

=item $clients->workers

The processes of those jobs, as far as they were seen.

=cut

sub workers
{
	my ($self) = @_;
	return keys %{ $self->{workers} };
}

=item $clients->finish($run)

Waits for the clients. Tests that none had an error. Returns their number of transactions, and the latencies in ms,
ascending.

=cut

sub finish
{
	my ($self, $run) = @_;
	ok($run->{handle}->finish, 'clients end well');
	like($run->{output}, qr/number of failed transactions: 0 /, 'no transaction failed');
	unlike($run->{output}, qr/error|aborted/i, 'no client had an error') or diag($run->{output});
	my ($transactions) = $run->{output} =~ /transactions actually processed: (\d+)/;
	my @latencies = map { (split ' ')[2] / 1000 } map { split /\n/, slurp_file($_) } glob "$run->{log}.*";
	unlink glob "$run->{log}.*";
	return (transactions => $transactions, latencies => [ sort { $a <=> $b } @latencies ]);
}

=item $clients->values_are_right($name)

Tests in one snapshot that no update was lost, by TPC-B's sums, and that each value is what was written.

=cut

sub values_are_right
{
	my ($self, $name) = @_;
	sql_is(
		$self->{node},
		q(SELECT count(DISTINCT sum), count(*) FROM (
			SELECT sum(abalance) FROM pgbench_accounts UNION ALL SELECT sum(bbalance) FROM pgbench_branches
			UNION ALL SELECT sum(tbalance) FROM pgbench_tellers UNION ALL SELECT sum(delta) FROM pgbench_history) s),
		'1|4',
		"$name: the sums of accounts, branches, tellers and history agree"
	);
	sql_is(
		$self->{node},
		q(SELECT count(*), count(*) FILTER (WHERE address <> aid || ' High Street'),
		         count(*) FILTER (WHERE filler <> concat(aid, ':', abalance)),
		         (SELECT count(*) FROM pgbench_history WHERE filler <> aid::text) FROM pgbench_accounts),
		"$self->{accounts}|0|0|0",
		"$name: every value is what was written"
	);
	return;
}

=back

=cut

1;
