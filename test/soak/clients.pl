# What jobs cost clients: their latency without a job and with one at three throttles, in turns; called by test/soak/run.
# SOAK_ENDS is when to begin no more rounds (seconds since 1970); there are SOAK_ROUNDS (2) at least, of SOAK_THROTTLES, each
# "none" or delay/batch time, in ms, where what is left out has its default. The
# budget is for a machine that has a core to spare: how many are busy is printed, without a job and with one.
use strict;
use warnings FATAL => 'all';

use JobClients;
use KeyringTest;
use POSIX ();
use Time::HiRes qw(time);

my $seconds = 10;    # of each run
my $rate = 300;      # transactions per second, whatever their latency
my @delays = split ' ', $ENV{SOAK_DELAYS} // 'none 10 0 100';

# every wait for a lock of more than 1 ms is logged, and who holds it
my $node = KeyringTest->new_node('main', fsync => 1, conf => <<'END');
max_wal_size = 4GB
min_wal_size = 3GB
shared_buffers = 512MB
log_statement = none
log_min_messages = error
log_lock_waits = on
deadlock_timeout = 1ms
END
keyring_db($node);

# A server that has run for a while writes its WAL into segments that it has had before. To make one takes some 15 ms, in which
# nobody commits, and would be what is measured.
sql_value($node,
	'DO $$ BEGIN FOR i IN 1..180 LOOP PERFORM pg_logical_emit_message(false, \'\', \'\'), pg_switch_wal(); END LOOP; END $$'
);
sql_value($node, 'CHECKPOINT');
my $clients = JobClients->new($node, accounts => 500_000, branches => 5);
my %figures;    # delay => name => [ one for each round ]
my $rounds = 0;

do
{
	$rounds++;
	measure($_) for @delays;
} while ($rounds < ($ENV{SOAK_ROUNDS} // 2) || time < ($ENV{SOAK_ENDS} // 0));
$clients->values_are_right('after all jobs');
report();
done_testing();

sub measure
{
	my ($delay) = @_;
	my $job = $delay ne 'none';

	if ($job)
	{
		my ($rest, $batch) = split '/', $delay;
		sql_value($node, "ALTER SYSTEM SET keyring.reencrypt_delay = $rest");
		sql_value($node, 'ALTER SYSTEM SET keyring.reencrypt_batch_time = ' . ($batch // 'DEFAULT'));
	}
	sql_value($node, 'SELECT pg_reload_conf()');
	my $position = log_position($node);
	my ($busy, $start) = (busy(), time);
	my $run = $clients->start(seconds => $seconds, rate => $rate);
	my $moved = $job ? $clients->jobs_until_end($run) : $clients->no_jobs_until_end($run);
	my %seen = $clients->finish($run);
	$busy = (busy() - $busy) / (time - $start);
	sql_value($node, q(SELECT keyring_cancel_job(id) FROM keyring_jobs WHERE state NOT IN ('completed', 'cancelled')));
	my @waits = waits_for(log_since($node, $position), $clients->workers);
	my %now = (
		p50 => at($seen{latencies}, 0.5),
		p95 => at($seen{latencies}, 0.95),
		p99 => at($seen{latencies}, 0.99),
		waits => scalar @waits,
		wait => at(\@waits, 1),
		moved => $moved,
		busy => $busy
	);
	push @{ $figures{$delay}{$_} }, $now{$_} for keys %now;
	return;
}

# How long clients have waited for the processes given, in ms, ascending.
sub waits_for
{
	my ($log, @pids) = @_;
	my %workers = map { $_ => 1 } @pids;
	my (%waiting, @waits);
	my $waits =
	  qr/process (\d+) (still waiting|acquired).* after ([\d.]+) ms\n(?:.*DETAIL:  Process(?:es)? holding the lock: (\d+))?/;

	while ($log =~ /$waits/g)
	{
		my ($pid, $begins, $ms, $holder) = ($1, $2 ne 'acquired', $3, $4 // '');
		$waiting{$pid} = $workers{$holder} if $begins;
		push @waits, $ms if !$begins && delete $waiting{$pid};
	}
	return sort { $a <=> $b } @waits;
}

# Seconds of CPU that the machine has spent on all its processes.
sub busy
{
	my (undef, $user, $nice, $system, undef, undef, $irq, $softirq) = split ' ', slurp_file('/proc/stat');
	return ($user + $nice + $system + $irq + $softirq) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

sub at
{
	my ($sorted, $share) = @_;
	return @$sorted ? $sorted->[ $share * $#$sorted ] : 0;
}

sub median
{
	return at([ sort { $a <=> $b } @_ ], 0.5);
}

sub report
{
	my ($load) = split ' ', slurp_file('/proc/loadavg');
	my $row = "%-6s %8s %8s %8s %10s %12s %14s %10s %11s\n";
	my $text = sprintf $row, 'delay', 'p50 ms', 'p95 ms', 'p99 ms', 'p99 ratio', 'waits for it', 'longest wait',
	  'values/s', 'cores busy';

	for my $delay (@delays)
	{
		my %f = %{ $figures{$delay} };
		my $ratio = median(map { $f{p99}[$_] / $figures{none}{p99}[$_] } 0 .. $rounds - 1);
		my ($longest) = sort { $b <=> $a } @{ $f{wait} };
		$text .= sprintf $row, $delay, (map { sprintf '%.1f', median(@{ $f{$_} }) } qw(p50 p95 p99)),
		  sprintf('%.2f', $ratio), median(@{ $f{waits} }), sprintf('%.1f ms', $longest), int median(@{ $f{moved} }),
		  sprintf('%.2f', median(@{ $f{busy} }));
		next if $delay ne 10;
		my $idle = POSIX::sysconf(84) - median(@{ $figures{none}{busy} });    # _SC_NPROCESSORS_ONLN
		my $met = $ratio <= 1.5 && median(@{ $f{moved} }) >= 20_000 ? 'met' : 'NOT MET';
		$met .= sprintf ', but that says nothing: only %.2f cores were idle without a job', $idle if $idle < 1;
		diag("budget at the default: p99 1.5 x without a job, 20000 values/s: $met");
	}
	diag("$rounds rounds of $seconds s, $rate transactions/s, load $load, medians of rounds\n$text");
	return;
}
