#!/usr/bin/perl
#
# What clients see: pgbench in its three query modes, by CPU time of the server and by latency, and round trips over libpq, by
# wall clock. Plain against encrypted, and native types on against off. The plain side runs twice: what the two
# differ by is noise. Called by test/bench/run in a running scratch cluster, whose data directory is PGDATA.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use Bench;
use Time::HiRes qw(usleep);

my $table_rows = 100_000;
my $transactions = 3_000;
my @sides = ([ 'plain', 'on' ], [ 'plain', 'on' ], [ 'encrypted', 'on' ], [ 'encrypted', 'off' ]);

# a statement for each, over a table and a value, which is a number in text
my %work = (
	'point read' => 'SELECT v FROM %s WHERE id = %s',
	'equality lookup' => 'SELECT id FROM %s WHERE v = %s',
	'INSERT RETURNING' => 'INSERT INTO %s_log (v) VALUES (%s) RETURNING v'
);

sub set_up
{
	system(
		"$ENV{BINDIR}/psql", qw(-X -q -o /dev/null -v ON_ERROR_STOP=1 -v),
		"rows=$table_rows", '-f',
		"$FindBin::Bin/clients.sql"
	  ) == 0
	  or die "the tables could not be made\n";
	return;
}

# --- pgbench --------------------------------------------------------------------------------------

# The postmaster: its pid, how many processes it has, and the ticks that ended ones have used.
sub postmaster
{
	open my $file, '<', "$ENV{PGDATA}/postmaster.pid" or die "cannot read postmaster.pid: $!\n";
	chomp(my $pid = <$file>);
	return $pid;
}

sub processes
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/task/$pid/children" or die "cannot read the server's processes: $!\n";
	my @children = split ' ', <$file> // '';
	return scalar @children;
}

sub ended_cpu
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/stat" or die "cannot read the server's CPU time: $!\n";
	my @fields = split ' ', <$file> =~ s/^.*\) //r;
	return ($fields[13] + $fields[14]) / 100 * 1e9;
}

# [ ns of the server's CPU, ns of latency ] per transaction.
sub pgbench
{
	my ($mode, $file, $types) = @_;
	my $postmaster = postmaster();
	my ($processes, $cpu) = (processes($postmaster), ended_cpu($postmaster));
	local $ENV{PGOPTIONS} = "-c keyring.native_types=$types";
	my $said = `"$ENV{BINDIR}/pgbench" -n -M $mode -c 1 -t $transactions -f "$file" postgres 2>&1`;
	my ($latency) = $said =~ /latency average = ([\d.]+) ms/ or die "pgbench failed: $said\n";

	die "pgbench: transactions failed: $said\n" unless $said =~ m{actually processed: $transactions/$transactions\b};
	usleep(1_000) while processes($postmaster) > $processes;
	return [ (ended_cpu($postmaster) - $cpu) / $transactions, $latency * 1e6 ];
}

sub script
{
	my ($work, $table, $mode) = @_;
	my $file = "/tmp/kr_bench_$$.sql";

	# in the simple protocol there are no parameters: the value is a literal
	my $value = $mode eq 'simple' && $work ne 'point read' ? "':value'" : ':value';
	open my $script, '>', $file or die "$file: $!\n";
	printf {$script} "\\set value random(1, $table_rows)\n$work{$work};\n", $table, $value;
	close $script or die "$file: $!\n";
	return $file;
}

# Within noise: not above what the same work, run twice, differed by in nine rounds of ten.
sub verdict
{
	my ($name, $costs) = @_;
	my ($plain, $again, $on, $off) = @$costs;
	my @noise = sort { $a <=> $b } map { $again->[$_] / $plain->[$_] } 0 .. $#$plain;
	my ($low, $high) = @noise[ $#noise * 0.1, $#noise * 0.9 + 0.5 ];
	my $native = ratio($off, $on);

	line("$name, native types", $native, 'x off', sprintf('A/A to %.2f', $high), $native <= $high);
	printf "    plain %.1f us, encrypted %.1f (%.2f x), native types off %.1f (%.2f x), A/A %.2f (%.2f to %.2f)\n",
	  (map { $_ / 1000 } median(@$plain), median(@$on)), ratio($plain, $on), median(@$off) / 1000, ratio($plain, $off),
	  ratio($plain, $again), $low, $high;
	return;
}

sub measure_pgbench
{
	for my $work (sort keys %work)
	{
		for my $mode (qw(simple extended prepared))
		{
			my @costs;
			for my $round (0 .. $rounds)
			{
				ask('TRUNCATE plain_log, encrypted_log;');
				for my $i (0 .. $#sides)
				{
					my ($table, $types) = @{ $sides[$i] };
					my $cost = pgbench($mode, script($work, $table, $mode), $types);
					next if $round == 0;    # the first warms up
					push @{ $costs[$_][$i] }, $cost->[$_] for 0, 1;
				}
			}
			for (0, 1)
			{
				verdict("pgbench, $work, $mode, " . qw(CPU latency) [$_], $costs[$_]);
			}
		}
	}
	unlink "/tmp/kr_bench_$$.sql";
	return;
}

# The client of these measurements, beside which libpq is the only code there is.
sub build_client
{
	my ($include, $lib) = map { `"$ENV{BINDIR}/pg_config" --$_` =~ s/\s+$//r } qw(includedir libdir);
	system($ENV{CC} // 'cc', '-O2', '-o', 'build/roundtrip', 'test/bench/roundtrip.c', "-I$include", "-L$lib", '-lpq')
	  == 0
	  or die "roundtrip.c does not compile\n";
	return;
}

# --- round trips ----------------------------------------------------------------------------------

# Costs of each side by the clock, and of its backend on a processor: [ [ ns ... ], ... ] twice.
sub round_trips
{
	my ($work, $mode) = @_;
	my @sessions = map { ("-c keyring.native_types=$_->[1]", sprintf $work{$work}, $_->[0], '$1') } @sides;
	my (@clock, @processor);

	ask('TRUNCATE plain_log, encrypted_log;');
	open my $lines, '-|', 'build/roundtrip', 30 * $rounds, 100, $table_rows, $mode, @sessions
	  or die "roundtrip: $!\n";
	<$lines>;    # the backends
	while (my $line = <$lines>)
	{
		my @ns = split ' ', $line;
		for my $i (0 .. $#sides)
		{
			push @{ $clock[$i] }, $ns[ 2 * $i ];
			push @{ $processor[$i] }, $ns[ 2 * $i + 1 ];
		}
	}
	close $lines or die "roundtrip failed\n";
	return (\@clock, \@processor);
}

sub measure_round_trips
{
	for my $work (sort keys %work)
	{
		for my $mode (qw(simple extended prepared))
		{
			my ($clock, $processor) = round_trips($work, $mode);
			my $ratio = ratio($clock->[0], $clock->[2]);

			line("round trip, $work, $mode", $ratio, 'x plain', '1.25', $ratio <= 1.25) if $work eq 'equality lookup';
			verdict("round trip, $work, $mode", $clock);
			verdict("server's CPU, $work, $mode", $processor);
		}
	}
	return;
}

build_client();
session();
set_up();
measure_round_trips();
measure_pgbench();
finish();
