# Random expressions of a wanted type, over columns of the tables in scope.
#
# What is made stays inside of the closed list of doc/types.md: types are mixed only where that says that encrypted ones can be, and
# what PostgreSQL would need a cast for gets one. A "tame" expression cannot fail whatever the rows hold, so that the order in which
# a plan evaluates things does not show.
package Expressions;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Values qw(%sql_type @types pool);

our @EXPORT_OK = qw(@comparable @numbers @whole);

our @numbers = qw(small int big real double numeric);
our @whole = qw(small int big);
my @instants = qw(date stamp moment);
our @comparable = grep { $_ ne 'json' } @types;

# {type} is an expression of the type, {type.} a column, {any} an expression of any type, ?type a constant in one of the forms that clients send, {condition} a condition.
my %tame = (
	text => [
		'lower({text})',
		'upper({text})',
		'initcap({text})',
		'substr({text}, 2, 3)',
		'substring({text} FROM 2 FOR 1)',
		'left({text}, 2)',
		'right({text}, -1)',
		'reverse({text})',
		q(replace({text}, 'a', {text})),
		'{text} || {text}',
		'{text} || ?text',
		'{text} || {int}',
		q(btrim({text}, 'a')),
		'trim({text})',
		'md5({text})',
		q(translate({text}, 'abc', 'xy')),
		'repeat({text}, 2)',
		'lpad({text}, 5)',
		q(rpad({text}, 5, 'x')),
		q(split_part({text}, ' ', 1)),
		q(regexp_replace({text}, '[aeiou]', '*', 'g')),
		'concat({any}, {any})',
		q(format('%s %L', {any}, {any})),
		q(concat_ws(', ', {any}, {any})),
		'{any}::text',
		q({jsonb} ->> 'a'),
		q({jsonb} #>> '{a,c}'),
		q({json} ->> 'a'),
		'quote_nullable({any})',
		q(encode({bytea}, 'hex')),
		'host({inet})',
		'abbrev({inet})',
		q(to_char({stamp}, 'YYYY-MM-DD HH24:MI')),
		q(to_char({numeric}, 'S9999.99')),
		'jsonb_typeof({jsonb})',
		'md5({bytea})',
		q(COALESCE({text}, 'none')),
		'NULLIF({text}, ?text)',
		q(overlay({text} PLACING 'x' FROM 1)),
		'quote_literal({text})',
		q(array_to_string(ARRAY[{text}, {text}], ',')),
		q(to_tsvector('simple', {text})::text),
		q(substring({text} FROM '[a-z]+')),
		'GREATEST({text}, ?text)',
		'(ARRAY[{text}, {text}])[2]',
		'to_json({any})::text',
		'to_jsonb({any})::text',
		q(json_build_object('v', {any})::text),
		'json_build_array({any}, {any})::text',
		'row_to_json(ROW({any}, {any}))::text'
	],
	bytea => [
		'{bytea} || {bytea}',
		q({bytea} || '\x00'),
		'substring({bytea} FROM 1 FOR 2)',
		'sha256({bytea})',
		q(btrim({bytea}, '\x00')),
		q(COALESCE({bytea}, '\x00')),
		q(convert_to({text}, 'UTF8'))
	],
	bool => [
		'NOT {bool}',
		'{bool} AND {bool}',
		'{bool} OR {bool}',
		'{bool} IS TRUE',
		'{bool} IS NOT FALSE',
		'{bool} IS UNKNOWN',
		'{bool} = true',
		'COALESCE({bool}, false)',
		'({condition})'
	],
	small => [ '- {small}', 'abs({small})', '{small} # {small}', '~ {small}', '+ {small}', q(COALESCE({small}, '7')) ],
	int => [
		'{int} + {int}',
		'{int} - {int}',
		'{int} + {small}',
		'{small} * {int}',
		'{int} * 2',
		'{int} + ?int',
		'- {int}',
		'abs({int})',
		'length({text})',
		'octet_length({text})',
		'char_length({text})',
		q(position('a' IN {text})),
		'strpos({text}, {text})',
		'length({bytea})',
		'family({inet})',
		'masklen({inet})',
		'{date} - {date}',
		'{bool}::integer',
		'num_nulls({any}, {any})',
		'cardinality(ARRAY[{int}, {int}])',
		'{int} / 7',
		'sign({int})::integer',
		q({int} / NULLIF({int}, '0')),
		q(mod({int}, NULLIF({int}, '0'))),
		'{int} & {int}',
		'{int} | 4',
		'{int} << 1',
		'COALESCE({int}, 0)',
		'LEAST({int}, {int})',
		'NULLIF({int}, ?int)',
		'{small}::integer',
		'bit_count({bytea})::integer',
		q(regexp_count({text}, 'a')),
		'array_position(ARRAY[{text}, {text}], {text})'
	],
	big => [
		'{big} + {int}',
		'{big} - {small}',
		'{small} + {big}',
		'{int}::bigint',
		'@ {big}',
		'{big} * 3',
		'{big} # {big}'
	],
	numeric => [
		'{numeric} + {int}',
		'{big} - {numeric}',
		'{numeric} * {small}',
		'round({numeric}, 1)',
		'trunc({numeric})',
		'ceil({numeric})',
		'abs({numeric})',
		'{numeric} + 1.5',
		'{int} * 1.5',
		'extract(year FROM {date})',
		'extract(epoch FROM {span})',
		'extract(hour FROM {time})',
		'extract(dow FROM {stamp})',
		'sign({numeric})',
		q({numeric} / NULLIF({numeric}, '0')),
		q({numeric} % NULLIF({int}, '0')),
		'floor({numeric})',
		'{int}::numeric(20,2)',
		q(div({numeric}, NULLIF({numeric}, '0'))),
		'scale({numeric})::numeric',
		'COALESCE({numeric}, 1.5)',
		'GREATEST({numeric}, ?numeric)',
		'round({int}, -1)'
	],
	double => [
		'{double} + {real}',
		'{real} * {int}',
		'{double} - {numeric}',
		'abs({double})',
		'round({double})',
		'{small} - {double}',
		q(date_part('month', {stamp})),
		q({double} / NULLIF({double}, '0')),
		'ceil({real})',
		'{int}::double precision',
		'sqrt(abs({double}))',
		'{double} + ?double'
	],
	real => [ '{real} + {real}', '- {real}', '{real} - ?real', 'abs({real})', '{int}::real', q(COALESCE({real}, '0')) ],
	date => [
		'{date} + {int}',
		'{int} + {date}',
		'{date} - 1',
		q(date_trunc('week', {date})::date),
		'{stamp}::date',
		q(COALESCE({date}, '2024-01-01')),
		'GREATEST({date}, ?date)'
	],
	time => [ q({time} + interval '1 hour'), '{time} - {span}', '{stamp}::time', q(date_trunc('hour', {time})::time) ],
	stamp => [
		q({date} + interval '1 day'),
		'{stamp} - {span}',
		'{span} + {stamp}',
		q(date_trunc('month', {stamp})),
		'{date} + {time}',
		'{date}::timestamp',
		q({moment} AT TIME ZONE 'Asia/Tokyo'),
		'LEAST({stamp}, {stamp})',
		q(COALESCE({stamp}, '2024-01-01')),
		q({stamp} + '1 day')
	],
	moment => [
		'{moment} + {span}',
		'{date}::timestamptz',
		q(date_trunc('day', {moment})),
		q({stamp} AT TIME ZONE 'UTC'),
		'{moment} - {span}',
		q(date_trunc('month', {date}))
	],
	span => [
		'{span} + {span}',
		'- {span}',
		'{span} * 2',
		'{stamp} - {stamp}',
		'{stamp} - {date}',
		'{moment} - {date}',
		'{time} - {time}',
		'justify_days({span})',
		'age({stamp}, {stamp})',
		'{span} * {int}',
		'{span} / 2',
		q(interval '1 day' * {int}),
		q(date_trunc('hour', {span})),
		'{time}::interval',
		'age({moment}, {moment})'
	],
	uuid => [ 'COALESCE({uuid}, ?uuid)', '{uuid}::text::uuid' ],
	inet => [
		'broadcast({inet})', 'network({inet})::inet', 'set_masklen({inet}, 16)', 'host({inet})::inet',
		'~ {inet}', 'hostmask({inet})'
	],
	json => [ q({json} -> 'a'), '{jsonb}::json', 'json_strip_nulls({json})', 'to_json({any})' ],
	jsonb => [
		q({jsonb} -> 'a'),
		q({jsonb.} || '{"z": 9}'),
		'{jsonb.} || {jsonb.}',
		q({jsonb.} - 'a'),
		q({jsonb} #> '{a,c}'),
		'{jsonb} -> {text}',
		q(({jsonb})['a']),
		q(jsonb_set({jsonb.}, '{z}', {jsonb})),
		'jsonb_strip_nulls({jsonb})',
		q(jsonb_path_query_first({jsonb}, '$.a')),
		'to_jsonb({any})',
		q(jsonb_build_object('v', {any})),
		'jsonb_build_array({any}, {any})',
		'{json}::jsonb',
		q(jsonb_path_query_array({jsonb}, '$.b[*]')),
		q(COALESCE({jsonb}, '{}'))
	]
);

# What fails on some values: for expressions that are evaluated row by row.
my %wild = (
	text =>
	  [ 'repeat({text}, {int})', 'left({text}, {int})', 'chr({int})', q(to_char({moment}, 'J')), 'to_hex({int})' ],
	bytea => [ q(decode({text}, 'escape')), q(set_byte({bytea}, 0, 7)), '{text}::bytea' ],
	bool => [ '{int}::boolean', '{text}::boolean', '{jsonb}::boolean' ],
	small => [
		'{small} + {small}',
		'{int}::smallint',
		'{small} * {small}',
		q({text}::smallint),
		'{small} / {small}',
		'{small} << 3'
	],
	int => [
		'{int} * {int}', '{int} / {int}', '{big}::integer', '{double}::integer',
		'{numeric}::integer', '{int} % {int}', 'gcd({int}, {int})', 'lcm({int}, {int})',
		'get_byte({bytea}, 0)', 'jsonb_array_length({jsonb})', '{text}::integer', '{jsonb}::integer',
		'ascii({text})', 'hashtext({text})'
	],
	big =>
	  [ '{big} * {big}', '{big} + {big}', '{big} / {int}', 'mod({big}, {big})', '{real}::bigint', '{inet} - {inet}' ],
	numeric => [
		'{numeric} ^ {numeric}',
		'{numeric} / {numeric}',
		'{numeric} * {numeric}',
		'sqrt({numeric})',
		'ln({numeric})',
		'mod({numeric}, {numeric})',
		'log(2, {numeric})',
		'{numeric}::numeric(6,1)',
		'{double}::numeric',
		'exp({numeric})',
		'trim_scale({numeric})',
		'power({numeric}, 2)',
		'extract(epoch FROM {moment})'
	],
	double => [
		'{double} * {double}',
		'{double} / {real}',
		'exp({double})',
		'{double} ^ 2',
		'ln({double})',
		'{text}::double precision',
		'sqrt({real})',
		'trunc({double})',
		'{numeric}::double precision',
		'power({double}, {double})'
	],
	real => [ '{real} * {real}', '{double}::real', '{real} / {real}', '{numeric}::real', '{big}::real' ],
	date =>
	  [ '{moment}::date', '{text}::date', '{date} - {int}', 'make_date({int}, 1, 1)', q(to_date({text}, 'YYYY')) ],
	time => [ '{moment}::time', '{span}::time', '{text}::time' ],
	stamp => [
		'{moment}::timestamp', '{date} + {span}',
		'{text}::timestamp', q(date_bin('15 minutes', {stamp}, '2001-01-01'))
	],
	moment => [ '{stamp}::timestamptz', 'to_timestamp({int})', '{text}::timestamptz', q(timezone('UTC', {stamp})) ],
	span => [
		'{span} * {double}',
		'{span} / {int}',
		'{moment} - {moment}',
		'justify_interval({span})',
		'make_interval(days => {int})',
		'{text}::interval'
	],
	uuid => ['{text}::uuid'],
	inet => [
		'{inet} + {big}',
		'{inet} & {inet}',
		'{inet} - 1', 'inet_merge({inet}, {inet})::inet',
		'{text}::inet', 'netmask({inet})'
	],
	json => [ '{text}::json', '{json} -> 0', q(json_extract_path({json}, 'a')) ],
	jsonb => [ '{text}::jsonb', '{jsonb} - 0', q(jsonb_insert({jsonb}, '{q}', '1')), q({jsonb} #- '{b,0}') ]
);

my @condition = (
	q({text} LIKE 'a%'),
	q({text} NOT LIKE '%b'),
	q({text} ILIKE 'A%'),
	'{text} LIKE {text}',
	q({text} ~ '^a'),
	q({text} !~* 'B'),
	q({text} SIMILAR TO '(a|b)%'),
	q({text} LIKE ANY (ARRAY['a%', 'b%'])),
	q(starts_with({text}, 'a')),
	'{text} ^@ {text}',
	q({jsonb} @> '{"a": 1}'),
	'{jsonb} @> {jsonb}',
	q({jsonb} ? 'a'),
	q({jsonb} ?| ARRAY['a', 'z']),
	'{jsonb} <@ {jsonb}',
	q({jsonb} @? '$.a'),
	q({inet} << '10.0.0.0/8'),
	'{inet} && {inet}',
	'{inet} >>= {inet}',
	'{bool}',
	'NOT {bool}',
	q({stamp} BETWEEN '2000-01-01' AND '2030-01-01'),
	q({moment} < now()),
	q({date} <= current_date),
	q(({stamp}, {stamp}) OVERLAPS ({stamp}, {stamp})),
	q({bytea} LIKE '%b%'),
	q(to_tsvector('simple', {text}) @@ to_tsquery('simple', 'abc | b')),
	'isfinite({date})'
);

# random: a function like rand. tame: see above.
sub new
{
	my ($class, %of) = @_;
	return bless { aliases => [], parameters => [], prepared => 0, %of }, $class;
}

sub pick
{
	my ($self, @of) = @_;
	return $of[ $self->{random}->(scalar @of) ];
}

sub chance
{
	my ($self, $percent) = @_;
	return $self->{random}->(100) < $percent;
}

sub column
{
	my ($self, $type) = @_;
	my $alias = $self->pick(@{ $self->{aliases} });
	return "$alias.${type}_" . $self->pick($self->{calculable} ? qw(b b p) : qw(a a b b p));
}

# A constant as clients write it: untyped, typed, or a parameter of a prepared statement, typed or not.
sub constant
{
	my ($self, $type) = @_;
	my $value = Values::quoted($self->pick(pool($type, $self->{calculable} // 0)));
	if ($self->{prepared} && $self->chance(60))
	{
		push @{ $self->{parameters} }, [ $self->chance(50) ? $sql_type{$type} : 'unknown', $value ];
		return '$' . scalar @{ $self->{parameters} };
	}
	return $self->chance(60) ? $value : "CAST($value AS $sql_type{$type})";
}

# What a function is given: never a constant without a type.
sub typed
{
	my ($self, $type) = @_;
	return 'CAST(' . Values::quoted($self->pick(pool($type, $self->{calculable} // 0))) . " AS $sql_type{$type})";
}

sub expression
{
	my ($self, $type, $depth) = @_;
	return $self->chance(12) ? $self->typed($type) : $self->column($type) if $depth < 1 || $self->chance(30);
	return $self->choice($type, $depth - 1) if $self->chance(20);

	# Only with what is computed from small values nothing overflows.
	local $self->{calculable} = $self->{tame};
	my $template = $self->pick(@{ $tame{$type} }, $self->{tame} ? () : (@{ $wild{$type} }) x 2);
	return '(' . $self->filled($template, $depth - 1) . ')';
}

sub filled
{
	my ($self, $template, $depth) = @_;
	$template =~ s/\{condition\}/$self->condition($depth)/ge;
	$template =~ s/(?<!')\{(\w+)\.\}/$self->column($1)/ge;
	$template =~ s/(?<!')\{(\w+)\}/$self->expression($1 eq 'any' ? $self->pick(@types) : $1, $depth)/ge;
	$template =~ s/\?([a-z]+)/$self->constant($1)/ge;
	return $template;
}

# What chooses one of several values of a type.
sub choice
{
	my ($self, $type, $depth) = @_;
	my ($one, $two) = map { $self->expression($type, $depth) } 1, 2;
	my $constant = $self->constant($type);
	my @forms = (
		"COALESCE($one, $two)",
		"COALESCE($one, $constant)",
		'CASE WHEN ' . $self->condition($depth) . " THEN $one ELSE $constant END",
		'CASE WHEN ' . $self->condition($depth) . " THEN $one ELSE $two END"
	);
	push @forms, "NULLIF($one, $two)", "GREATEST($one, $two)", "LEAST($one, $two)",
	  "CASE $one WHEN $two THEN $two ELSE $one END"
	  if $type ne 'json';
	return $self->pick(@forms);
}

# Two types that can be compared.
sub comparable
{
	my ($self) = @_;
	my $type = $self->pick(@comparable);
	for my $group (\@numbers, \@instants)
	{
		return ($type, $self->pick(@$group)) if $self->chance(40) && grep { $_ eq $type } @$group;
	}
	return ($type, $type);
}

sub comparison
{
	my ($self, $depth) = @_;
	my ($left, $right) = $self->comparable;
	my $operator = $self->pick(qw(= = = <> < <= > >=), 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM');
	return $self->expression($left, $depth) . " $operator " . $self->expression($right, $depth);
}

sub membership
{
	my ($self, $depth) = @_;
	my $type = $self->pick(@comparable);
	my ($one, $two, $three) = map { $self->expression($type, $depth) } 1 .. 3;
	return $self->pick(
		"$one IN ($two, " . $self->constant($type) . ')',
		"$one NOT IN ($two, $three)",
		"$one = ANY (ARRAY[$two, $three])",
		"$one <> ALL (ARRAY[$two])",
		"$one BETWEEN $two AND $three",
		"$one BETWEEN SYMMETRIC $two AND " . $self->constant($type),
		"$one IS NULL",
		"$one IS NOT NULL",
		"$one " . $self->pick(qw(= <> < >=)) . ' ' . $self->constant($type),
		$self->constant($type) . ' ' . $self->pick(qw(= <= >)) . " $one"
	);
}

sub row_comparison
{
	my ($self, $depth) = @_;
	my @of = map { $self->pick(@comparable) } 1, 2;
	my ($left, $right) = map {
		'(' . join(', ', map { $self->expression($_, $depth) } @of) . ')'
	} 1, 2;
	return "$left " . $self->pick(qw(= <> < <= > >=)) . " $right";
}

sub condition
{
	my ($self, $depth) = @_;
	my $kind = $self->{random}->(100);
	return $self->comparison($depth - 1) if $kind < 35;
	return $self->membership($depth - 1) if $kind < 60;
	return $self->row_comparison($depth - 1) if $kind < 65;
	if ($kind < 80 && $depth > 0)
	{
		my $both = '(' . join($self->pick(' AND ', ' OR '), map { $self->condition($depth - 1) } 1, 2) . ')';
		return $self->pick($both, $both, "NOT $both");
	}
	local $self->{calculable} = $self->{tame};
	return '(' . $self->filled($self->pick(@condition), $depth - 1) . ')';
}

1;
