#!/usr/bin/perl
#
# What a server pays that has keyring preloaded and does not use it: the same work on plain tables in a server without
# it and in one with it. Called by test/bench/run with the ports of both.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use Bench;

my ($port_without, $port_with) = @ARGV;

sub set_up
{
	my ($session) = @_;

	on($session);
	ask(<<'SQL');
SET client_min_messages = error;
DROP TABLE IF EXISTS plain;
CREATE TABLE plain AS SELECT i AS id, lpad(i::text, 11, 'x') AS v FROM generate_series(1, 100000) i;
CREATE INDEX plain_id ON plain (id);
VACUUM ANALYZE plain;
SQL
	return;
}

# The same in each session: what makes no statement twice, so that parsing, planning and running count.
sub work
{
	my @statements = map { "SELECT v FROM plain WHERE id = $_; UPDATE plain SET v = 'y' WHERE id = $_ AND v = 'y';" }
	  map { $_ * 37 % 100_000 } 1 .. 2_000;
	return join "\n", '\\o /dev/null', @statements, 'SELECT count(*) FROM plain WHERE v > \'xxx\';', '\\o';
}

my @sessions = map { session('-p', $_) } $port_without, $port_with, $port_without;
set_up($_) for @sessions[ 0, 1 ];
my ($without, $with, $again) = compare(4_001, map { [ work(), undef, $_ ] } @sessions);
my @noise = sort { $a <=> $b } map { $again->[$_] / $without->[$_] } 0 .. $#$without;
my $ratio = ratio($without, $with);

line(
	'preloaded but unused, short statements',
	$ratio, 'x without',
	sprintf('A/A to %.2f', $noise[-1]),
	$ratio <= $noise[-1]
);
printf "    %-40s %10.0f ns/statement, with %.0f; the same server twice: %.2f to %.2f\n",
  'without', median(@$without), median(@$with), @noise[ 0, -1 ];

for my $session (@sessions)
{
	on($session);
	finish();
}
