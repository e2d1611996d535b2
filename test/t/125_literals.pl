# What a statement writes out is sealed once, where it goes into a column, and nothing is opened for it: the parser gets stand-ins
# for literals, which leave it in no way but through the parse hook. What a searchable column is compared with gets a token only.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

# the log would have parameters printed
my $node = KeyringTest->new_node('main', conf => 'log_statement = none');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, s encrypted_text(searchable), r encrypted_text, n encrypted_integer(searchable));
	INSERT INTO t SELECT i, 'value ' || i, 'mark ' || i, i FROM generate_series(1, 100) i;
	CREATE INDEX ON t (s);
	CREATE UNIQUE INDEX ON t (n);
	VACUUM ANALYZE t), 'a table'
);

my %wire = map { $_ => KeyringWire->new($node, settings => { 'keyring.native_types' => $_ }) } qw(on off);

sub counts
{
	my ($wire) = @_;
	my %value = map { @$_ } @{ $wire->query('SELECT name, value FROM keyring_stats')->{rows} };
	return @value{qw(values_opened values_sealed tokens_computed)};
}

# What running $run opens, seals and makes tokens for; what it changes is taken back.
sub cost
{
	my ($wire, $run) = @_;
	$wire->query('BEGIN');
	my @before = counts($wire);
	my $error = $run->()->{error}{message};
	my @after = counts($wire);
	$wire->query('ROLLBACK');
	return $error // join ' ', map { $after[$_] - $before[$_] } 0 .. $#after;
}

# Statements as they are sent in one string; what is opened, sealed and given a token, without and with a result.
for my $case (
	[ 'a literal', q(SELECT id FROM t WHERE s = 'value 7'), '0 0 1' ],
	[ 'a literal before the column', q(SELECT id FROM t WHERE 'value 7' = s), '0 0 1' ],
	[ 'a literal of another type', q(SELECT id FROM t WHERE n = '7'), '0 0 1' ],
	[ 'a number', q(SELECT id FROM t WHERE n = 7), '0 0 1' ],
	[ 'a cast literal', q(SELECT id FROM t WHERE s = 'value 7'::text), '0 0 1' ],
	[ 'two literals', q(SELECT id FROM t WHERE s = 'value 7' AND n = '7'), '0 0 2' ],
	[ 'literals in IN', q(SELECT id FROM t WHERE s IN ('value 7', 'value 8', 'x')), '0 0 3' ],
	[ 'literals in NOT IN', q(SELECT id FROM t WHERE s NOT IN ('value 7', 'value 8', 'x')), '0 0 3' ],
	[ 'ten literals in IN', q(SELECT id FROM t WHERE s IN ('1','2','3','4','5','6','7','8','9','10')), '0 0 10' ],
	[ 'a literal in a subquery', q(SELECT id FROM t WHERE id = (SELECT id FROM t WHERE s = 'value 7')), '0 0 1' ],
	[ 'a literal that is found nowhere', q(SELECT id FROM t WHERE id < 0 AND r = 'x'), '0 0 0' ],
	[ 'EXPLAIN of a literal', q(EXPLAIN SELECT id FROM t WHERE s = 'value 7'), '0 0 0' ],
	[ 'PREPARE with a literal', q(PREPARE p AS SELECT id FROM t WHERE s = 'value 7'; DEALLOCATE p), '0 0 0' ],
	[
		'EXECUTE with a literal', q(PREPARE p AS SELECT id FROM t WHERE s = 'value 7'; EXECUTE p; DEALLOCATE p),
		'0 0 1'
	],
	[ 'INSERT of literals', q(INSERT INTO t VALUES (200, 'a', 'b', '200')), '0 3 2' ],
	[ 'INSERT of two rows', q(INSERT INTO t VALUES (200, 'a', 'b', '200'), (201, 'a', 'b', '201')), '0 6 4' ],
	[ 'INSERT SELECT of literals', q(INSERT INTO t SELECT 200, 'a', 'b', 200), '0 3 2' ],
	[ 'INSERT of the same literal twice', q(INSERT INTO t VALUES (200, 'a', 'a', NULL)), '0 2 1' ],
	[ 'UPDATE with literals', q(UPDATE t SET s = 'a', r = 'b', n = '500' WHERE id = 1), '0 3 2' ],
	[ 'UPDATE of rows found by a literal', q(UPDATE t SET r = 'b' WHERE s = 'value 7'), '0 1 1' ],
	[ 'UPDATE of all rows', q(UPDATE t SET r = 'b'), '0 100 0' ],
	[
		'upsert', q(INSERT INTO t VALUES (200, 'a', 'b', '7') ON CONFLICT (n) DO UPDATE SET s = EXCLUDED.s, r = 'c'),
		'0 4 2'
	],
	[ 'DELETE by a literal', q(DELETE FROM t WHERE s = 'value 7'), '0 0 1' ],
	[
		'MERGE',
		q(MERGE INTO t USING (VALUES (1)) v (id) ON t.id = v.id AND t.s = 'value 1' WHEN MATCHED THEN UPDATE SET r = 'm'),
		'0 1 1'
	],
	[
		'a function',
		q(CREATE FUNCTION f() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
		  RETURN (SELECT count(*) FROM t WHERE s = 'value 7'); END $$; SELECT f()), '0 0 1'
	],
  )
{
	my ($name, $sql, $expected) = @$case;
	is(cost($wire{$_}, sub { $wire{$_}->query($sql) }), $expected, "$name, native types $_") for qw(on off);
}

