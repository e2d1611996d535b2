
=head1 NAME

TwoCopies - the same SQL on plain tables and on their encrypted copy

=head1 SYNOPSIS

  use TwoCopies;

  my $pair = TwoCopies->new($node, 'shop', 'tables.sql');     # databases shop_plain and shop_sealed
  $pair->both('CREATE INDEX ...');
  $pair->encrypt(people => { name => 1, address => 0 });      # column => searchable
  $pair->agree([ queries_of('queries/10_rows.sql') ]);        # a test per query

=head1 DESCRIPTION

A file of queries is SQL for psql. A comment after an empty line begins a query and names it; what
follows, up to the next such comment, is its text, of one or more statements. The outputs of both
copies have to be the same, line by line: rows, their order, command tags, notices and errors with
SQLSTATE, message and detail. If the name ends with "(in any order)", the lines are sorted first.

=cut

package TwoCopies;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use KeyringTest;

our @EXPORT = qw(queries_of);

=over

=item queries_of(@files)

The queries of these files, in order: hashes of name, file and sql.

=cut

sub queries_of
{
	my (@files) = @_;
	my @queries;

	for my $file (@files)
	{
		my ($short) = $file =~ m{([^/]+)\.sql$};
		my ($head, @parts) = split /^\n(?=-- )/m, slurp_file($file);
		for my $part (@parts)
		{
			my ($name, $sql) = $part =~ /^-- ([^\n]*)\n(.*)/s or die "no query in $file: $part";
			push @queries, { name => $name, file => $short, sql => $sql };
		}
	}
	return @queries;
}

=item TwoCopies->new($node, $name, $file, %options)

Makes the databases NAME_plain and NAME_sealed, both with an ICU collation as their default, the
extension in the second, and loads the file into both. Option: plain, another pair whose plain
database is to be used, after the same statements.

=cut

sub new
{
	my ($class, $node, $name, $file, %options) = @_;
	my $self = bless {
		node => $node,
		plain => $options{plain} ? $options{plain}{plain} : "${name}_plain",
		sealed => "${name}_sealed",
		shared => !!$options{plain}
	}, $class;

	for my $db ($self->{shared} ? () : $self->{plain}, $self->{sealed})
	{
		$node->safe_psql('postgres',
			"CREATE DATABASE $db TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C'");
		$self->run_file($db, $file);
	}
	$node->safe_psql($self->{sealed}, 'CREATE EXTENSION keyring');
	$node->safe_psql($self->{sealed}, 'SELECT keyring_activate(keyring_create_key())');
	return $self;
}

=item $pair->run_file($db, $file), $pair->both($sql), $pair->both_files(@files)

Run SQL that must not fail. both leaves out a plain database that is another pair's.

=cut

sub run_file
{
	my ($self, $db, $file) = @_;
	return $self->{node}->safe_psql($db, slurp_file($file));
}

sub both
{
	my ($self, $sql) = @_;
	$self->{node}->safe_psql($_, $sql) for $self->{shared} ? () : $self->{plain}, $self->{sealed};
	return;
}

sub both_files
{
	my ($self, @files) = @_;
	$self->both(slurp_file($_)) for @files;
	return;
}

=item $pair->encrypt(table => { column => searchable, ... }, ...)

Encrypts these columns of the sealed copy.

=cut

sub encrypt
{
	my ($self, %tables) = @_;
	my $sql = '';

	for my $table (sort keys %tables)
	{
		my $columns = $tables{$table};
		$sql .= "SELECT keyring_encrypt_column('$table', '$_', $columns->{$_}::boolean);\n" for sort keys %$columns;
	}
	$self->{node}->safe_psql($self->{sealed}, "SET client_min_messages = warning;\n$sql");
	return;
}

=item $pair->outputs($db, \@queries, $options)

What psql prints for each query, in one session; $options is for PGOPTIONS.

=cut

sub outputs
{
	my ($self, $db, $queries, $options) = @_;
	my $mark = '=== query ';
	my $input = '';
	my $all;

	for my $i (0 .. $#$queries)
	{
		$input .= "\\echo $mark$i\n$queries->[$i]{sql}\n";
	}
	local $ENV{PGOPTIONS} = '-c jit=off ' . ($options // '');
	IPC::Run::run(
		[
			'psql', '-X', '-A', '-P', 'null=(null)', '-v', 'VERBOSITY=verbose', '-d', $self->{node}->connstr($db),
			'-f', '-'
		],
		'<',
		\$input,
		'>&',
		\$all
	) or die "psql failed: $all";

	# where in psql's input and where in the server's source says nothing about the answer
	$all =~ s/^psql:\S+ //mg;
	$all =~ s/^LOCATION: .*\n//mg;
	my ($nothing, @outputs) = split /^\Q$mark\E\d+\n/m, $all, -1;
	die "psql answered " . @outputs . " of " . @$queries . " queries: $all" if @outputs != @$queries;
	return map { $queries->[$_]{name} =~ /\(in any order\)$/ ? _sorted($outputs[$_]) : $outputs[$_] } 0 .. $#outputs;
}

sub _sorted
{
	my ($text) = @_;
	return join '', sort split /^/m, $text;
}

=item $pair->agree(\@queries, %options)

One test per query: both copies print the same. Options: when, words for the tests' names; errors:
0 (default) when no query may fail, 1 when each has to, undef when they may; found: a query whose
every result is empty fails.

=cut

sub agree
{
	my ($self, $queries, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @plain = $self->outputs($self->{plain}, $queries);
	my @sealed = $self->outputs($self->{sealed}, $queries);
	my $errors = exists $options{errors} ? $options{errors} : 0;
	my $when = defined $options{when} ? ", $options{when}" : '';

	for my $i (0 .. $#$queries)
	{
		my $name = "$queries->[$i]{file}: $queries->[$i]{name}$when";
		my $failed = $plain[$i] =~ /^ERROR:/m ? 1 : 0;
		if (defined $errors && $failed != $errors)
		{
			fail($name);
			diag($errors ? 'the plain copy does not fail' : $plain[$i]);
		}
		elsif ($options{found} && $plain[$i] =~ /^\(0 rows\)$/m && $plain[$i] !~ /^\([1-9]\d* rows?\)$/m)
		{
			fail($name);
			diag("nothing is found:\n$plain[$i]");
		}
		else
		{
			is($sealed[$i], $plain[$i], $name);
		}
	}
	return;
}

=item $pair->agree_under($settings, \@queries, %options)

One test for all of them: the copies agree under these settings, which are for PGOPTIONS.

=cut

sub agree_under
{
	my ($self, $settings, $queries) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @plain = $self->outputs($self->{plain}, $queries, $settings);
	my @sealed = $self->outputs($self->{sealed}, $queries, $settings);
	my @different = grep { $plain[$_] ne $sealed[$_] } 0 .. $#$queries;

	is(scalar(@different), 0, scalar(@$queries) . " queries agree under $settings")
	  or diag(join '', map { "$queries->[$_]{name}\nplain:\n$plain[$_]sealed:\n$sealed[$_]" } @different[ 0 .. 0 ]);
	return;
}

=back

=cut

1;
