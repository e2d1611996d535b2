# What the tables of the differential test hold: columns of each type, and rows of values that are likely to make trouble.
#
# Of each type a table has three columns: _a with any value, at the limits too; _b with tame ones, with which one can compute;
# _p, which stays plain in every schema.
package Values;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
our @EXPORT_OK = qw(%sql_type @types declaration rows pool);

our %sql_type = (
	text => 'text',
	bytea => 'bytea',
	bool => 'boolean',
	small => 'smallint',
	int => 'integer',
	big => 'bigint',
	real => 'real',
	double => 'double precision',
	numeric => 'numeric',
	date => 'date',
	time => 'time',
	stamp => 'timestamp',
	moment => 'timestamptz',
	span => 'interval',
	uuid => 'uuid',
	inet => 'inet',
	json => 'json',
	jsonb => 'jsonb'
);
our @types = sort keys %sql_type;

my @tame_whole = (-6 .. 6, 1, 2, 2);
my @tame_fraction = (-6, -2.5, -1, -0.5, 0, 0, 0.25, 0.5, 1, 1.5, 1.5, 2, 3.75, 6);
my @days = qw(2024-02-29 1970-01-01 2000-01-01 2024-03-01 1999-12-31 2010-06-15);
my @documents =
  ('{"a": 1}', '{"b": null}', '{"a": "x", "b": [1, 2]}', '{"a": {"c": true}}', '{}', '{"a": 1, "k": "abc"}');

my %tame = (
	text => [ 'abc', 'b', '', 'a', 'Abc', 'a b', 'x1', '42' ],
	bytea => [qw(\x \x00 \x0102 \x6162 \xff)],
	bool => [qw(t f)],
	(map { $_ => \@tame_whole } qw(small int big)),
	(map { $_ => \@tame_fraction } qw(real double numeric)),
	date => \@days,
	time => [qw(00:00 12:00 08:30 10:15:30 23:59:59)],
	(map { $_ => [ @days, '2024-02-29 12:34:56.789', '2000-01-01 23:00' ] } qw(stamp moment)),
	span => [ '1 day', '0', '1 hour', '30 minutes', '-1 day', '1 month', '2 days 03:00' ],
	uuid => [ map { "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1$_" } 0 .. 4 ],
	inet => [qw(10.0.0.1 10.0.0.0/8 192.168.1.5/24 10.1.2.3 ::1)],
	json => \@documents,
	jsonb => \@documents
);

# Values at the limits, several ways to write one value, and what other types and encodings trip over.
my %wild = (
	text => [
		'Zoë Ångström', '100% _x', " ab\tca ", "it's \\ \"q\"", 'ß', 'É',
		'{a,b}', 'NULL', 'a' x 300, '\x41', "new\nline", "\x{1F600}",
		'aa', 'A'
	],
	bytea => [ '\x' . 'ab' x 300, qw(\x5c \x27 \x0000) ],
	bool => [],
	small => [qw(32767 -32768 32766)],
	int => [qw(2147483647 -2147483648 32768 -32769)],
	big => [qw(9223372036854775807 -9223372036854775808 2147483648 9007199254740993)],
	real => [qw(NaN Infinity -Infinity -0 3.4028235e38 1e-45 0.1 16777217)],
	double => [qw(NaN Infinity -Infinity -0 1.7976931348623157e308 5e-324 0.1 9007199254740993)],
	numeric => [qw(NaN Infinity -Infinity -0 1.50 1.500 0.1 12345678901234567890.123 1e-30 1e40 9007199254740993)],
	date => [ '0044-03-15 BC', 'infinity', '-infinity', '4713-01-01 BC', '9999-12-31' ],
	time => [qw(24:00 23:59:59.999999 00:00:00.000001)],
	stamp =>
	  [ '0044-03-15 10:00 BC', 'infinity', '-infinity', '294276-06-30 23:59:59.999999', '1999-12-31 23:59:59.9' ],
	moment => [
		'0044-03-15 10:00 BC',
		'infinity',
		'-infinity',
		'294276-12-31 23:59:59.999999 UTC',
		'2024-03-10 02:30 America/New_York'
	],
	span => [
		'24 hours',
		'30 days',
		'720 hours',
		'178000000 years',
		'-178000000 years',
		'0.000001 seconds',
		'1 month -30 days',
		'-1 day +25:00'
	],
	uuid => [qw(00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff)],
	inet => [qw(10.0.0.1/32 0.0.0.0/0 255.255.255.255 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff fe80::1/64 ::/0)],
	json => [ '{"b" :  1, "a": [1.0, null]}', 'null', '"x"', '[]', '5', '{"a": 1, "a": 2}' ],
	jsonb => [ 'null', '"x"', '[]', '5', '1.50', '[1, "two", {"k": 3}]', '"\u00e4"', 'true', '{"n": 1e400}' ]
);

sub pool
{
	my ($type, $is_tame) = @_;
	return $is_tame ? @{ $tame{$type} } : (@{ $tame{$type} }, @{ $wild{$type} }, @{ $wild{$type} });
}

sub sealed
{
	my ($type, $mode) = @_;
	return $sql_type{$type} if $mode eq 'plain';
	my ($base) = $sql_type{$type} =~ /^(\w+)/;
	return "encrypted_$base(" . ($type eq 'json' ? 'randomized' : $mode) . ')';
}

# The columns of table number $table in a schema: all of one mode, or in "mixed" each of another, in the two tables too.
sub declaration
{
	my ($schema, $table) = @_;
	my @columns = ('id integer PRIMARY KEY', 'g integer');
	for my $i (0 .. $#types)
	{
		my $type = $types[$i];
		for my $k (0, 1)
		{
			my $mode = $schema eq 'mixed' ? (qw(searchable randomized plain))[ ($i + $k + $table) % 3 ] : $schema;
			push @columns, $type . (qw(_a _b))[$k] . ' ' . sealed($type, $mode);
		}
		push @columns, "${type}_p $sql_type{$type}";
	}
	return join ', ', @columns;
}

sub quoted
{
	my ($value) = @_;
	return defined $value ? "'" . $value =~ s/'/''/gr . "'" : 'NULL';
}

# Rows for VALUES; some values are NULL, and one row is but for its keys.
sub rows
{
	my ($count, $random) = @_;
	my @rows = ('1, NULL' . ', NULL' x (3 * @types));
	for my $id (2 .. $count)
	{
		my @row = ($id, 1 + int $random->(4));
		for my $type (@types)
		{
			my @pools = ([ pool($type) ], [ pool($type, 1) ], [ pool($type, 1) ]);
			push @row, map { quoted($random->(7) < 1 ? undef : $_->[ $random->(scalar @$_) ]) } @pools;
		}
		push @rows, join ', ', @row;
	}
	return join ', ', map { "($_)" } @rows;
}

1;
