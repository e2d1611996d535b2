# A column of each type with a default, CHECKs, a foreign key, UNIQUE and a partial index is encrypted together with the column that it
# refers to, used, given the other mode and decrypted: what held before goes on to hold.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\ntimezone = 'UTC'");
keyring_db($node);

# type => two values, a condition that both fulfil, and a value that does not
my %of = (
	text => [ q('a'), q('b'), q(length(v) < 9 AND v <> 'zz' AND v !~ 'x'), q('x') ],
	'varchar(9)' => [ q('a'), q('b'), q(v <> 'z'), q('z') ],
	bytea => [ q('\x01'), q('\x02'), q(v <> '\xff' AND length(v) < 5), q('\xff') ],
	boolean => [ 'true', 'true', 'v', 'false' ],
	smallint => [ 1, 2, 'v > 0 AND v + 1 < 100', 99 ],
	integer => [ 1, 2, 'v BETWEEN 0 AND 10 AND v % 7 <> 6', 6 ],
	bigint => [ 1, 2, 'v > 0 AND v < 5000000000', 5000000000 ],
	real => [ 1.5, 2.5, 'v > 0', q('-0') ],
	'double precision' => [ 1.5, 2.5, 'v > 0 AND abs(v) < 10', 11 ],
	numeric => [ 1.5, 2.5, 'v > 0 AND round(v, 1) = v', 1.55 ],
	'numeric(10,2)' => [ 1.5, 2.5, 'v >= 0 AND v < 1000', 999.995 ],
	date => [
		q(date '2000-01-01'), q('2000-01-02'),
		q(v > '1900-01-01' AND extract(year FROM v) > 1950 AND v <= current_date), q('1950-12-31')
	],
	time => [ q('10:00'), q('11:00'), q(v > '08:00' AND v <= time '20:00'), q('24:00') ],
	timestamp => [ q('2000-01-01'), q('2000-01-02'), q(v > '1900-01-01' AND v < now()), q('infinity') ],
	timestamptz =>
	  [ q('2000-01-01'), q('2000-01-02'), q(v > '1900-01-01' AND v < now() AND v < current_date), q('1900-01-01') ],
	interval => [ q('1 day'), q('2 days'), q(v > '0' AND v < interval '1 year'), q('365 days') ],
	uuid => [
		(map { "'${_}0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'" } qw(a b)),
		q(v <> 'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
		q('C0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')
	],
	inet => [ q('10.0.0.1'), q('10.0.0.2'), q(v << '10.0.0.0/8' AND family(v) = 4), q('11.0.0.1') ],
	jsonb => [ q('{"a": 1}'), q('{"a": 2}'), q(v ? 'a' AND v ->> 'a' <> 'z'), q('{"a": "z"}') ]
);

# How a statement ends: its error and constraint, or what it returns. Nothing of it stays.
sql_ok(
	$node, q(
	CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
		violated text;
	BEGIN
		EXECUTE statement INTO result;
		RAISE SQLSTATE 'ZZZZZ';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
		RETURN CASE SQLSTATE WHEN 'ZZZZZ' THEN result ELSE concat_ws(' ', SQLSTATE, NULLIF(violated, '')) END;
	END $$), 'a function'
);

# What the constraints say, and the rows, while columns are as they are now.
sub holds
{
	my ($state, $type) = @_;
	my ($first, $second, undef, $bad) = @{ $of{$type} };
	my @cases = (
		[ 'CHECK', "INSERT INTO child (id, v) VALUES (9, $bad)", '23514 child_v_check' ],
		[ 'CHECK of a list', "INSERT INTO child (id, w) VALUES (9, $bad)", '23514 child_w_check' ],
		[ 'UNIQUE', "INSERT INTO child (id, v) VALUES (1, $first)", '23505 child_v_id_key' ],
		[ 'NOT NULL', 'INSERT INTO child (id, v) VALUES (9, NULL)', '23502' ],
		[ 'PRIMARY KEY', "INSERT INTO parent VALUES ($first)", '23505 parent_pkey' ],
		[ 'FOREIGN KEY', "DELETE FROM parent WHERE v = $first", '23503 child_v_fkey' ],
		[ 'DEFAULT', "INSERT INTO child (id) VALUES (7) RETURNING v = $first", 'true' ],
		[
			'CASCADE', "WITH u AS (DELETE FROM child) UPDATE parent SET v = v WHERE v = $first RETURNING v = $first",
			'true'
		],
		[
			'another row', "INSERT INTO child (id, v, w) VALUES (8, $second, $second) RETURNING v = w AND w = $second",
			'true'
		],
		[
			'a join',
			"SELECT count(*) || ' ' || (SELECT count(*) FROM child WHERE v = $first AND w IS NULL) FROM child JOIN parent USING (v)",
			'1 1'
		]
	);
	my @got = split /\n/, sql_value($node, join ";\n", map { "SELECT outcome(\$q\$$_->[1]\$q\$)" } @cases);
	is($got[$_], $cases[$_][2], "$type, $state: $cases[$_][0]") for 0 .. $#cases;
	return;
}
my $types =
  q(SELECT string_agg(format_type(atttypid, atttypmod), '; ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'child'::regclass AND attnum > 1);

for my $type (sort keys %of)
{
	my ($first, $second, $condition) = @{ $of{$type} };
	my $row = $second eq $first ? '' : ", ($second)";
	sql_ok(
		$node, qq(
		DROP TABLE IF EXISTS child, parent;
		CREATE TABLE parent (v $type PRIMARY KEY);
		INSERT INTO parent VALUES ($first)$row;
		CREATE TABLE child (id integer, v $type DEFAULT $first NOT NULL CHECK ($condition) REFERENCES parent ON UPDATE CASCADE,
			w $type CHECK (w IN ($first, $second) IS NOT FALSE OR w IS NULL), UNIQUE (v, id));
		CREATE INDEX ON child (id) WHERE w IS NOT NULL;
		INSERT INTO child (id) VALUES (1)), "$type: tables"
	);
	my $before = sql_value($node, $types);
	my $quiet = 'SET client_min_messages = warning';
	sql_ok(
		$node,
		"$quiet; SELECT keyring_encrypt_column('child', 'v', searchable => true), keyring_encrypt_column('child', 'w')",
		"$type: encrypted"
	);
	sql_is($node, 'SELECT count(*), count(*) FILTER (WHERE searchable) FROM keyring_columns',
		'3|2', "$type: three columns");
	holds('encrypted', $type);
	sql_ok($node, "$quiet; SELECT keyring_encrypt_column('child', 'w', searchable => true)", "$type: searchable");
	holds('searchable', $type);
	sql_ok(
		$node,
		"$quiet; SELECT keyring_decrypt_column('parent', 'v'), keyring_decrypt_column('child', 'w')",
		"$type: decrypted"
	);
	sql_is($node, $types, $before, "$type: as it was");
	holds('decrypted', $type);
}
done_testing();
