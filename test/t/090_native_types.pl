# What a driver sees of encrypted columns: types of results and parameters, and values in text and binary form. Each
# statement runs on a plain table and on its encrypted copy, and everything the server says must be the same.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main');
keyring_db($node);
my $columns = 'id, name, code, amount, born, seen, active, uid, doc, age, plain';
my %searchable =
  map { $_ => $_ =~ /^(name|uid|age)$/ ? 'true' : 'false' } qw(name code amount born seen active uid doc age);
my %type = (
	boolean => 16,
	bigint => 20,
	integer => 23,
	text => 25,
	numeric => 1700,
	date => 1082,
	timestamptz => 1184,
	uuid => 2950,
	jsonb => 3802,
	'text[]' => 1009,
	'integer[]' => 1007
);
my $whole_row = 'integer text text numeric date timestamptz boolean uuid jsonb integer text';

for my $schema (qw(plain sealed))
{
	sql_ok(
		$node, qq(
		CREATE SCHEMA $schema;
		CREATE TABLE $schema.people (id integer PRIMARY KEY, name text UNIQUE, code text, amount numeric(10,2), born date,
			seen timestamptz, active boolean, uid uuid, doc jsonb, age integer, plain text);
		INSERT INTO $schema.people SELECT i, 'name ' || i, 'code ' || i % 3, i * 1.25, date '2000-01-01' + i, '2024-05-06 07:08:09Z',
			i % 2 = 0, ('a0eebc99-9c0b-4ef8-bb6d-00000000000' || i)::uuid, jsonb_build_object('i', i), 20 + i, 'name ' || 10 - i
		FROM generate_series(1, 9) i;
		INSERT INTO $schema.people (id) VALUES (10);
		CREATE TABLE $schema.other (id integer, name text);
		INSERT INTO $schema.other SELECT id, name FROM $schema.people WHERE id < 4),
		"the tables of $schema"
	);
}
sql_ok($node, "SELECT keyring_encrypt_column('sealed.people', '$_', $searchable{$_})", "$_ is encrypted")
  for sort keys %searchable;
sql_ok($node, q(SELECT keyring_encrypt_column('sealed.other', 'name', true)), 'the other name is encrypted');

my %wire;
for my $schema (qw(plain sealed))
{
	$wire{$schema} = KeyringWire->new($node, settings => { search_path => "$schema,public", TimeZone => 'UTC' });
}

