# The list of doc/types.md of what works on each type without a cast: each expression on a plain table, on its searchable
# and on its randomized copy gives the same values of the same type, or the same errors, in SELECT, and in WHERE if it is a condition.
use strict;
use warnings FATAL => 'all';

use FindBin;
use JSON::PP;
use KeyringTest;

my %column = (
	text => 'word',
	bytea => 'bytes',
	boolean => 'flag',
	smallint => 'small',
	integer => 'whole',
	bigint => 'large',
	real => 'rough',
	'double precision' => 'fine',
	numeric => 'exact',
	date => 'day',
	time => 'hour',
	timestamp => 'stamp',
	timestamptz => 'moment',
	interval => 'span',
	uuid => 'uid',
	inet => 'address',
	json => 'raw',
	jsonb => 'doc'
);
my @types = sort keys %column;

# Of each type two columns, row by row. An eighth row has NULL in the first.
my %values = (
	word => [ 'abc', 'b', '', 'Zoë Ångström', '100% _x', " ab\tca\n", '42' ],
	word2 => [ 'a%', 'b', 'abc', 'x | abc', '2024', 'Abc', '"q"', 'n' ],
	bytes => [qw(\x0102 \x \x00 \xff00ff \x01 \x0203040506 \x616263)],
	bytes2 => [qw(\x01 \x \x0102 \x00 \x61 \x02 \x616263 \x00)],
	flag => [ qw(t f t f t), undef, 'f' ],
	flag2 => [ qw(t f f t t t), undef, 'f' ],
	small => [qw(1 2 0 -3 32767 -32768 5)],
	whole => [qw(1 2 0 -3 2147483647 -2147483648 5)],
	large => [qw(1 2 0 -3 9223372036854775807 -9223372036854775808 5000000000)],
	(map { $_ => [qw(2 2 1 6 3 12 5 4)] } qw(small2 whole2 large2)),
	rough => [qw(1.5 2 0 -3.25 NaN Infinity 1e-3)],
	fine => [qw(1.5 2 -0 -3.25 NaN -Infinity 1e300)],
	exact => [qw(1.5 2 0.00 -3.25 NaN 12345678901234567890.123 Infinity)],
	(map { $_ => [qw(2 2.0 -0 6 3 12 5.5 4)] } qw(rough2 fine2 exact2)),
	day => [ '2024-02-29', '1970-01-01', '2000-01-01', '0044-03-15 BC', '2024-03-01', '1999-12-31', '2030-12-31' ],
	hour => [qw(12:00 00:00 24:00 23:59:59.999999 08:30 10:15 17:00)],
	hour2 => [qw(13:00 00:00 01:00 23:00 08:30 10:00 12:00 18:00)],
	stamp => [
		'2024-02-29',
		'1970-01-01',
		'2000-01-01 12:34:56.789',
		'0044-03-15 10:00 BC',
		'2024-02-29 12:00',
		'1999-12-31 23:59:59.999999',
		'2030-12-31'
	],
	moment => [
		'2024-02-29',
		'1970-01-01 UTC',
		'2000-01-01 12:34:56.789',
		'0044-03-15 10:00 BC',
		'2024-02-29 12:00 Asia/Tokyo',
		'1999-12-31 23:59:59.999999',
		'2030-12-31'
	],
	(
		map {
			$_ => [
				'2024-03-01', '1970-01-01', '2001-01-01', '0044-03-15 BC',
				'2024-02-29', 'infinity', '2024-02-29', '-infinity'
			]
		} qw(day2 stamp2 moment2)
	),
	span => [ '1 day', '24 hours', '1 month', '30 days', '-1 day +25:00', '0', '1.5 seconds' ],
	span2 => [ '24:00', '1 day', '30 days', '1 month', '1 hour', '00:00', '12:00', '00:30' ],
	uid => [
		qw(a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 00000000-0000-0000-0000-000000000000 b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
		  c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 d0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ffffffff-ffff-ffff-ffff-ffffffffffff
		  a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12)
	],
	uid2 => [
		map { uc }
		  qw(a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12 00000000-0000-0000-0000-000000000000 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
		  c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ffffffff-ffff-ffff-ffff-fffffffffff0
		  a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11)
	],
	address => [qw(10.0.0.1 10.0.0.1/32 10.1.0.0/16 ::1 192.168.1.5/24 fe80::1/64 0.0.0.0/0)],
	address2 => [qw(10.0.0.0/8 10.0.0.1 10.1.2.3 ::1/128 192.168.1.0/24 fe80::/10 10.0.0.2 1.2.3.4)],
	(
		map {
			$_ => [
				'{"a": 1, "b": {"c": "x"}}',
				'{"a": 1.0}', '[]', '{"b": null}', '"s"', '{"a": "q", "b": [1]}',
				'{"42": "x"}'
			]
		} qw(raw doc)
	),
	(
		map {
			$_ =>
			  [ '[1, "two", {"k": 3}]', '{"a": 1}', '[{"k": 1}, {"k": 2}]', '5', 'true', '1.5', '[1, 2]', '{"q": 0}' ]
		} qw(raw2 doc2)
	)
);

