# Random statements over the tables of the differential test, each with one right answer: what is not ordered is compared as a set,
# and where PostgreSQL may show either of two equal values, as 1.5 and 1.50, both are shown alike.
package Queries;

use strict;
use warnings FATAL => 'all';

use Expressions qw(@comparable @numbers @whole);
use Values qw(%sql_type @types);

our @ISA = ('Expressions');

# A type of each way to compare: what min, max and aggregates take.
my @sortable = grep { !/^(?:bool|bytea|uuid|jsonb)$/ } @comparable;

sub alike
{
	my ($type, $expression) = @_;
	return "trim_scale($expression)" if $type eq 'numeric';
	return "$expression + 0" if $type =~ /^(?:real|double)$/;
	return "interval_hash($expression)" if $type eq 'span';
	return $expression;
}

# A statement: its SQL, whether rows come in an order, and the parameters for its $1 ... A wild one is an expression row by row.
sub random_query
{
	my ($class, $random) = @_;
	my $self = $class->new(random => $random, tame => 1, prepared => $random->(100) < 35);
	my @shapes = (
		(map { 'rows_of' } 1 .. 4),
		(map { 'groups_of' } 1 .. 4),
		qw(distinct_of first_of sets_of sets_of windows_of windows_of counted_in change change change recursive)
	);
	my $shape = $self->pick(@shapes);
	my ($sql, $ordered, $after) = $self->$shape;
	($sql, $ordered, $after) = $self->around($sql, $ordered) if $shape !~ /^(?:change|recursive)$/ && $self->chance(30);

	# Of several forms that were made one was taken: the parameters of the others are not there.
	my ($count, %place) = (0);
	$sql =~ s{\$(\d+)}{'$' . ($place{$1} //= ++$count)}ge;
	my @parameters = map { $self->{parameters}[ $_ - 1 ] } sort { $place{$a} <=> $place{$b} } keys %place;
	return {
		sql => $sql,
		ordered => $ordered,
		parameters => \@parameters,
		after => $after,
		is_change => $shape eq 'change'
	};
}

sub random_expression
{
	my ($class, $random) = @_;
	my $self = $class->new(random => $random, tame => 0, aliases => ['t']);
	my $type = $self->pick(@types);
	return $self->chance(75) ? $self->expression($type, 3) : $self->condition(2);
}

# --- tables -----------------------------------------------------------------------------------

# One to three of them, joined; aliases are in scope afterwards.
sub from
{
	my ($self) = @_;
	$self->{aliases} = ['a'];
	my $from = $self->table('a');
	for my $alias ('b', 'c')
	{
		last if $self->chance($alias eq 'b' ? 50 : 80);
		$from .= $self->joined($alias);
	}
	return $from;
}

sub table
{
	my ($self, $alias) = @_;
	my $table = $self->pick(qw(t u));
	return $self->chance(85) ? "$table $alias" : "(SELECT * FROM $table WHERE id % 3 > 0 OFFSET 0) $alias";
}

sub joined
{
	my ($self, $alias) = @_;
	my $kind = $self->pick('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', 'CROSS JOIN LATERAL');
	my @before = @{ $self->{aliases} };
	if ($kind eq 'CROSS JOIN LATERAL')
	{
		my $condition = $self->linked($alias, @before);
		push @{ $self->{aliases} }, $alias;
		return " $kind (SELECT * FROM u $alias WHERE $condition ORDER BY $alias.id LIMIT 3) $alias";
	}
	my $condition = $self->linked($alias, @before);
	push @{ $self->{aliases} }, $alias;
	$condition .= ' AND ' . $self->condition(1) if $kind =~ /^(?:JOIN|LEFT)/ && $self->chance(30);
	return " $kind " . $self->table($alias) . " ON $condition";
}

# An equality of a column of the new table and one before it, of types that can be compared.
sub linked
{
	my ($self, $alias, @before) = @_;
	my ($left, $right) = $self->comparable;
	my @columns =
	  ("$alias.${left}_" . $self->pick(qw(a b p)), $self->pick(@before) . ".${right}_" . $self->pick(qw(a b p)));
	return join ' = ', $self->chance(50) ? @columns : reverse @columns;
}

sub where
{
	my ($self) = @_;
	return $self->chance(35) ? '' : ' WHERE ' . $self->filter;
}

sub filter
{
	my ($self) = @_;
	return $self->chance(25) ? $self->subquery_condition : $self->condition(2);
}

sub subquery_condition
{
	my ($self) = @_;
	my $type = $self->pick(@comparable);
	my $outer = $self->expression($type, 1);
	my @scope = @{ $self->{aliases} };
	local $self->{aliases} = ['s'];
	my $inner = $self->expression($type, 1);
	my $within = $self->condition(1);
	my $link = $self->linked('s', @scope);
	return $self->pick(
		"$outer IN (SELECT $inner FROM u s WHERE $within)",
		"$outer NOT IN (SELECT $inner FROM t s WHERE $inner IS NOT NULL)",
		"EXISTS (SELECT FROM u s WHERE $link AND $within)",
		"NOT EXISTS (SELECT FROM t s WHERE $link)",
		"$outer " . $self->pick(qw(= < >)) . " ANY (SELECT $inner FROM u s)",
		"$outer " . $self->pick(qw(<> >=)) . " ALL (SELECT $inner FROM u s WHERE $within)",
		"($outer, $scope[0].id) IN (SELECT $inner, s.id FROM u s)",
		"$outer = (SELECT $inner FROM u s WHERE s.id = $scope[0].g)"
	);
}

sub id_list
{
	my ($self) = @_;
	return map { "$_.id" } @{ $self->{aliases} };
}

sub ids
{
	my ($self) = @_;
	return join ', ', $self->id_list;
}

# What is selected, under names that a view or a table can have.
sub named
{
	my @out = @_;
	return join ', ', map { "$out[$_] AS o$_" } 0 .. $#out;
}

sub sort_keys
{
	my ($self, $count) = @_;
	return map { $self->expression($self->pick(@comparable), 1) . $self->direction } 1 .. $count;
}

sub direction
{
	my ($self) = @_;
	return $self->pick('', '', ' DESC') . $self->pick('', '', ' NULLS FIRST', ' NULLS LAST');
}

# --- statements that read ---------------------------------------------------------------------

sub rows_of
{
	my ($self) = @_;
	my $from = $self->from;
	my @out = map { $self->expression($self->pick(@types), 2) } 1 .. 1 + $self->{random}->(4);
	push @out, '(SELECT ' . $self->inner_value . ')' if $self->chance(20);
	my $sql = 'SELECT ' . named($self->id_list, @out) . " FROM $from" . $self->where;
	return ($sql, 0) if $self->chance(40);
	$sql .= ' ORDER BY ' . join(', ', $self->sort_keys(1 + $self->{random}->(2)), $self->ids);
	$sql .= ' LIMIT ' . (1 + $self->{random}->(20)) if $self->chance(40);
	$sql .= ' OFFSET 3' if $self->chance(15);
	return ($sql, 1);
}

sub inner_value
{
	my ($self) = @_;
	my $type = $self->pick(@sortable);
	my $outer = $self->{aliases}[0];
	local $self->{aliases} = ['s'];
	return alike($type, $self->pick(qw(min max)) . '(' . $self->expression($type, 1) . ')')
	  . " FROM u s WHERE s.g = $outer.g";
}

# What can be added up: sums of floats depend on the order of rows unless each of them is exact, as those in columns are.
sub number
{
	my ($self) = @_;
	my $type = $self->pick(@numbers);
	return $type =~ /^(?:real|double)$/ ? $self->column($type) : $self->expression($type, 1);
}

sub aggregate
{
	my ($self) = @_;
	my $type = $self->pick(@sortable);
	my $value = $self->expression($type, 1);
	my $any = $self->expression($self->pick(@types), 1);
	my $key = $self->expression($self->pick(@comparable), 1);
	my $ids = $self->ids;
	local $self->{calculable} = 1;
	my $number = $self->number;
	my $text = $self->expression('text', 1);
	my $aggregate = $self->pick(
		alike($type, "min($value)"),
		alike($type, "max($value)"),
		"count($any)",
		"count(DISTINCT $key)",
		"sum($number)",
		"avg($number)",
		"sum(DISTINCT $number)",
		'stddev(' . $self->expression($self->pick(@whole, 'numeric'), 1) . ')',
		'bool_and(' . $self->expression('bool', 1) . ')',
		'bool_or(' . $self->condition(1) . ')',
		'bit_xor(' . $self->expression($self->pick(@whole), 0) . ')',
		"string_agg($text, ',' ORDER BY $text, $ids)",
		"string_agg(DISTINCT $text, ',' ORDER BY $text)",
		"array_agg(concat($ids) ORDER BY $key, $ids)",
		"array_agg($any ORDER BY $ids)::text",
		"jsonb_agg($any ORDER BY $key DESC, $ids)::text",
		alike($type, "percentile_disc(0.5) WITHIN GROUP (ORDER BY $value)"),
		alike($type, "mode() WITHIN GROUP (ORDER BY $value)")
	);
	return $aggregate if $aggregate =~ /WITHIN|[+]|^(?:trim_scale|interval_hash)/ || $self->chance(75);
	return $aggregate =~ s/(::text)?$/ " FILTER (WHERE " . $self->condition(1) . ')' . ($1 \/\/ '') /er;
}

sub groups_of
{
	my ($self) = @_;
	my $from = $self->from;
	my @of = map { $self->pick(@comparable) } 1 .. 1 + $self->{random}->(2);
	my @keys = map { $self->expression($_, $self->chance(70) ? 0 : 1) } @of;

	# a constant would be the number of a column, or nothing to group by
	@keys = map { /^CAST/ ? "$self->{aliases}[0].$of[0]_a" : $_ } @keys;
	@of = map { $keys[$_] =~ /^\w\.([a-z]+)_\w$/ ? $1 : $of[$_] } 0 .. $#of;
	my $list = join ', ', @keys;
	my $group =
		$self->chance(75)
	  ? $list
	  : $self->pick("ROLLUP ($list)", "CUBE ($list)", "GROUPING SETS (($list), ($keys[0]), ())");
	my @out = (
		(map { alike($of[$_], $keys[$_]) } 0 .. $#keys),
		'count(*)', map { $self->aggregate } 0 .. $self->{random}->(3)
	);
	my $sql = 'SELECT ' . named(@out) . " FROM $from" . $self->where;
	return ('SELECT ' . named('count(*)', map { $self->aggregate } 0 .. 3) . " FROM $from" . $self->where, 0)
	  if $self->chance(20);
	$sql .= " GROUP BY $group";
	$sql .=
	  ' HAVING ' . $self->pick('count(*) > 1', 'bool_or(' . $self->condition(1) . ')', "max($keys[0]::text) > 'a'")
	  if $self->chance(30);
	return ($sql, 0);
}

sub distinct_of
{
	my ($self) = @_;
	my $from = $self->from;
	my @of = map { $self->pick(@comparable) } 1 .. 1 + $self->{random}->(2);
	my @names = map { "x$_" } 0 .. $#of;
	my $sql =
		'SELECT DISTINCT '
	  . join(', ', map { $self->expression($of[$_], 1) . " AS $names[$_]" } 0 .. $#of)
	  . " FROM $from"
	  . $self->where;
	my $is_ordered = $self->chance(50);
	$sql .= ' ORDER BY ' . join ', ', @names if $is_ordered;
	return ('SELECT ' . named(map { alike($of[$_], $names[$_]) } 0 .. $#of) . " FROM ($sql) d", $is_ordered);
}

sub first_of
{
	my ($self) = @_;
	my $from = $self->from;
	my $key = $self->expression($self->pick(@comparable), 1);
	my @out = ($self->id_list, $self->expression($self->pick(@types), 1));
	return (
		"SELECT DISTINCT ON ($key) "
		  . named(@out)
		  . " FROM $from"
		  . $self->where
		  . " ORDER BY $key"
		  . $self->direction . ', '
		  . $self->ids,
		1
	);
}

sub sets_of
{
	my ($self) = @_;
	my @of = map { $self->pick(@comparable) } 1 .. 1 + $self->{random}->(2);
	my $sql = $self->part_of_set(@of);
	for (0 .. $self->{random}->(2))
	{
		my $with = $self->pick('UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL');
		$sql = "($sql) $with (" . $self->part_of_set(@of) . ')';
	}
	my $names = join ', ', map { "x$_" } 0 .. $#of;
	my $out = named(map { alike($of[$_], "x$_") } 0 .. $#of);
	return ("SELECT $out FROM ($sql) d ($names)", 0) if $self->chance(60);
	return (
		"SELECT $out FROM ($sql ORDER BY " . join(', ', map { $_ + 1 . $self->direction } 0 .. $#of) . ") d ($names)",
		1);
}

sub part_of_set
{
	my ($self, @of) = @_;
	my $from = $self->from;
	my @values = map { $self->expression($_, 1) } @of;
	return 'SELECT ' . join(', ', @values) . " FROM $from" . $self->where;
}

sub windows_of
{
	my ($self) = @_;
	my $from = $self->from;
	my $ids = $self->ids;
	my @out = map { $self->window($ids) } 0 .. $self->{random}->(2);
	return ('SELECT ' . named($self->id_list, @out) . " FROM $from" . $self->where, 0);
}

sub window
{
	my ($self, $ids) = @_;
	my $type = $self->pick(@types);
	my $value = $self->expression($type, 1);
	my $part = $self->chance(50) ? 'PARTITION BY ' . $self->expression($self->pick(@comparable), 0) . ' ' : '';
	my $key = $self->expression($self->pick(@comparable), 1) . $self->direction;
	my $total = "($part" . "ORDER BY $key, $ids)";
	local $self->{calculable} = 1;
	my $number = $self->number;
	my $frame = $self->pick(
		'',
		' ROWS BETWEEN 1 PRECEDING AND CURRENT ROW',
		' GROUPS 1 PRECEDING',
		' RANGE UNBOUNDED PRECEDING',
		' ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW'
	);
	return $self->pick(
		"rank() OVER ($part ORDER BY $key)",
		"dense_rank() OVER ($part ORDER BY $key)",
		"row_number() OVER $total",
		"lag($value) OVER $total",
		"lead($value, 2) OVER $total",
		"first_value($value) OVER $total",
		"nth_value($value, 2) OVER $total",
		"count(*) OVER ($part ORDER BY $key)",
		"count($value) OVER ($part)",
		"sum($number) OVER ($part ORDER BY $key, $ids$frame)",
		"avg($number) OVER ($part)"
	);
}

# Conditions alone: all rows that pass.
sub counted_in
{
	my ($self) = @_;
	my $from = $self->from;
	return (
		'SELECT '
		  . named($self->id_list)
		  . " FROM $from WHERE "
		  . $self->filter
		  . $self->pick(' AND ', ' OR ')
		  . $self->filter,
		0
	);
}

sub recursive
{
	my ($self) = @_;
	my $type = $self->pick(@comparable);
	my ($column, $other) = map { "${type}_" . $self->pick(qw(a b p)) } 1, 2;
	return (
		"WITH RECURSIVE r (id, depth) AS (SELECT id, 0 FROM t WHERE id < 6 UNION SELECT u.id, depth + 1 FROM r JOIN t ON t.id = r.id
			JOIN u ON u.$other = t.$column WHERE depth < 2) SELECT id, depth FROM r", 0
	);
}

# The same rows by way of what stands between a query and its tables. What is made or copied has no parameters.
sub around
{
	my ($self, $sql, $ordered) = @_;
	my $how = $self->pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ');
	my @ways = ([ "SELECT * FROM ($sql) w", $ordered ], [ "WITH w AS $how($sql) SELECT * FROM w", $ordered ]);
	push @ways, [ "CREATE TEMPORARY VIEW w AS $sql; SELECT * FROM w", $ordered, 'DROP VIEW w' ],
	  [ "CREATE TEMPORARY TABLE w AS $sql; SELECT * FROM w", 0, 'DROP TABLE w' ],
	  [
		"CREATE FUNCTION pg_temp.w() RETURNS SETOF text LANGUAGE sql AS \$w\$SELECT w::text FROM ($sql) w\$w\$; SELECT * FROM pg_temp.w()",
		$ordered,
		'DROP FUNCTION pg_temp.w'
	  ],
	  [
		"CREATE FUNCTION pg_temp.w() RETURNS SETOF json LANGUAGE plpgsql AS \$w\$DECLARE r record; BEGIN FOR r IN $sql LOOP
		RETURN NEXT row_to_json(r); END LOOP; END\$w\$; SELECT * FROM pg_temp.w()", $ordered, 'DROP FUNCTION pg_temp.w'
	  ],
	  [ "COPY ($sql) TO STDOUT", $ordered ], [ "COPY ($sql) TO STDOUT (FORMAT csv, FORCE_QUOTE *)", $ordered ],
	  [ "BEGIN; DECLARE w SCROLL CURSOR WITH HOLD FOR $sql; COMMIT; FETCH ALL FROM w", $ordered, 'CLOSE w' ]
	  if !@{ $self->{parameters} };
	return @{ $self->pick(@ways) };
}

# --- statements that write --------------------------------------------------------------------

sub change
{
	my ($self) = @_;
	my $how = $self->pick(qw(update update update_from insert upsert delete merge));
	return ($self->$how, 0);
}

sub assignments
{
	my ($self, $separator) = @_;
	my %set = map { $self->pick(@types) . $self->pick(qw(_a _b _p)) => 1 } 0 .. 1 + $self->{random}->(3);
	return map { [ $_, $self->assigned($_) ] } sort keys %set;
}

sub assigned
{
	my ($self, $column) = @_;
	my ($type) = $column =~ /^([a-z]+)/;
	return $self->pick(
		$self->constant($type),
		'DEFAULT',
		$self->expression($type, 1),
		$self->expression($type, 1),
		$self->expression($type, 2)
	);
}

sub set_list
{
	my ($self) = @_;
	return join ', ', map { "$_->[0] = $_->[1]" } $self->assignments;
}

sub update
{
	my ($self) = @_;
	$self->{aliases} = ['a'];
	return
		'UPDATE t a SET '
	  . $self->set_list
	  . $self->where
	  . ' RETURNING id, '
	  . $self->expression($self->pick(@types), 1);
}

sub update_from
{
	my ($self) = @_;
	$self->{aliases} = [ 'a', 'b' ];
	return 'UPDATE t a SET ' . $self->set_list . ' FROM u b WHERE a.id = b.id AND ' . $self->filter;
}

sub insert
{
	my ($self) = @_;
	$self->{aliases} = ['a'];
	my @assigned = map { $_->[1] = 'NULL' if $_->[1] eq 'DEFAULT'; $_ } $self->assignments;
	return
		'INSERT INTO t (id, '
	  . join(', ', map { $_->[0] } @assigned)
	  . ') SELECT a.id + 1000, '
	  . join(', ', map { $_->[1] } @assigned)
	  . ' FROM u a'
	  . $self->where;
}

sub upsert
{
	my ($self) = @_;
	$self->{aliases} = ['a'];
	my @columns = map { $_->[0] } my @assigned = $self->assignments;
	my $list = join ', ', @columns;
	$self->{aliases} = [ 't', 'excluded' ];
	return
		"INSERT INTO t (id, g, $list) SELECT id * 3, g, $list FROM u ON CONFLICT (id) DO UPDATE SET "
	  . $self->set_list
	  . ' WHERE '
	  . $self->condition(1);
}

sub delete
{
	my ($self) = @_;
	$self->{aliases} = [ 'a', 'b' ];
	my $link = $self->linked('b', 'a');
	return "DELETE FROM t a USING u b WHERE $link AND " . $self->condition(1);
}

sub merge
{
	my ($self) = @_;
	$self->{aliases} = [ 'a', 'b' ];
	my ($condition, $set) = ($self->condition(1), $self->set_list);
	$self->{aliases} = ['b'];
	my ($column) = map { $_ . $self->pick(qw(_a _b _p)) } $self->pick(@types);
	return
	  "MERGE INTO t a USING (SELECT * FROM u WHERE id % 2 = 0 UNION ALL SELECT * FROM u WHERE false) b ON a.id = b.id * 2
		WHEN MATCHED AND $condition THEN UPDATE SET $set WHEN MATCHED AND a.g = 1 THEN DELETE
		WHEN NOT MATCHED THEN INSERT (id, $column) VALUES (b.id * 2, " . $self->assigned($column) . ')';
}

1;
