
=head1 NAME

Clients - programs that use a plain and an encrypted database and must see the same in both

=head1 SYNOPSIS

  use Clients;

  my $clients = Clients->new($node, $pooler_port);    # makes the databases "plain" and "encrypted"
  $clients->table('item', $sql);                      # in both, then encrypted in one of them
  $clients->compare('psycopg 3', 'binary', \@version_command, sub { my ($db) = @_; return @command });
  $clients->report;                                   # the table of clients, into the test's output

=head1 DESCRIPTION

The programs are those of F<test/clients>, whose README says how they are made. Each prints a
transcript of everything that it sees.

=cut

package Clients;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Run;
use KeyringTest ();
use Test::More;

our $folder = abs_path(dirname(__FILE__) . '/../../clients');
our $build = abs_path("$folder/../..") . '/build/clients';
our @databases = qw(plain encrypted);

=head1 METHODS

=over

=item Clients->new($node)

Makes both databases, and keyring in one of them.

=cut

sub new
{
	my ($class, $node) = @_;
	my $self = bless { node => $node, rows => [] }, $class;

	$node->safe_psql('postgres', 'CREATE DATABASE plain');
	KeyringTest::keyring_db($node, 'encrypted');
	return $self;
}

=item $clients->sql($file), $clients->encrypt($table)

Runs a file of the folder in both databases; encrypts columns of a table, in the one that is for that.

=cut

sub sql
{
	my ($self, $file) = @_;
	my $text = KeyringTest::slurp_file("$folder/$file");
	$self->{node}->safe_psql($_, $text) for @databases;
	return;
}

sub encrypt
{
	my ($self, $table) = @_;
	return KeyringTest::sql_ok(
		$self->{node},
		KeyringTest::slurp_file("$folder/encrypt.sql") =~ s/:'table'/'$table'/gr,
		"the columns of $table are encrypted",
		db => 'encrypted'
	);
}

=item $clients->run(@command)

The command's output and errors, as lines; a test fails when it fails.

=cut

sub run
{
	my ($self, @command) = @_;
	return finish(start(@command));
}

sub start
{
	my @command = @_;
	my %run = (output => '', errors => '', command => substr "@command", 0, 400);
	$run{handle} =
	  IPC::Run::start(\@command, '<', \undef, '>', \$run{output}, '2>', \$run{errors}, IPC::Run::timeout(120));
	return \%run;
}

sub finish
{
	my ($run) = @_;
	my $good = $run->{handle}->finish;
	ok($good, 'the program ends well') or diag("$run->{command}\n", substr($run->{output}, -500), $run->{errors});
	return $run->{output} . $run->{errors};
}

# In both databases, at the same time: a program waits more than it works.
sub run_in_both
{
	my ($self, $command) = @_;
	my %runs = map { $_ => start($command->($_)) } @databases;
	return map { $_ => finish($runs{$_}) } @databases;
}

=item $clients->both($name, $command)

Runs the command that the function makes for each database.

=cut

sub both
{
	my ($self, $name, $command) = @_;
	subtest $name => sub { $self->run_in_both($command) };
	return;
}

=item $clients->types_of($table)

SQL that lists the types of a table's columns in order, so that columns added later come last.

=cut

sub types_of
{
	my ($self, $table) = @_;
	return "SELECT string_agg(format_type(atttypid, NULL), ' ' ORDER BY attnum) FROM pg_attribute
	         WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped";
}

=item $clients->compare($client, $mode, $version, $command)

Runs the command that the function makes for each database, and compares. $version is text.

=cut

sub compare
{
	my ($self, $client, $mode, $version, $command) = @_;
	my $same = subtest "$client, $mode" => sub {
		my $before = KeyringTest::log_position($self->{node});
		my %seen = $self->run_in_both($command);
		$self->{done}{"$client, $mode"} = done_in(KeyringTest::log_since($self->{node}, $before));
		keep("$client $mode", %seen);
		my @steps = $seen{plain} =~ /^\w.*/mg;
		cmp_ok(scalar @steps, '>', 10, 'the program makes its steps');
		ok($seen{encrypted} eq $seen{plain}, 'it sees the same in both databases') or $self->differences(%seen);
		$self->{steps} = @steps;
	};
	push @{ $self->{rows} }, [ $client, $version, $mode, $self->{steps}, $same ? 'yes' : 'NO' ];
	return;
}

# Leaves the transcripts where they can be read, in build/work/build/clients.
sub keep
{
	my ($name, %seen) = @_;
	for my $database (@databases)
	{
		my $file = "$build/transcripts/$name $database" =~ tr/ /_/r;
		mkdir dirname($file);
		unlink $file;
		KeyringTest::append_to_file($file, $seen{$database});
	}
	return;
}