# The plain column of a type is like the first in some rows, like the second in the others.
sub rows_of_table
{
	my @rows;
	for my $i (0 .. 7)
	{
		my %row = map { $_ => $values{$_}[$i] } keys %values;
		$row{"plain_$_"} = $row{ $i % 2 ? $_ . 2 : $_ } for values %column;
		push @rows, { id => $i + 1, %row };
	}
	return @rows;
}

sub declarations
{
	my ($mode) = @_;
	my @list = ('id integer PRIMARY KEY');
	for my $type (@types)
	{
		my ($base) = $type =~ /^(\w+)/;
		my $mode_here = $type eq 'json' ? 'randomized' : $mode;
		my $sealed = $mode ? "encrypted_$base($mode_here)" : $type;
		push @list, "$column{$type} $sealed, $column{$type}2 $sealed, plain_$column{$type} $type";
	}
	return join ', ', @list;
}

my $node = KeyringTest->new_node('main', conf => "timezone = 'America/New_York'\njit = off");
keyring_db($node);
sql_ok($node, 'CREATE TYPE pair AS (a integer, b text)', 'a type');
for my $mode ('', 'searchable', 'randomized')
{
	my $schema = $mode || 'plain';
	sql_ok($node, "CREATE SCHEMA $schema; CREATE TABLE $schema.t (@{[ declarations($mode) ]})", "$schema columns");
}
my @rows = rows_of_table();
my @names = sort keys %{ $rows[0] };
my $rows = join ', ', map {
	my $row = $_;
	'(' . join(', ', map { defined $row->{$_} ? "\$v\$$row->{$_}\$v\$" : 'NULL' } @names) . ')'
} @rows;
sql_ok(
	$node, "INSERT INTO plain.t (@{[ join ', ', @names ]}) VALUES $rows;
	 INSERT INTO searchable.t SELECT * FROM plain.t; INSERT INTO randomized.t SELECT * FROM plain.t", 'rows'
);