# Parameters. One of an encrypted type is sealed, with a token, when it comes; a randomized column takes none.
for my $case (
	[ 'a parameter', q(SELECT id FROM t WHERE s = $1), '0 0 1', '0 1 1', 'value 7' ],
	[ 'parameters in IN', q(SELECT id FROM t WHERE s IN ($1, $2)), '0 0 2', '0 2 2', 'value 7', 'value 8' ],
	[ 'an array', q(SELECT id FROM t WHERE s = ANY ($1)), '0 0 2', '0 2 2', '{value 7,value 8}' ],
	[ 'a parameter and a literal', q(SELECT id FROM t WHERE s = $1 AND n = '7'), '0 0 2', '0 1 2', 'value 7' ],
	[ 'INSERT of parameters', q(INSERT INTO t VALUES (200, $1, $2, $3)), '0 3 2', '1 4 3', 'a', 'b', '200' ],
	[ 'UPDATE with a parameter', q(UPDATE t SET s = $1 WHERE id = 1), '0 1 1', '0 1 1', 'a' ],
  )
{
	my ($name, $sql, $on, $off, @values) = @$case;
	for my $types (qw(on off))
	{
		my $wire = $wire{$types};
		$wire->prepare('cost', $sql);
		is(
			cost($wire, sub { $wire->execute('cost', parameters => \@values) }),
			$types eq 'on' ? $on : $off,
			"$name, prepared, native types $types"
		);
		$wire->query('DEALLOCATE cost');
	}
}
$_->close for values %wire;

# --- in no other way ------------------------------------------------------------------------------

