#!/usr/bin/perl
#
# Measures jobs of re-encryption in a running scratch cluster: called by test/bench/run-reencrypt.
#
# A job is measured as a whole, with its count at the end. Its worker ends with it, so the CPU time is what was last
# read of it, some milliseconds before.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use Bench;
use Time::HiRes qw(time usleep);

my $main;

# CPU time in ns of a process, or undef when it has ended
sub cpu_of
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/schedstat" or return;
	my ($ns) = split ' ', <$file> // return;
	return $ns;
}

# Moves all values of a table: [ CPU ns, wall ns ].
sub job
{
	my ($table) = @_;
	my ($pid, $cpu, $start) = ('', 0, time);
	my $id = ask("SELECT keyring_reencrypt('$table');");

	while ($pid eq '')
	{
		die "no worker for job $id\n" if time > $start + 10;
		$pid = ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'keyring job';");
	}
	while (defined(my $now = cpu_of($pid)))
	{
		$cpu = $now;
		usleep(2000);
	}
	my ($state, $wall) =
	  split /\|/, ask("SELECT state, extract(epoch FROM finished_at - created_at) FROM keyring_jobs WHERE id = $id;");
	die "job $id is $state\n" unless $state eq 'completed';
	return [ $cpu, $wall * 1e9 ];
}

# In a new session, since a worker is new too: the first touch of each page of shared memory costs much.
sub statement
{
	my ($sql) = @_;
	my $one = session();
	my ($cpu, $start) = (cpu_of($one->{backend}), time);

	ask($sql);
	my $cost = [ cpu_of($one->{backend}) - $cpu, (time - $start) * 1e9 ];
	finish();
	on($main);
	return $cost;
}

sub next_key
{
	ask('SELECT keyring_activate(keyring_create_key());');
	return;
}

# The same rows anew, under a key that is not the primary any more; dirty pages are nobody's load then.
sub fill
{
	my ($table, $source) = @_;
	ask("TRUNCATE $table; INSERT INTO $table SELECT * FROM $source;");
	ask("VACUUM (FREEZE) $table;");
	next_key();
	ask('CHECKPOINT;');
	return;
}

# Per row: what each of the ways costs, interleaved: [ CPU ... ], [ wall ... ] for each.
sub compare_ways
{
	my ($n, $prepare, @ways) = @_;
	my @results;

	for my $round (0 .. $rounds)
	{
		for my $i (0 .. $#ways)
		{
			$prepare->();
			my $cost = $ways[$i]->();
			next if $round == 0;    # the first warms up
			push @{ $results[$i][$_] }, $cost->[$_] / $n for 0, 1;
		}
	}
	return @results;
}

# Returns the ratios of CPU time and wall clock.
sub against_update
{
	my ($name, $table, $source, $n) = @_;
	my ($update, $by_hand, $job) = compare_ways(
		$n,
		sub { fill($table, $source) },
		sub { statement("UPDATE $table SET id = id;") },
		sub { statement("UPDATE $table SET v = v::text;") },
		sub { job($table) }
	);
	my ($cpu, $wall) = map { ratio($update->[$_], $job->[$_]) } 0, 1;

	printf "%-44s %10.2f x UPDATE by CPU time, %.2f by wall clock\n", $name, $cpu, $wall;
	printf "    %-40s %10.0f ns/row, job %.0f, UPDATE that seals anew %.0f\n", 'UPDATE, CPU',
	  map { median(@{ $_->[0] }) } $update, $job, $by_hand;
	printf "    %-40s %10.0f values/s\n", 'job', 1e9 / median(@{ $job->[1] });
	return ($cpu, $wall);
}

# One value of a hundred is under an older key.
sub mostly_current
{
	my ($scan, $job) = compare_ways(
		$rows,
		sub {
			fill('small', 'source');
			ask('UPDATE small SET v = v::text WHERE id % 100 <> 0;');
			ask('VACUUM FULL small;');
			ask('VACUUM (FREEZE) small;');
			ask('CHECKPOINT;');
		},
		sub { statement('SELECT sum(octet_length(v)) FROM small;') },
		sub { job('small') }
	);
	my $ratio = ratio($scan->[0], $job->[0]);
	line('1 % of values are old, CPU', $ratio, 'x scan', '1.50', $ratio <= 1.5);
	printf "    %-40s %10.0f ns/row, job %.0f\n", 'scan that reads every value', map { median(@{ $_->[0] }) } $scan,
	  $job;
	return;
}

# Values per second, as far as the table is long.
sub by_size
{
	my @sizes = (100_000, 1_000_000, $ENV{LONG} ? 10_000_000 : ());
	my %rate;

	for my $n (@sizes)
	{
		ask("TRUNCATE small; INSERT INTO small SELECT i, lpad(i::text, 11, 'x') FROM generate_series(1, $n) i;");
		ask('VACUUM (FREEZE) small;');
		ask('CHECKPOINT;');
		my @costs;
		for (1 .. $n > 1_000_000 ? 1 : 3)
		{
			fill('small', 'source') if $n == $rows && @costs;
			next_key();
			push @costs, job('small')->[0] / $n;
			ask('VACUUM (FREEZE) small;');
			ask('CHECKPOINT;');
		}
		$rate{$n} = 1e9 / median(@costs);
		printf "    %-40s %10.0f values per second of CPU time\n", "$n rows", $rate{$n};
	}
	my $ratio = $rate{ $sizes[-1] } / $rate{ $sizes[0] };
	line("speed with $sizes[-1] rows", $ratio, 'x 100000', '0.85 and more', $ratio >= 0.85);
	return;
}

$main = session();
ask(<<"SQL");
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
CREATE UNLOGGED TABLE source AS SELECT i AS id, lpad(i::text, 11, 'x') AS v FROM generate_series(1, $rows) i;
CREATE UNLOGGED TABLE source_big AS SELECT i AS id, repeat(md5(i::text), 32) AS v FROM generate_series(1, $rows / 10) i;
CREATE TABLE bare (id integer, v encrypted_text);
CREATE TABLE small (id integer PRIMARY KEY, v encrypted_text);
CREATE TABLE big (id integer PRIMARY KEY, v encrypted_text);
SQL
my ($cpu, $wall) = against_update('11 bytes, a primary key', 'small', 'source', $rows);
line('job, CPU', $cpu, 'x UPDATE', '1.30', $cpu <= 1.3);
line('job, wall clock', $wall, 'x UPDATE', '1.30', $wall <= 1.3);
against_update('11 bytes, no index', 'bare', 'source', $rows);
against_update('1 kB', 'big', 'source_big', $rows / 10);
mostly_current();
by_size();
finish();
