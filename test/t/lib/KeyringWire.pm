
=head1 NAME

KeyringWire - a client that sees the messages of PostgreSQL's protocol

=head1 SYNOPSIS

  use KeyringWire;

  my $wire = KeyringWire->new($node, db => 'other', user => 'alice');
  my $described = $wire->prepare('', 'SELECT v FROM t WHERE id = $1');
  my $result = $wire->execute('', parameters => [7], format => 'binary');
  $wire->query('BEGIN');

=head1 DESCRIPTION

psql shows values and names of types; drivers go by Oids, of results and of parameters, and by bytes. This
client speaks version 3 of the protocol over the server's unix socket and keeps what the server says. An error
is no exception: it is in the answer.

=cut

package KeyringWire;

use strict;
use warnings FATAL => 'all';

use IO::Socket::UNIX;

=head1 FUNCTIONS

=over

=item KeyringWire->new($node, %options)

Connects. Options: db ('postgres'), user (the operating system's), settings, a hash.

=cut

sub new
{
	my ($class, $node, %options) = @_;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or die "could not connect to $path: $!\n";
	my $self = bless { socket => $socket }, $class;
	my %startup = (
		user => $options{user} // scalar getpwuid $>,
		database => $options{db} // 'postgres',
		%{ $options{settings} // {} }
	);
	my $body = pack('N', 196608) . join('', map { pack 'Z*Z*', $_, $startup{$_} } sort keys %startup) . "\0";

	$self->{socket}->print(pack('N', 4 + length $body) . $body);
	my $answer = $self->_answer;
	die "could not connect: $answer->{error}{message}\n" if $answer->{error};
	return $self;
}

sub _send
{
	my ($self, @messages) = @_;
	$self->{socket}->print(join '', map { $_->[0] . pack('N', 4 + length $_->[1]) . $_->[1] } @messages);
	$self->{socket}->flush;
	return;
}

sub _read
{
	my ($self, $length) = @_;
	my $data = '';
	while (length $data < $length)
	{
		$self->{socket}->read($data, $length - length $data, length $data) or die "the server has gone\n";
	}
	return $data;
}

# How a message changes the answer, by its type.
my %on = (
	E => sub {
		my ($answer, $body) = @_;
		my %field = map { /^(.)(.*)/s ? ($1 => $2) : () } split /\0/, $body;
		$answer->{error} = { sqlstate => $field{C}, message => $field{M}, detail => $field{D} // '' };
	},
	t => sub {
		my ($answer, $body) = @_;
		$answer->{parameters} = [ unpack 'n/N', $body ];
	},
	T => sub {
		my ($answer, $body) = @_;
		my $count = unpack 'n', $body;
		my @fields = unpack "x2 (Z* N n N n l> n)$count", $body;
		$answer->{columns} = [];
		while (my ($name, $table, $number, $type, $size, $modifier, $format) = splice @fields, 0, 7)
		{
			push @{ $answer->{columns} },
			  {
				name => $name,
				table => $table,
				number => $number,
				type => $type,
				modifier => $modifier,
				format => $format
			  };
		}
	},
	D => sub {
		my ($answer, $body) = @_;
		my $count = unpack 'n', substr $body, 0, 2, '';
		my @row;
		for (1 .. $count)
		{
			my $length = unpack 'l>', substr $body, 0, 4, '';
			push @row, $length < 0 ? undef : substr $body, 0, $length, '';
		}
		push @{ $answer->{rows} }, \@row;
	},
	C => sub {
		my ($answer, $body) = @_;
		push @{ $answer->{tags} }, unpack 'Z*', $body;
	}
);

# Everything up to the next ReadyForQuery.
sub _answer
{
	my ($self) = @_;
	my $answer = { rows => [], tags => [] };
	while (1)
	{
		my ($type, $length) = unpack 'a N', $self->_read(5);
		my $body = $self->_read($length - 4);
		return $answer if $type eq 'Z' || ($type eq 'E' && unpack('x Z*', $body) eq 'FATAL');
		$on{$type}->($answer, $body) if $on{$type};
	}
}

=item $wire->query($sql)

By the simple protocol. An answer is a hash: columns (each with name, table, number, type, modifier and
format), rows, tags, error (undef, or a hash with sqlstate, message and detail).

=cut

sub query
{
	my ($self, $sql) = @_;
	$self->_send([ Q => "$sql\0" ]);
	return $self->_answer;
}

=item $wire->prepare($name, $sql, @types)

Parse and Describe. The answer has parameters too, as Oids. Types of parameters that are not given are 0.

=cut

sub prepare
{
	my ($self, $name, $sql, @types) = @_;
	$self->_send([ P => pack 'Z*Z*n/N', $name, $sql, @types ], [ D => "S$name\0" ], [ S => '' ]);
	return $self->_answer;
}

=item $wire->describe($name)

Describe alone, of a statement that is prepared.

=cut

sub describe
{
	my ($self, $name) = @_;
	$self->_send([ D => "S$name\0" ], [ S => '' ]);
	return $self->_answer;
}

=item $wire->execute($name, %options)

Bind, Describe and Execute. Options: parameters, format and parameter_format ('text', or 'binary'), rows (after so many
the server waits, until the next statement).

=cut

sub execute
{
	my ($self, $name, %options) = @_;
	my @formats = map { ($options{$_} // 'text') eq 'binary' ? 1 : 0 } qw(parameter_format format);
	my @values = map { defined $_ ? pack('N', length $_) . $_ : pack 'l>', -1 } @{ $options{parameters} // [] };
	my $body =
	  pack('Z*Z*nnn', '', $name, 1, $formats[0], scalar @values) . join('', @values) . pack('nn', 1, $formats[1]);
	$self->_send([ B => $body ], [ D => "P\0" ], [ E => pack 'Z*N', '', $options{rows} // 0 ], [ S => '' ]);
	return $self->_answer;
}

=item $wire->close

Ends the session.

=cut

sub close
{
	my ($self) = @_;
	$self->_send([ X => '' ]);
	$self->{socket}->close;
	return;
}

=back

=cut

1;
