# Sessions whose backend's CPU time is measured, and what is made of the figures. A and B are interleaved, since the
# speed of a machine changes between rounds more than within one.
package Bench;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use FileHandle;
use IPC::Open2;

our @EXPORT = qw(ask compare difference finish line median on ratio session $rounds $rows);

our $rows = $ENV{ROWS};
our $rounds = $ENV{ROUNDS};
my $session;

# Starts a session and makes it the current one. Options of psql choose the server.
sub session
{
	my (@options) = @_;
	my $pid = open2(my $from, my $to, "$ENV{BINDIR}/psql", qw(-X -q -A -t -v ON_ERROR_STOP=1), @options);
	$to->autoflush(1);
	$session = { pid => $pid, from => $from, to => $to, marker => 0 };
	$session->{backend} = ask('SELECT pg_backend_pid();');
	return $session;
}

# Makes a session the current one.
sub on
{
	($session) = @_;
	return;
}

sub finish
{
	print { $session->{to} } "\\q\n";
	waitpid $session->{pid}, 0;
	return;
}

sub ask
{
	my ($sql) = @_;
	my @lines;
	my ($from, $end) = ($session->{from}, 'end ' . ++$session->{marker});

	print { $session->{to} } "$sql\n\\echo $end\n";
	while (my $line = <$from>)
	{
		chomp $line;
		return join("\n", @lines) if $line eq $end;
		push @lines, $line;
	}
	die "the session ended over: $sql\n";
}

# ns on a processor, as the scheduler counts them
sub cpu
{
	open my $file, '<', "/proc/$session->{backend}/schedstat"
	  or die "cannot read the CPU time of the backend: $!\n";
	my ($ns) = split ' ', <$file>;
	return $ns;
}

sub cost
{
	my ($sql, $before, $where) = @_;
	on($where) if defined $where;
	ask($before) if defined $before;
	my $start = cpu();
	ask($sql);
	return cpu() - $start;
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[ @sorted / 2 ];
}

# Each statement: [ sql, what to run before it, session ]. Returns their costs per row in ns, one for each round.
sub compare
{
	my ($n, @statements) = @_;
	my @costs;

	for my $round (0 .. $rounds)
	{
		for my $i (0 .. $#statements)
		{
			my $ns = cost(@{ $statements[$i] });
			push @{ $costs[$i] }, $ns / $n if $round > 0;    # the first warms up
		}
	}
	return @costs;
}

# What the second costs more than the first, and how many times as much: medians of the rounds.
sub difference
{
	my ($first, $second) = @_;
	return median(map { $second->[$_] - $first->[$_] } 0 .. $#$first);
}

sub ratio
{
	my ($first, $second) = @_;
	return median(map { $second->[$_] / $first->[$_] } 0 .. $#$first);
}

sub line
{
	my ($name, $value, $unit, $budget, $met) = @_;
	printf "%-44s %10.2f %-9s budget %-18s %s\n", $name, $value, $unit, $budget, $met ? 'met' : 'NOT MET';
	return;
}

1;