# The Oids of some names of types, which are given as in "text integer".
sub oids
{
	my ($names) = @_;
	return [ map { $type{$_} // die "$_ is unknown\n" } split ' ', $names ];
}

sub result_types
{
	my ($answer) = @_;
	return [ map { $_->{type} } @{ $answer->{columns} // [] } ];
}

# An answer without what must differ: the Oid of the table.
sub comparable
{
	my ($answer) = @_;
	$_->{table} = $_->{table} ? 1 : 0 for @{ $answer->{columns} // [] };
	return $answer;
}

# --- one statement, with parameters ---------------------------------------------------------------

# name, SQL, types of the parameters, types of the result, values of the parameters
my @prepared = (
	[ 'all columns', "SELECT $columns FROM people ORDER BY id", '', $whole_row ],
	[ 'a star', 'SELECT * FROM people WHERE id < 4', '', $whole_row ],
	[ 'a whole table', 'TABLE people', '', $whole_row ],
	[ 'no rows', 'SELECT name FROM people WHERE false', '', 'text' ],
	[ 'equal', 'SELECT id, name FROM people WHERE name = $1', 'text', 'integer text', 'name 2' ],
	[ 'equal, turned round', 'SELECT id FROM people WHERE $1 = name', 'text', 'integer', 'name 2' ],
	[ 'equal, randomized', 'SELECT id, code FROM people WHERE code = $1 ORDER BY 1', 'text', 'integer text', 'code 2' ],
	[ 'not equal', 'SELECT id, age FROM people WHERE age <> $1 ORDER BY age', 'integer', 'integer integer', 25 ],
	[ 'less', 'SELECT born FROM people WHERE born < $1 ORDER BY born DESC', 'date', 'date', '2000-01-05' ],
	[
		'between',
		'SELECT amount FROM people WHERE amount BETWEEN $1 AND $2 ORDER BY 1',
		'numeric numeric',
		'numeric', 2, 7.5
	],
	[ 'IN', 'SELECT id FROM people WHERE name IN ($1, $2) ORDER BY 1', 'text text', 'integer', 'name 1', 'name 9' ],
	[
		'IN, with a literal',
		q(SELECT id FROM people WHERE name IN ($1, 'name 2') ORDER BY 1),
		'text', 'integer', 'name 1'
	],
	[
		'NOT IN', 'SELECT id FROM people WHERE code NOT IN ($1, $2) ORDER BY 1',
		'text text', 'integer', 'code 1', 'code 2'
	],
	[ 'ANY', 'SELECT id FROM people WHERE name = ANY ($1) ORDER BY 1', 'text[]', 'integer', '{name 3,name 4}' ],
	[ 'ANY, randomized', 'SELECT id FROM people WHERE code = ANY ($1) ORDER BY 1', 'text[]', 'integer', '{code 1}' ],
	[ 'ANY of integers', 'SELECT id FROM people WHERE age = ANY ($1) ORDER BY 1', 'integer[]', 'integer', '{21,22}' ],
	[
		'row comparison',
		'SELECT id FROM people WHERE (name, id) > ($1, $2) ORDER BY name, id',
		'text integer', 'integer', 'name 5', 1
	],
	[
		'IS DISTINCT FROM',
		'SELECT id FROM people WHERE name IS DISTINCT FROM $1 ORDER BY 1',
		'text', 'integer', 'name 5'
	],
	[ 'LIKE', 'SELECT name FROM people WHERE name LIKE $1 ORDER BY name', 'text', 'text', '%3%' ],
	[
		'a parameter twice',
		'SELECT id FROM people WHERE name = $1 OR plain = $1 ORDER BY id',
		'text', 'integer', 'name 2'
	],
	[ 'uuid', 'SELECT uid FROM people WHERE uid = $1', 'uuid', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-000000000003' ],
	[ 'boolean', 'SELECT id, active FROM people WHERE active = $1 ORDER BY 1', 'boolean', 'integer boolean', 't' ],
	[
		'timestamptz', 'SELECT seen FROM people WHERE seen >= $1 LIMIT 1',
		'timestamptz', 'timestamptz',
		'2024-01-01 00:00Z'
	],
	[ 'jsonb', 'SELECT doc FROM people WHERE doc @> $1', 'jsonb', 'jsonb', '{"i": 4}' ],
	[ 'CASE', 'SELECT CASE WHEN id = 1 THEN name ELSE $1 END FROM people ORDER BY id', 'text', 'text', 'else' ],
	[ 'COALESCE', 'SELECT COALESCE(name, $1) FROM people WHERE id > 8 ORDER BY 1', 'text', 'text', 'none' ],
	[ 'GREATEST', 'SELECT GREATEST(name, $1) FROM people WHERE id < 3 ORDER BY id', 'text', 'text', 'name 11' ],
	[ 'NULLIF', 'SELECT NULLIF(name, $1) FROM people WHERE id < 3 ORDER BY id', 'text', 'text', 'name 1' ],
	[ 'sub-query', 'SELECT (SELECT name FROM people WHERE id = $1)', 'integer', 'text', 3 ],
	[
		'sub-query in FROM',
		'SELECT q.n FROM (SELECT name AS n FROM people WHERE code = $1) q ORDER BY 1',
		'text', 'text', 'code 1'
	],
	[
		'IN sub-query', 'SELECT id FROM other WHERE name IN (SELECT name FROM people WHERE age > $1)',
		'integer', 'integer', 22
	],
	[
		'LATERAL',
		'SELECT o.id, l.name FROM other o, LATERAL (SELECT name FROM people p WHERE p.id = o.id) l ORDER BY 1',
		'', 'integer text'
	],
	[
		'join', 'SELECT p.name, o.name, p.plain FROM people p JOIN other o USING (name) ORDER BY p.id',
		'', 'text text text'
	],
	[
		'outer join', 'SELECT p.id, o.name FROM people p LEFT JOIN other o ON o.name = p.name ORDER BY p.id',
		'', 'integer text'
	],
	[ 'UNION', 'SELECT name FROM people UNION SELECT name FROM other ORDER BY name', '', 'text' ],
	[
		'UNION with a parameter', 'SELECT name FROM people WHERE id = 1 UNION SELECT $1 ORDER BY 1', 'text', 'text',
		'x'
	],
	[ 'UNION ALL', 'SELECT code FROM people WHERE id = 1 UNION ALL SELECT code FROM people WHERE id = 2', '', 'text' ],
	[ 'UNION of kinds', 'SELECT name FROM people UNION ALL SELECT plain FROM people ORDER BY 1', '', 'text' ],
	[ 'INTERSECT', 'SELECT name FROM people INTERSECT SELECT name FROM other ORDER BY 1 DESC', '', 'text' ],
	[ 'EXCEPT', 'SELECT name FROM people EXCEPT SELECT name FROM other ORDER BY 1 NULLS FIRST', '', 'text' ],
	[ 'DISTINCT', 'SELECT DISTINCT code FROM people ORDER BY code', '', 'text' ],
	[ 'DISTINCT, unsorted', 'SELECT count(*) FROM (SELECT DISTINCT code FROM people) q', '', 'bigint' ],
	[
		'DISTINCT ON', 'SELECT DISTINCT ON (code) code, name, id FROM people ORDER BY code, name DESC',
		'', 'text text integer'
	],
	[ 'GROUP BY', 'SELECT code, count(*) FROM people GROUP BY code ORDER BY code', '', 'text bigint' ],
	[
		'GROUP BY more',
		'SELECT code, active, max(name) FROM people GROUP BY code, active ORDER BY 1, 2',
		'', 'text boolean text'
	],
	[
		'GROUPING SETS',
		'SELECT code, count(*) FROM people GROUP BY GROUPING SETS ((code), ()) ORDER BY 1, 2',
		'', 'text bigint'
	],
	[ 'HAVING', 'SELECT code FROM people GROUP BY code HAVING max(name) > $1 ORDER BY 1', 'text', 'text', 'name 8' ],
	[ 'aggregates', 'SELECT min(name), max(born), sum(age), avg(amount) FROM people', '', 'text date bigint numeric' ],
	[ 'an array', 'SELECT array_agg(name ORDER BY id), ARRAY[max(code)] FROM people', '', 'text[] text[]' ],
	[
		'window',
		'SELECT id, lag(name) OVER (ORDER BY id), first_value(code) OVER (PARTITION BY active ORDER BY name) FROM people ORDER BY id',
		'',
		'integer text text'
	],
	[
		'window, unsorted', 'SELECT name, count(*) OVER (PARTITION BY name) FROM people WHERE id = 3', '',
		'text bigint'
	],
	[ 'ORDER BY the column', 'SELECT name FROM people ORDER BY name DESC NULLS LAST', '', 'text' ],
	[ 'ORDER BY another', 'SELECT name FROM people ORDER BY age', '', 'text' ],
	[ 'ORDER BY an expression', 'SELECT name AS n FROM people ORDER BY lower(name), 1', '', 'text' ],
	[ 'LIMIT', 'SELECT name FROM people ORDER BY name LIMIT $1 OFFSET $2', 'bigint bigint', 'text', 2, 3 ],
	[ 'OFFSET', 'SELECT name FROM people WHERE id = 3 OFFSET 0', '', 'text' ],
	[ 'FETCH WITH TIES', 'SELECT code FROM people ORDER BY code FETCH FIRST 1 ROW WITH TIES', '', 'text' ],
	[ 'FOR UPDATE', 'SELECT id, name FROM people WHERE name = $1 FOR UPDATE', 'text', 'integer text', 'name 4' ],
	[ 'FOR UPDATE, sorted', 'SELECT name FROM people ORDER BY name FOR UPDATE SKIP LOCKED', '', 'text' ],
	[
		'FOR SHARE of one',
		'SELECT p.name, o.name FROM people p, other o WHERE p.id = o.id ORDER BY 1 FOR SHARE OF o',
		'', 'text text'
	],
	[ 'WITH', 'WITH q AS (SELECT name, code FROM people WHERE id < 5) SELECT * FROM q ORDER BY name', '', 'text text' ],
	[
		'WITH MATERIALIZED',
		'WITH q AS MATERIALIZED (SELECT name FROM people) SELECT name FROM q WHERE name = $1',
		'text', 'text', 'name 1'
	],
	[
		'WITH RECURSIVE',
		'WITH RECURSIVE q AS (SELECT id, name FROM people WHERE id = 1 UNION ALL SELECT p.id, p.name FROM q JOIN people p ON p.id = q.id + 1)'
		  . ' SELECT name FROM q ORDER BY name',
		'',
		'text'
	],
	[
		'WITH that deletes',
		'WITH d AS (DELETE FROM people WHERE name = $1 RETURNING *) SELECT * FROM d',
		'text', $whole_row, 'name 1'
	],
	[
		'WITH that updates, sorted',
		'WITH u AS (UPDATE people SET name = $1 WHERE id = 2 RETURNING id, name), d AS (DELETE FROM other RETURNING name)'
		  . ' SELECT (SELECT max(name) FROM d), u.name, q.n FROM u, (SELECT count(*) AS n FROM d WHERE name IS NOT NULL) q ORDER BY u.name',
		'text',
		'text text bigint',
		'new'
	],
	[
		'WITH that inserts, DISTINCT',
		'WITH i AS (INSERT INTO people (id, name) VALUES (20, $1) RETURNING name) SELECT DISTINCT name FROM i',
		'text', 'text', 'new'
	],
	[
		'VALUES', 'VALUES ((SELECT name FROM people WHERE id = 1)), ((SELECT name FROM people WHERE id = 2))',
		'', 'text'
	],
	[
		'VALUES in FROM',
		'SELECT p.id, p.name FROM people p JOIN (VALUES ($1), ($2)) v (n) ON p.name = v.n ORDER BY p.name DESC',
		'text text', 'integer text', 'name 2', 'name 3'
	],
	[ 'a set-returning function', 'SELECT unnest(ARRAY[name, code]) FROM people WHERE id = 2', '', 'text' ],
	[ 'a join of no columns', 'SELECT FROM people WHERE name = $1', 'text', '', 'name 2' ],
	[ 'a modifier', 'SELECT amount, amount AS again FROM people ORDER BY amount LIMIT 2', '', 'numeric numeric' ],
	[ 'INSERT', 'INSERT INTO people (id, name, age) VALUES ($1, $2, $3)', 'integer text integer', '', 30, 'new', 7 ],
	[
		'INSERT RETURNING',
		"INSERT INTO people ($columns) VALUES (\$1, \$2, \$3, \$4, \$5, \$6, \$7, \$8, \$9, \$10, \$11) RETURNING $columns",
		$whole_row,
		$whole_row,
		30,
		'new',
		'c',
		'12.345',
		'2020-02-29',
		'2024-01-01 00:00Z',
		'f',
		'a0eebc99-9c0b-4ef8-bb6d-000000000077',
		'{"a": [1]}',
		77,
		'p'
	],
	[
		'INSERT of several',
		'INSERT INTO people (id, name) VALUES (30, $1), (31, $2) RETURNING *',
		'text text', $whole_row, 'x', 'y'
	],
	[
		'INSERT SELECT',
		'INSERT INTO people (id, name, age) SELECT id + 40, name || $1, age FROM people RETURNING name, age',
		'text', 'text integer', '!'
	],
	[
		'INSERT SELECT a parameter', 'INSERT INTO people (id, name) SELECT 41, $1 RETURNING name', 'text', 'text',
		'new'
	],
	[
		'upsert',
		'INSERT INTO people (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, code = $3 RETURNING name, code',
		'integer text text',
		'text text',
		3,
		'upserted',
		'too'
	],
	[
		'upsert on the column',
		'INSERT INTO people (id, name) VALUES (50, $1) ON CONFLICT (name) DO UPDATE SET age = $2 RETURNING id, age',
		'text integer', 'integer integer',
		'name 3', 99
	],
	[
		'UPDATE',
		'UPDATE people SET name = $1, amount = $2 WHERE name = $3',
		'text numeric text',
		'', 'n', 1.5, 'name 4'
	],
	[
		'UPDATE RETURNING',
		'UPDATE people SET name = $1 WHERE age = $2 RETURNING *',
		'text integer', $whole_row, 'n', 24
	],
	[
		'UPDATE FROM', 'UPDATE people p SET code = o.name FROM other o WHERE o.name = p.name RETURNING p.code, o.name',
		'', 'text text'
	],
	[
		'UPDATE with COALESCE',
		'UPDATE people SET name = COALESCE($1, name) WHERE id = 1 RETURNING name',
		'text', 'text', undef
	],
	[ 'DELETE RETURNING', 'DELETE FROM people WHERE code = $1 RETURNING id, name', 'text', 'integer text', 'code 1' ],
	[ 'EXPLAIN', 'EXPLAIN (COSTS OFF) SELECT id FROM other WHERE id = $1', 'integer', 'text', 1 ],
	[ 'a violated constraint', 'INSERT INTO people (id, name) VALUES (60, $1)', 'text', '', 'name 1' ],
	[ 'a wrong date', 'SELECT born FROM people WHERE born = $1', 'date', 'date', 'no date' ],
);
push @prepared,
  [
	'MERGE RETURNING',
	'MERGE INTO people p USING other o ON p.name = o.name WHEN MATCHED THEN UPDATE SET code = $1 RETURNING p.id, p.code, o.name',
	'text',
	'integer text text',
	'merged'
  ]
  if $node->pg_version >= 17;
push @prepared,
  [
	'RETURNING old and new',
	'UPDATE people SET name = $1 WHERE id = 1 RETURNING old.name, new.name',
	'text', 'text text', 'new name'
  ]
  if $node->pg_version >= 18;

# Everything that the server says to a statement, in both formats; rolled back.
sub run_prepared
{
	my ($wire, $sql, @values) = @_;
	my @said = ($wire->prepare('', $sql));
	for my $format (qw(text binary))
	{
		$wire->query('BEGIN');
		push @said, $wire->execute('', parameters => \@values, format => $format);
		$wire->query('ROLLBACK');
	}
	return map { comparable($_) } @said;
}

for my $case (@prepared)
{
	my ($name, $sql, $parameters, $results, @values) = @$case;
	my @plain = run_prepared($wire{plain}, $sql, @values);
	my @sealed = run_prepared($wire{sealed}, $sql, @values);

	is_deeply($sealed[0]{parameters}, oids($parameters), "$name: types of parameters");
	is_deeply(result_types($sealed[0]), oids($results), "$name: types of results");
	is_deeply(\@sealed, \@plain, "$name: all is as on the plain table");
}

# --- the same when the plan cache analyzes it anew ------------------------------------------------

# Prepared by name, executed once, invalidated, described and executed again.
my $again = $wire{sealed};
my (@described, @executed);

sub execute_case
{
	my ($number) = @_;
	my @values = @{ $prepared[$number] }[ 4 .. $#{ $prepared[$number] } ];
	$again->query('BEGIN');
	my $answer = $again->execute("case $number", parameters => \@values, format => 'binary');
	$again->query('ROLLBACK');
	return $answer;
}

for my $number (0 .. $#prepared)
{
	push @described, $again->prepare("case $number", $prepared[$number][1]);
	push @executed, execute_case($number);
}
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key invalidates all plans');
for my $number (0 .. $#prepared)
{
	is_deeply($again->describe("case $number"), $described[$number], "$prepared[$number][0]: analyzed anew, described");
	is_deeply(execute_case($number), $executed[$number], "$prepared[$number][0]: analyzed anew, executed");
}

# --- parameters in binary form --------------------------------------------------------------------

for my $case (
	[ 'SELECT id FROM people WHERE age = $1', pack 'N', 23 ],
	[ 'SELECT name FROM people WHERE born = $1', pack 'l>', 5 ],
	[ 'UPDATE people SET active = $1, uid = $2 WHERE id = 1 RETURNING active, uid', "\1", pack 'H*', 'ab' x 16 ],
	[
		'SELECT id FROM people WHERE name = ANY ($1) ORDER BY id',
		pack 'NNNNN(N/a)*',
		1, 0, 25, 2, 1, 'name 1', 'name 8'
	]
  )
{
	my ($sql, @values) = @$case;
	my %said;
	for my $schema (qw(plain sealed))
	{
		$wire{$schema}->query('BEGIN');
		$wire{$schema}->prepare('', $sql);
		$said{$schema} =
		  comparable(
			$wire{$schema}->execute('', parameters => \@values, parameter_format => 'binary', format => 'binary'));
		$wire{$schema}->query('ROLLBACK');
	}
	cmp_ok(scalar @{ $said{sealed}{rows} }, '>', 0, "binary, there are rows: $sql");
	is_deeply($said{sealed}, $said{plain}, "binary: $sql");
}

# --- several statements ---------------------------------------------------------------------------

# name, types of the last result, statements
my @scripts = (
	[
		'a cursor', 'integer text',
		'DECLARE c CURSOR FOR SELECT id, name FROM people ORDER BY id',
		'FETCH 2 FROM c',
		'MOVE 1 FROM c',
		'FETCH ALL FROM c'
	],
	[
		'a scrollable cursor',
		'text',
		'DECLARE c SCROLL CURSOR FOR SELECT p.name FROM people p JOIN other o USING (name) ORDER BY p.name',
		'FETCH 2 FROM c',
		'FETCH PRIOR FROM c',
		'FETCH LAST FROM c',
		'FETCH ABSOLUTE 2 FROM c',
		'FETCH BACKWARD ALL FROM c'
	],
	[
		'a scrollable cursor, unsorted',
		'text',
		'DECLARE c SCROLL CURSOR FOR SELECT name FROM people WHERE id < 5',
		'FETCH 3 FROM c',
		'FETCH PRIOR FROM c',
		'FETCH FIRST FROM c'
	],
	[
		'a cursor WITH HOLD',
		'text',
		'DECLARE c CURSOR WITH HOLD FOR SELECT name FROM people ORDER BY name',
		'FETCH 1 FROM c',
		'COMMIT', 'BEGIN', 'FETCH ALL FROM c',
		'CLOSE c', 'SELECT name FROM other ORDER BY name'
	],
	[
		'a cursor FOR UPDATE',
		'integer text',
		'DECLARE c CURSOR FOR SELECT id, name FROM people ORDER BY id FOR UPDATE',
		'FETCH 2 FROM c',
		q(UPDATE people SET name = 'current' WHERE CURRENT OF c RETURNING id, name),
		'FETCH 1 FROM c',
		'DELETE FROM people WHERE CURRENT OF c RETURNING id, name',
		'SELECT id, name FROM people ORDER BY id'
	],
	[
		'WHERE CURRENT OF without a lock',
		'text',
		'DECLARE c CURSOR FOR SELECT name FROM people',
		'FETCH 3 FROM c',
		q(UPDATE people SET name = 'current' WHERE CURRENT OF c RETURNING name)
	],
	[
		'WHERE CURRENT OF, by an index',
		'text',
		'SET LOCAL enable_sort = off',
		'SET LOCAL enable_seqscan = off',
		'DECLARE c CURSOR FOR SELECT name FROM people ORDER BY id',
		'FETCH 3 FROM c',
		q(UPDATE people SET name = 'current' WHERE CURRENT OF c RETURNING name)
	],
	[
		'PREPARE and EXECUTE',
		'text numeric',
		'PREPARE p AS SELECT name, amount FROM people WHERE name = $1',
		'SELECT parameter_types FROM pg_prepared_statements',
		q(EXECUTE p ('name 4')),
		'DEALLOCATE p',
		'PREPARE p (text) AS UPDATE people SET name = $1 WHERE id = 1 RETURNING name, amount',
		q(EXECUTE p ('executed'))
	],
	[
		'EXECUTE often',
		'text',
		'PREPARE p AS SELECT name FROM people WHERE name IN ($1, $2) ORDER BY name',
		(map { "EXECUTE p ('name $_', 'name 1')" } 2 .. 9)
	],
	[
		'EXPLAIN EXECUTE',
		'text',
		'PREPARE p AS SELECT id FROM other WHERE id = $1',
		'EXPLAIN (COSTS OFF) EXECUTE p (1)',
		'EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) EXECUTE p (2)'
	],
	[
		'several statements at once',
		'text', 'SELECT id FROM other; SELECT name FROM people ORDER BY name; SELECT code FROM people'
	],
	[
		'a rule',
		'text',
		'CREATE RULE r AS ON UPDATE TO other DO INSTEAD UPDATE people SET name = NEW.name WHERE id = NEW.id RETURNING id, name',
		q(UPDATE other SET name = 'ruled' WHERE id = 2 RETURNING name)
	],
	[
		'a view', 'text text',
		'CREATE VIEW pg_temp.w AS SELECT name, code FROM people WHERE id < 5',
		'SELECT * FROM w ORDER BY name DESC'
	],
	[
		'a view that WITH writes',
		'text',
		'CREATE VIEW pg_temp.w AS SELECT id, name FROM people WHERE id < 5',
		q(WITH u AS (UPDATE w SET name = name || '!' RETURNING name) SELECT name FROM u ORDER BY name)
	],
	[
		'a view that is written',
		'text',
		'CREATE VIEW pg_temp.w AS SELECT id, name FROM people WHERE id < 5',
		q(UPDATE w SET name = 'by view' WHERE id = 3 RETURNING name)
	],
	[
		'a function', 'text',
		q(CREATE FUNCTION pg_temp.f() RETURNS SETOF people LANGUAGE sql AS 'SELECT * FROM people'),
		'SELECT name FROM pg_temp.f() ORDER BY id'
	],
	[
		'a deferred trigger',
		'integer',
		q(CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS 'DECLARE n people.name%TYPE; BEGIN SELECT name INTO n FROM people WHERE id = NEW.id; RETURN NULL; END'),
		'CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON people DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.f()',
		'UPDATE people SET age = age',
		'SET CONSTRAINTS ALL IMMEDIATE',
		'SELECT age FROM people ORDER BY name'
	],
);

# What the server says to a statement of a script: in the extended protocol to Parse and Describe, too, and in binary form.
sub said_to
{
	my ($wire, $protocol, $statement) = @_;
	return map { comparable($_) } $wire->query($statement) if $protocol eq 'simple';
	my $described = comparable($wire->prepare('', $statement));
	return $described if $described->{error};
	return ($described, comparable($wire->execute('', format => 'binary')));
}

for my $case (@scripts)
{
	my ($name, $results, @statements) = @$case;
	for my $protocol ($name =~ /at once/ ? 'simple' : qw(simple extended))
	{
		my %said;
		for my $schema (qw(plain sealed))
		{
			my $wire = $wire{$schema};
			$wire->query('BEGIN');
			$said{$schema} = [
				map {
					my $statement = $_;
					map { { statement => $statement, %$_ } } said_to($wire, $protocol, $_)
				} @statements
			];
			$wire->query('ROLLBACK');
			$wire->query('CLOSE ALL; DEALLOCATE ALL');
		}
		is_deeply([ grep { $_->{error} } @{ $said{sealed} } ], [], "$name, $protocol: no error");
		is_deeply(result_types($said{sealed}[-1]), oids($results), "$name, $protocol: types") unless $name =~ /at once/;
		is_deeply($said{sealed}, $said{plain}, "$name, $protocol: all is as on the plain table");
	}
}

# --- parameters of utility statements -------------------------------------------------------------

# name, types of the parameters, the statement, their values, what shows that it has worked, its types
for my $case (
	[
		'a cursor', 'text integer',
		'DECLARE c SCROLL CURSOR FOR SELECT name, age FROM people WHERE code = $1 AND age < $2',
		[ 'code 1', 26 ],
		'FETCH ALL FROM c',
		'text integer'
	],
	[
		'a cursor WITH HOLD',
		'text', 'DECLARE c CURSOR WITH HOLD FOR SELECT DISTINCT name FROM people WHERE name >= $1 ORDER BY 1',
		['name 7'], 'COMMIT; BEGIN; FETCH ALL FROM c', 'text'
	],
	[
		'CREATE TABLE AS',
		'text', 'CREATE TEMP TABLE made AS SELECT name, born FROM people WHERE name = $1',
		['name 2'], 'SELECT * FROM made',
		'text date'
	],
	[
		'EXPLAIN', 'text date',
		'EXPLAIN SELECT name FROM people WHERE name = $1 AND born > $2',
		[ 'name 2', undef ],
		'SELECT 1', 'integer'
	],
  )
{
	my ($name, $parameters, $statement, $values, $shown, $results) = @$case;
	my %said;
	for my $schema (qw(plain sealed))
	{
		my $wire = $wire{$schema};
		$wire->query('BEGIN');
		my $described = $wire->prepare('', $statement);
		my $executed = $wire->execute('', parameters => $values);
		is_deeply([ map { $_->{error} // () } $described, $executed ], [], "parameters of $name, $schema: no error");
		is_deeply($described->{parameters}, oids($parameters), "parameters of $name, $schema: types");
		$said{$schema} = comparable($wire->query($shown));
		$wire->query('ROLLBACK');
		$wire->query('CLOSE ALL');
	}
	is_deeply(result_types($said{sealed}), oids($results), "parameters of $name: types of what comes");
	cmp_ok(scalar @{ $said{sealed}{rows} }, '>', 0, "parameters of $name: rows come");
	is_deeply($said{sealed}, $said{plain}, "parameters of $name: and are those of the plain table");
}

# --- COPY, which has values and no types ----------------------------------------------------------

my %copies = (
	'a query' => 'SELECT * FROM people ORDER BY name',
	'a set operation' => 'SELECT name FROM people UNION SELECT code FROM people ORDER BY 1',
	'WITH' => 'WITH q AS (SELECT born, doc, uid FROM people) SELECT DISTINCT * FROM q ORDER BY born',
	'RETURNING' => 'UPDATE people SET age = age WHERE id = 3 RETURNING *'
);
for my $format (qw(text csv binary))
{
	for my $name (sort keys %copies)
	{
		my %copied;
		for my $schema (qw(plain sealed))
		{
			my $file = $node->basedir . "/$schema.$format";
			my $answer = $wire{$schema}->query("COPY ($copies{$name}) TO '$file' (FORMAT $format)");
			is($answer->{error}, undef, "COPY of $name, $schema, $format");
			$copied{$schema} = slurp_file($file);
		}
		cmp_ok(length $copied{sealed}, '>', 60, "COPY of $name, $format: there is something");
		is($copied{sealed}, $copied{plain}, "COPY of $name, $format: it is the same");
	}
}

$_->close for values %wire;
done_testing();