# Says where two transcripts part; step by step, since one difference should not hide the next.
sub differences
{
	my ($self, %seen) = @_;
	my %plain = by_step($seen{plain});
	my %encrypted = by_step($seen{encrypted});
	for my $step ($seen{plain} =~ /^\w.*/mg)
	{
		my @left = split /\n/, $plain{$step};
		my @right = split /\n/, $encrypted{$step} // 'this step is missing';
		shift @left, shift @right while @left && @right && $left[0] eq $right[0];
		diag("$step\n  plain:     ", $left[0] // 'ends', "\n  encrypted: ", $right[0] // 'ends') if @left || @right;
	}
	return;
}

sub by_step
{
	my ($transcript) = @_;
	return map { /^(.*)\n((?s).*)/ ? ($1, $2) : ($_, '') } split /^(?=\w)/m, $transcript;
}

# What each program has to do with a column of each type, and how a statement looks that does it: text, amount and so on.
my @columns = qw(name amount price day moment active ref doc);
my @operations = (
	[ 'create', sub { qr/^INSERT INTO [^(]*\([^)]*$_[0]/ } ],
	[ 'read', sub { qr/^SELECT (?:(?!\bFROM\b).)*(?:\*|$_[0])/ } ],
	# a flag may stand for itself
	[ '=', sub { qr/\bWHERE\b.*$_[0] = (?!ANY\b)|\bWHERE\b.*\bactive"?\)?(?: ORDER| AND|$)/ } ],
	[ 'IN', sub { qr/\bWHERE\b.*$_[0] (?:NOT )?IN \(/ } ],
	[ '= ANY', sub { qr/\bWHERE\b.*$_[0] (?:= ANY|<> ALL) ?\(/ } ],
	[ 'UNIQUE', sub { qr/^(?:INSERT|UPDATE)\b/ } ],
	[ 'upsert', sub { qr/^INSERT INTO [^(]*\([^)]*$_[0].*\bON CONFLICT\b/ } ],
	[ 'sort', sub { qr/^SELECT .*\bORDER BY .*$_[0]/ } ],
	[ 'paginate', sub { qr/^SELECT .*\bORDER BY .*$_[0].*\b(?:LIMIT|OFFSET)\b/ } ],
	[ 'update', sub { qr/^UPDATE .*\bSET .*$_[0] ?=/ } ],
	[ 'delete', sub { qr/^DELETE .*\bWHERE (?:.*$_[0] (?:=|IN)|NOT .*\bactive"?\)?$)/ } ],
);

# The statements on the encrypted database in a part of the server's log, as [ SQL, message of its error or '' ].
sub statements_in
{
	my ($log) = @_;
	my (@statements, %last);

	# the test sets the prefix: time, process, database
	for my $entry (split /^(?=\d{4}-\d\d-\d\d [\d:.]+ \S+ \[)/m, $log)
	{
		my ($pid, $kind, $text) = $entry =~ /^\S+ \S+ \S+ \[(\d+)\] encrypted (LOG|ERROR): +(.*)/s or next;
		if ($kind eq 'ERROR')
		{
			$last{$pid}[1] = $text if $last{$pid};
			next;
		}
		delete $last{$pid};
		my ($sql) = $text =~ /^(?:statement|execute .*?): +((?:INSERT|SELECT|UPDATE|DELETE)\b.*)/s or next;
		$last{$pid} = [ $sql =~ s/\s+/ /gr =~ s/ $//r, '' ];
		push @statements, $last{$pid};
	}
	return @statements;
}

# Which columns each operation was done with, as { operation => { column => 1 } }: without an error, but for UNIQUE.
sub done_in
{
	my ($log) = @_;
	my %done;

	for my $statement (statements_in($log))
	{
		my ($sql, $error) = @$statement;
		for my $column (@columns)
		{
			my $violated = $error =~ /duplicate key .* unique constraint "\w*_${column}_/;
			next if $error && !$violated;
			for my $operation (@operations)
			{
				my ($name, $pattern) = @$operation;
				next if $violated != ($name eq 'UNIQUE');
				$done{$name}{$column} = 1 if $sql =~ $pattern->(qr/\b$column"?/);
			}
		}
	}
	return \%done;
}

=item $clients->operations(%without)

Prints the table of operations that the programs have done, by what the encrypted database has logged; passes when each
has done each with columns of all eight types, but for operations that match the pattern given for a program.

=cut

sub operations
{
	my ($self, %without) = @_;
	my $format = '%-36s' . ' %8s' x @operations . "\n";
	my $table = sprintf $format, 'columns of 8 types', map { $_->[0] } @operations;

	for my $program (sort keys %{ $self->{done} })
	{
		my $done = $self->{done}{$program};
		my @missing;
		for my $operation (grep { !$without{$program} || !/$without{$program}/ } map { $_->[0] } @operations)
		{
			push @missing, map { "$operation $_" } grep { !$done->{$operation}{$_} } @columns;
		}
		is("@missing", '', "$program does everything with each type");
		$table .= sprintf $format, $program, map { scalar keys %{ $done->{ $_->[0] } // {} } } @operations;
	}
	diag($table);
	return;
}

=item $clients->report

Prints the table of clients.

=cut

sub report
{
	my ($self) = @_;
	my $format = "%-16s %-10s %-24s %5s  %s\n";
	diag(
		join '',
		sprintf($format, qw(client version mode steps plain=encrypted)),
		map { sprintf $format, @$_ } @{ $self->{rows} }
	);
	return;
}

=back

=cut

1;
