
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
	my ($output, $errors) = ('', '');
	my $good = IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$errors, IPC::Run::timeout(120));
	ok($good, 'the program ends well') or diag("@command\n", substr($output, -500), $errors);
	return $output . $errors;
}

=item $clients->both($name, $command)

Runs the command that the function makes for each database.

=cut

sub both
{
	my ($self, $name, $command) = @_;
	subtest $name => sub { $self->run($command->($_)) for @databases };
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
		my %seen = map { $_ => $self->run($command->($_)) } @databases;
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
