
=head1 NAME

ClientSteps - the steps of the drivers as scripts for PostgreSQL's own programs

=head1 SYNOPSIS

  use ClientSteps;

  psql_script($file);                                  # with literals
  my @variables = pgbench_script($file, 'prepared', qr/./, 'v');   # options for pgbench, which passes them as parameters

=head1 DESCRIPTION

F<test/clients/README.md> tells how F<steps.txt> is written.

=cut

package ClientSteps;

use strict;
use warnings FATAL => 'all';

use Clients;
use Exporter 'import';
use KeyringTest ();

our @EXPORT = qw(pgbench_script psql_script);

# [ name, SQL, rows of values ], where a value is undef for NULL and an array is in PostgreSQL's form.
sub steps
{
	my (undef, @blocks) = split /\n\n/, KeyringTest::slurp_file("$Clients::folder/steps.txt");
	my @steps;

	for my $block (@blocks)
	{
		my $sql = join ' ', $block =~ /^\t(.*)/mg;
		my @kinds = split ' ', $block =~ /^: (.*)/m ? $1 : '';
		my @rows = map { [ values_of($_, @kinds) ] } $block =~ /^\| (.*)/mg;
		push @steps, [ $block =~ /^(.*)/, $sql, @rows ? @rows : [] ];
	}
	return @steps;
}

sub values_of
{
	my ($line, @kinds) = @_;
	my @values = map { $_ eq '\N' ? undef : $_ } split / \| /, $line;
	for my $i (0 .. $#values)
	{
		$values[$i] = '{' . join(',', map { s/(["\\])/\\$1/gr =~ s/.*/"$&"/r } split /,/, $values[$i]) . '}'
		  if $kinds[$i] =~ /\[\]$/;
	}
	return @values;
}

sub write_file
{
	my ($file, $text) = @_;
	unlink $file;
	KeyringTest::append_to_file($file, $text);
	return;
}

=head1 FUNCTIONS

=over

=item psql_script($file)

Everything, with the values as literals.

=cut

sub psql_script
{
	my ($file) = @_;
	my $script = "\\set SHOW_CONTEXT never\n";

	for my $step (steps())
	{
		my ($name, $sql, @rows) = @$step;
		$script .= "\\echo $name\n";
		for my $row (@rows)
		{
			my @literals = map { defined ? "'" . s/'/''/gr . "'" : 'NULL' } @$row;
			$script .= $sql =~ s/\$(\d+)/$literals[$1 - 1]/gr . ";\n";
		}
	}
	return write_file($file, $script);
}

=item pgbench_script($file, $mode, $wanted, $prefix)

Statements of the steps whose names match, but for those that fail, which would end the run. Returns the options that set the
variables, whose names begin with the prefix: in the simple mode they become literals, else parameters.

=cut

sub pgbench_script
{
	my ($file, $mode, $wanted, $prefix) = @_;
	my ($script, $count) = ('', 0);
	my @options;

	for my $step (grep { $_->[0] =~ $wanted && $_->[0] !~ /^(?:check|numeric overflow|division by zero)$/ } steps())
	{
		my ($name, $sql, @rows) = @$step;
		@rows = $name =~ /alone$/ ? $rows[0] : next if $name =~ /^unique/;
		for my $row (grep { $name ne 'create' || defined $_->[1] } @rows)
		{
			my @names;
			for my $value (@$row)
			{
				push @names, defined $value ? ":$prefix" . ++$count : 'NULL';
				next unless defined $value;
				$names[-1] = "':$prefix$count'" if $mode eq 'simple';
				push @options, '-D', "$prefix$count=" . ($mode eq 'simple' ? $value =~ s/'/''/gr : $value);
			}
			$script .= $sql =~ s/\$(\d+)/$names[$1 - 1]/gr . ";\n";
		}
	}
	write_file($file, $script);
	return @options;
}

=back

=cut

1;