# What an expression gives in one of the schemas. An error in one row does not hide what the others give.
sql_ok(
	$node, q(
	CREATE FUNCTION base_name(type text) RETURNS text LANGUAGE sql AS $$
		SELECT CASE WHEN type ~ '^encrypted_' THEN
			to_regtype(regexp_replace(replace(type, 'encrypted_', ''), '^double', 'float8'))::text ELSE type END $$;
	CREATE FUNCTION part(expression text, rest text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
		type text;
	BEGIN
		EXECUTE format('SELECT string_agg(coalesce(quote_literal(x::text), ''NULL''), '' '' ORDER BY id, x::text COLLATE "C"), min(pg_typeof(x)::text) '
			'FROM (SELECT %s %s) y (id, x)', expression, rest) INTO result, type;
		RETURN result || ' ' || base_name(type);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION outcome(schema text, kind text, expression text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		PERFORM set_config('search_path', schema || ', public', true);
		IF kind = 'over' THEN
			RETURN part('1, ' || expression, 'FROM t');
		END IF;
		result := part('id, ' || expression, 'FROM t');
		IF result ~ '^.....$' THEN
			SELECT string_agg(part('id, ' || expression, 'FROM t WHERE id = ' || i), '; ' ORDER BY i) INTO result FROM generate_series(1, 8) i;
		ELSIF result ~ ' boolean$' THEN
			result := concat(result, ' WHERE ', part('1, id', 'FROM t WHERE ' || expression));
		END IF;
		RETURN result;
	END $$), 'functions'
);

# --- the list ---------------------------------------------------------------------------------

# Headline => kind => expressions.
sub sections_of
{
	my ($text) = @_;
	my ($list) = $text =~ /^## What works on each type\n(.*?)^## /ms or die 'no list';
	my ($intro, @parts) = split /^### /m, $list;
	my @sections;
	for my $part (@parts)
	{
		my ($head, $rest) = split /\n/, $part, 2;
		die "$head: a headline that is not at the start of a line" if $rest =~ /###/;
		my ($row, $over) = $rest =~ /^\* Row by row: (.*?)(?:^\* Over all rows: (.*))?\z/ms or die "$head: no bullets";
		push @sections, { head => $head, row => [ $row =~ /`([^`]+)`/g ], over => [ ($over // '') =~ /`([^`]+)`/g ] };
	}
	return @sections;
}

sub columns_of
{
	my ($head) = @_;
	my %but = map { $_ => 1 } $head =~ / but (\w+)/;
	return map { $column{$_} } grep { !$but{$_} } @types if $head =~ /^Every type/;
	return map { $column{$_} // die "unknown type $_" } split /, /, $head;
}

# An expression with names in place of letters, but not in literals.
sub filled_in
{
	my ($expression, %names) = @_;
	my $letters = join '|', keys %names;
	return $expression =~ s/('[^']*')|\b($letters)\b/$1 \/\/ $names{$2}/gre;
}

sub instances_of
{
	my ($expression, @columns) = @_;
	my $bare = $expression =~ s/'[^']*'//gr;
	my @instances = ($expression);
	if ($bare =~ /\b[xy]\b/)
	{
		@instances = map {
			my $a = $_;
			map {
				my $b = $_;
				map { filled_in($expression, x => $_->[0], y => $_->[1]) }[ $a, $b . 2 ], [ $a, "plain_$b" ],
				  [ "plain_$a", $b ]
			} @columns
		} @columns;
	}
	elsif ($bare =~ /\b[cde]\b/)
	{
		@instances = map { filled_in($expression, c => $_, d => $_ . 2, e => "plain_$_") } @columns;
	}
	return @instances;
}

# Of the instances of each expression: plain, searchable, randomized.
sub outcomes
{
	my ($kind, @expressions) = @_;
	my $i = 0;
	my $list = join ', ', map { '(' . $i++ . ", \$e\$$_\$e\$)" } @expressions;
	my $sql =
	  "SELECT json_build_array(x, outcome('plain', '$kind', x), outcome('searchable', '$kind', x), outcome('randomized', '$kind', x))
		FROM (VALUES $list) v (n, x) ORDER BY n";
	return map { decode_json($_) } split /\n/, sql_value($node, $sql, timeout => 600);
}

# An expression that fails or is NULL wherever it is tried says nothing.
sub has_value
{
	my ($outcome) = @_;
	return defined $outcome && $outcome =~ /'/;
}

sub check_expressions
{
	my ($section, $kind) = @_;
	my @columns = columns_of($section->{head});
	my @of = map { [ instances_of($_, @columns) ] } @{ $section->{$kind} };
	my @outcomes = outcomes($kind, map { @$_ } @of);
	for my $i (0 .. $#of)
	{
		my @here = splice @outcomes, 0, scalar @{ $of[$i] };
		my @bad = grep { ($_->[1] // '') ne ($_->[2] // '') || ($_->[1] // '') ne ($_->[3] // '') } @here;
		my $said = grep { has_value($_->[1]) } @here;
		ok(!@bad && $said, "$section->{head}: $section->{$kind}[$i]")
		  or diag(map { ($_ // '(null)') . "\n" } map { @$_ } @bad ? @bad[ 0 .. ($#bad > 1 ? 1 : $#bad) ] : $here[0]);
	}
	return;
}

my $doc = slurp_file("$FindBin::Bin/../../doc/types.md");
my @sections = sections_of($doc);
my %listed;
for my $section (@sections)
{
	cmp_ok(scalar(@{ $section->{row} }), '>', 8, "$section->{head}: expressions are listed");
	$listed{$_} = 1 for split /, /, $section->{head};
	check_expressions($section, 'row');
	check_expressions($section, 'over') if @{ $section->{over} };
}
is(join(' ', grep { !$listed{$_} } @types), '', 'every type is listed');

# --- what needs a cast ------------------------------------------------------------------------

# Pairs of expressions, without and with the cast.
sub pairs_of
{
	my ($text) = @_;
	my ($table) = $text =~ /^\| where \| without \| with a cast \|\n\|[-|]+\n(.*?)^\n/ms or die 'no table of casts';
	my @pairs;
	for my $row (split /\n/, $table)
	{
		my (undef, $where, @cells) = split /\s(?<!\\)\|\s|^\|\s/, $row;
		my ($without, $with) = map { [/`([^`]+)`/g] } @cells;
		die "$where: one expression for each" if !@$without || @$without != @$with;
		push @pairs, map { [ $without->[$_], $with->[$_] ] } 0 .. $#$with;
	}
	return @pairs;
}

sub kind_of
{
	my ($expression) = @_;
	return $expression =~ /^(?:sum|corr|percentile_cont)\b/ ? 'over' : 'row';
}

# A pair is here because PostgreSQL does not find the first as it does on a plain column: it fails, or is of another type.
sub check_pair
{
	my ($without, $with) = @_;
	my ($first, $second) = outcomes(kind_of($without), $without, $with);
	my $wanted = $first->[1];
	for my $i (2, 3)
	{
		my $differs = $first->[$i] =~ /^(42883|42725|42846)/ || $first->[$i] ne $wanted;
		ok($differs, "without a cast: $without") or diag("works: $first->[$i]");
	}
	ok(has_value($wanted), "means something: $without") or diag($wanted);
	return is(join("\n", @$second[ 2, 3 ]), "$wanted\n$wanted", "with a cast: $with");
}

my @pairs = pairs_of($doc);
cmp_ok(scalar(@pairs), '>', 20, 'expressions that need a cast are listed');
check_pair(@$_) for @pairs;
done_testing();
