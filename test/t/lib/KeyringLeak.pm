
=head1 NAME

KeyringLeak - distinctive values, and a search for them in files and texts

=head1 SYNOPSIS

  use KeyringLeak;

  my $marks = KeyringLeak->new;
  my $text = $marks->text('ssn');          # 24 letters and digits; the same again for the same name
  my $bytes = $marks->bytes('photo');      # 24 random bytes
  my %found = $marks->search(files_below($node->data_dir));
  $found{ssn}{$file};                      # true when a part of the value is in that file

=head1 DESCRIPTION

Eight bytes of a value in a row are a find: as they are, as hexadecimal digits in either case, in
UTF-16. So a value is also found where pglz has put its control bytes between every eight of them.

=cut

package KeyringLeak;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Find ();
use KeyringTest qw(slurp_file);

our @EXPORT = qw(files_below random_bytes);

my $window = 8;
my $length = 24;

sub new
{
	my ($class) = @_;
	return bless { values => {}, needles => {}, pattern => undef }, $class;
}

sub random_bytes
{
	my ($count) = @_;
	open my $random, '<:raw', '/dev/urandom' or die $!;
	read $random, my $bytes, $count or die $!;
	close $random;
	return $bytes;
}

sub text
{
	my ($self, $name) = @_;
	my @characters = ('a' .. 'z', 'A' .. 'Z', '0' .. '9', '-', '_');
	return $self->{values}{$name} //=
	  $self->_add($name, join '', map { $characters[ $_ & 63 ] } unpack 'C*', random_bytes($length));
}

sub bytes
{
	my ($self, $name) = @_;
	return $self->{values}{$name} //= $self->_add($name, random_bytes($length));
}

# The same as a literal or parameter.
sub hex
{
	my ($self, $name) = @_;
	return '\x' . unpack 'H*', $self->bytes($name);
}

sub add
{
	my ($self, $name, $value) = @_;
	return $self->{values}{$name} = $self->_add($name, $value);
}

sub names
{
	my ($self) = @_;
	return sort keys %{ $self->{values} };
}

sub _add
{
	my ($self, $name, $value) = @_;
	for my $at (0 .. length($value) - $window)
	{
		my $part = substr $value, $at, $window;
		my $digits = unpack 'H*', $part;
		$self->{needles}{$_} = $name for $part, $digits, uc $digits, join('', map { "$_\0" } split //, $part);
	}
	undef $self->{pattern};
	return $value;
}

# Names of the values that are in a text.
sub in_text
{
	my ($self, $text) = @_;
	my %found;
	$self->{pattern} //= join '|', map { quotemeta } keys %{ $self->{needles} };
	$found{ $self->{needles}{$1} } = 1 while $text =~ /($self->{pattern})/g;
	return %found;
}

# Name of a value => file => 1.
sub search
{
	my ($self, @files) = @_;
	my %found;
	for my $file (@files)
	{
		my %here = $self->in_text(slurp_file($file));
		$found{$_}{$file} = 1 for keys %here;
	}
	return %found;
}

sub files_below
{
	my (@folders) = @_;
	my @files;
	File::Find::find(sub { push @files, $File::Find::name if -f $_ && -s _ }, @folders);
	return @files;
}

1;