# Literals that the hook does not see, and queries that are parsed while another one is: by the CHECK of a domain.
sql_ok(
	$node, q(
	CREATE TYPE pair AS (x encrypted_text, y integer);
	CREATE FUNCTION holds(integer) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM length(s || 'zz') FROM t WHERE s = 'value 8' GROUP BY s || 'zz', NULLIF(s, 'value 9');
		RETURN FOUND;
	END $$;
	CREATE TABLE v (x text);
	INSERT INTO v VALUES ('value 8'), ('value 7');
	CREATE FUNCTION found(text) RETURNS SETOF t LANGUAGE sql STABLE AS $$ SELECT * FROM t WHERE s = $1 $$;
	CREATE DOMAIN held AS integer CHECK (holds(VALUE));
	CREATE FUNCTION inlined(integer) RETURNS encrypted_text LANGUAGE sql IMMUTABLE
		AS $$ SELECT CASE WHEN $1 < 4 THEN 'few'::encrypted_text ELSE 'many' END $$;
	CREATE FUNCTION atomic(integer) RETURNS encrypted_text STABLE
		BEGIN ATOMIC SELECT CASE WHEN $1 < 4 THEN 'few'::text ELSE 'many' END::encrypted_text; END), 'functions and types'
);
for my $case (
	[ 'a row', q(SELECT ('(in a row,1)'::pair).x::text), 'in a row' ],
	[ 'an array', q(SELECT ('{one,two}'::encrypted_text[])[2]::text), 'two' ],
	[ 'an array of rows', q(SELECT ('{"(in a row,1)"}'::pair[])[1]), '("in a row",1)' ],
	[ 'ANY of an array', q(SELECT id FROM t WHERE s = ANY ('{value 3,value 4}') ORDER BY id), "3\n4" ],
	[ 'a function that is inlined', q(SELECT inlined(id) FROM t WHERE id IN (3, 4) ORDER BY id), "few\nmany" ],
	[ 'a function that is folded', q(SELECT inlined(3)::text, atomic(4)::text), 'few|many' ],
	[
		'queries parsed meanwhile',
		q(SELECT id FROM t WHERE s = 'value 7' AND 1 = ANY ('{1,2}'::held[]) AND n = '7'), '7'
	],
	[
		'a repeated literal, queries parsed meanwhile',
		q(SELECT NULLIF(s, 'value 7'), count(*) FROM t WHERE id = 8 AND 1 = ANY ('{1,2}'::held[]) GROUP BY NULLIF(s, 'value 7')),
		'value 8|1'
	],
	[
		'after a query that does not parse',
		q(CREATE FUNCTION tries() RETURNS text LANGUAGE plpgsql AS $$
			DECLARE v encrypted_text;
			BEGIN
				BEGIN
					EXECUTE 'SELECT s FROM t WHERE s = ''value 7'' AND n = ''x''';
				EXCEPTION WHEN invalid_text_representation THEN
					EXECUTE 'SELECT NULLIF(s, ''value 7'') FROM t WHERE id = 8 GROUP BY NULLIF(s, ''value 7'')' INTO v;
				END;
				RETURN v || ' ' || NULLIF(v, 'value 7');
			END $$;
		  SELECT tries()),
		'value 8 value 8'
	],
	[ 'COPY of a query', q(COPY (SELECT id, 'x'::encrypted_text FROM t WHERE s = 'value 7') TO stdout), "7\tx" ],
	[ 'CREATE TABLE AS', q(CREATE TABLE made AS SELECT 'x'::encrypted_text AS x; TABLE made), 'x' ],
	[ 'a view', q(CREATE VIEW w AS SELECT 'x'::encrypted_text AS x; TABLE w), 'x' ],
	[ 'a DEFAULT', q(CREATE TABLE d (x encrypted_text DEFAULT 'x'); INSERT INTO d DEFAULT VALUES; TABLE d), 'x' ],
	[ 'CALL', q(CREATE PROCEDURE c(INOUT x encrypted_text) LANGUAGE sql AS 'SELECT x'; CALL c('x')), 'x' ],
	[ 'arguments of EXECUTE', q(PREPARE p (encrypted_text) AS SELECT $1; EXECUTE p ('x')), 'x' ],
	[
		'DO', q(DO $$ BEGIN INSERT INTO d VALUES ('y'), (NULLIF('y', 'z')); END $$; SELECT * FROM d ORDER BY 1),
		"x\ny\ny"
	],
	[
		'the record of a function, which has no tokens',
		q(CREATE FUNCTION stored() RETURNS record LANGUAGE sql AS 'SELECT ROW(r) FROM t WHERE id = 1';
		  UPDATE t SET r = 'value 7' WHERE id < 4;
		  SELECT t.id, count(*) FROM t, stored() AS q (x encrypted_text(searchable))
		  WHERE t.s = q.x AND t.s = 'value 7' AND q.x = t.s GROUP BY t.id;
		  SELECT count(*) FROM t, stored() AS q (x encrypted_text(searchable)) WHERE t.s = q.x AND q.x = 'value 7'),
		"7|1\n1"
	],
	[
		'a literal that is compared and selected',
		q(SELECT COALESCE(NULL, 'value 7'::encrypted_text), count(*) FROM t WHERE s = 'value 7'
		  GROUP BY COALESCE(NULL, 'value 7'::encrypted_text)), 'value 7|1'
	],
	[
		'a plain column that is compared and selected',
		q(SELECT v.x::encrypted_text, t.s FROM (VALUES ('value 7'::text)) v (x) JOIN t ON t.s = v.x ORDER BY v.x::encrypted_text),
		'value 7|value 7'
	],
	[
		'a literal too long to be remembered',
		q{SELECT length(} . "'" . 'x' x 1_100_000 . q{'::encrypted_text)}, '1100000'
	],
  )
{
	my ($name, $sql, $expected) = @$case;
	sql_is($node, $sql, $expected, "$name: literals become values");
}
# PostgreSQL may sort rows by whatever is equal to the column that they are to be sorted by.
for my $case (
	[ 'a join', 'SELECT t.s FROM v JOIN t ON t.s = v.x ORDER BY t.s' ],
	[ 'a sub-query', 'SELECT v.x FROM v WHERE EXISTS (SELECT FROM t WHERE t.s = v.x ORDER BY t.s) ORDER BY v.x' ],
	[ 'IN', 'SELECT t.s FROM t WHERE t.s IN (SELECT x FROM v) ORDER BY t.s' ],
	[ 'an inlined function', 'SELECT f.s FROM v, LATERAL found(v.x) f ORDER BY f.s' ],
	[ 'a literal', q(SELECT t.s FROM v JOIN t ON t.s = v.x WHERE t.s = 'value 7' OR t.s = 'value 8' ORDER BY t.s) ],
	[ 'a literal below an outer join', q(SELECT t.s FROM v LEFT JOIN t ON t.s = v.x AND t.s = 'value 7' ORDER BY t.s) ],
  )
{
	my ($name, $sql) = @$case;
	for my $join (qw(nestloop mergejoin hashjoin))
	{
		my $off = join '; ', map { "SET enable_$_ = off" } grep { $_ ne $join } qw(nestloop mergejoin hashjoin);
		my $result = $name =~ /below/ ? "value 7\n" : "value 7\nvalue 8";
		sql_is($node, "$off; $sql", $result, "sorted by what is compared: $name, $join");
	}
}

my $long = join ', ', map { "'" . "value $_" x 3_000 . "'" } 1 .. 100;
sql_is(
	$node, "SELECT id FROM t WHERE s = 'value 7' AND s IN ($long, 'value 7')",
	'7', 'literals that are remembered and others in one query'
);
done_testing();
