# Where encrypted columns keep their types: in whatever runs in the server, and in what is made of a query.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main');
keyring_db($node);

# Notes the types that are seen by a query in PL/pgSQL and by two that it makes; no other statement is around them.
my $looking = q(
	SELECT v, n INTO r FROM t ORDER BY v LIMIT 1;
	INSERT INTO seen VALUES (place, pg_typeof(r.v) || ' ' || pg_typeof(r.n));
	EXECUTE 'SELECT v, n FROM t WHERE v = $1' INTO r USING 'value 2'::text;
	INSERT INTO seen VALUES (place, pg_typeof(r.v) || ' ' || pg_typeof(r.n));
	EXECUTE 'UPDATE t SET v = v WHERE id = 3 RETURNING v, n' INTO r;
	INSERT INTO seen VALUES (place, pg_typeof(r.v) || ' ' || pg_typeof(r.n)););
sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), n encrypted_integer);
	INSERT INTO t SELECT i, 'value ' || i, i FROM generate_series(1, 3) i;
	CREATE TABLE seen (place text, type text);

	CREATE FUNCTION look(place text) RETURNS integer LANGUAGE plpgsql AS
		$$ DECLARE r record; BEGIN $looking RETURN 1; END $$;
	CREATE FUNCTION looking_trigger() RETURNS trigger LANGUAGE plpgsql AS
		$$ DECLARE r record; place text = TG_ARGV[0]; BEGIN $looking RETURN NULL; END $$;
	CREATE TABLE at_once (id integer);
	CREATE TRIGGER t AFTER INSERT ON at_once FOR EACH ROW EXECUTE FUNCTION looking_trigger('trigger');
	CREATE TABLE deferred (id integer);
	CREATE CONSTRAINT TRIGGER t AFTER INSERT ON deferred DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION looking_trigger('deferred trigger');
	CREATE PROCEDURE looks() LANGUAGE plpgsql AS
		$$ DECLARE r record; place text = 'procedure'; BEGIN $looking COMMIT; $looking END $$;

	-- the planner calls it
	CREATE FUNCTION look_early() RETURNS text IMMUTABLE LANGUAGE plpgsql AS
		$$ DECLARE r record; BEGIN EXECUTE 'SELECT v FROM t LIMIT 1' INTO r; RETURN pg_typeof(r.v); END $$;
	CREATE FUNCTION rows() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t ORDER BY v';
	CREATE FUNCTION atomic() RETURNS SETOF encrypted_text LANGUAGE sql BEGIN ATOMIC SELECT v FROM t ORDER BY v; END;
	CREATE FUNCTION opens(refcursor) RETURNS refcursor LANGUAGE plpgsql AS
		'BEGIN OPEN $1 FOR SELECT v FROM t ORDER BY v; RETURN $1; END';
	CREATE FUNCTION takes(encrypted_text) RETURNS text LANGUAGE sql AS 'SELECT pg_typeof($1)::text';
	) =~ s/\$looking/$looking/gr, 'a table, and functions that look at it'
);

my $encrypted = sql_value($node, q(SELECT 'encrypted_text'::regtype::oid));
my $wire = KeyringWire->new($node);

sub types_of
{
	my ($answer) = @_;
	return $answer->{error} ? $answer->{error}{message} : join ' ', map { $_->{type} } @{ $answer->{columns} // [] };
}

# --- what runs in the server ----------------------------------------------------------------------

# name, the place that is noted, how often, statements of the simple protocol
my @places = (
	[ 'a function', 'function', 1, q(SELECT look('function'), v FROM t WHERE id = 1) ],
	[ 'DO', 'do', 1, "DO \$\$ DECLARE r record; place text = 'do'; BEGIN $looking END \$\$" ],
	[ 'CALL', 'procedure', 2, 'CALL looks()' ],
	[ 'a trigger', 'trigger', 1, 'INSERT INTO at_once VALUES (1)' ],
	[ 'a deferred trigger, at the end of the statement', 'deferred trigger', 1, 'INSERT INTO deferred VALUES (1)' ],
	[ 'a deferred trigger, at COMMIT', 'deferred trigger', 1, 'BEGIN', 'INSERT INTO deferred VALUES (1)', 'COMMIT' ],
	[
		'a deferred trigger, at SET CONSTRAINTS',
		'deferred trigger',
		1, 'BEGIN',
		'INSERT INTO deferred VALUES (1)',
		'SET CONSTRAINTS ALL IMMEDIATE', 'COMMIT'
	],
	[
		'arguments of EXECUTE',
		'argument', 1,
		'PREPARE p AS SELECT v FROM t WHERE id = $1',
		q(EXECUTE p (look('argument'))),
		'DEALLOCATE p'
	],
	[
		'a query that EXECUTE runs',
		'executed', 1, q(PREPARE p AS SELECT v, look('executed') FROM t WHERE id = 1),
		'EXECUTE p', 'DEALLOCATE p'
	],
	[ 'EXPLAIN ANALYZE', 'explained', 1, q(EXPLAIN ANALYZE SELECT v, look('explained') FROM t WHERE id = 1) ],
	[
		'FETCH', 'fetched', 1, 'BEGIN',
		q(DECLARE c CURSOR FOR SELECT v, look('fetched') FROM t WHERE id = 1),
		'FETCH 1 FROM c', 'COMMIT'
	],
	[ 'COPY', 'copied', 1, q(COPY (SELECT v, look('copied') FROM t WHERE id = 1) TO '/dev/null') ]
);

sub sees_encrypted
{
	my ($name, $place, $times) = @_;
	my $seen = $wire->query('DELETE FROM seen RETURNING place, type');
	return is_deeply(
		$seen->{rows},
		[ ([ $place, 'encrypted_text encrypted_integer' ]) x (3 * $times) ],
		"$name: sees encrypted types"
	);
}

for my $case (@places)
{
	my ($name, $place, $times, @statements) = @$case;
	my @errors = grep { $_->{error} } map { $wire->query($_) } @statements;

	is_deeply(\@errors, [], "$name: no error");
	sees_encrypted($name, $place, $times);
}
for my $round (1, 2)
{
	$wire->prepare('', 'INSERT INTO deferred VALUES ($1)');
	$wire->execute('', parameters => [$round]);
	sees_encrypted("a deferred trigger, at Sync, $round", 'deferred trigger', 1);
}
$wire->query('BEGIN');
$wire->query('INSERT INTO deferred VALUES (1)');
$wire->prepare('', 'COMMIT');
$wire->execute('');
sees_encrypted('a deferred trigger, at COMMIT in the extended protocol', 'deferred trigger', 1);
is($wire->query('SELECT look_early(), v FROM t WHERE id = 1')->{rows}[0][0],
	'encrypted_text', 'a function that the planner calls');
is($wire->query('SELECT pg_typeof(v) FROM t ORDER BY v LIMIT 1')->{rows}[0][0],
	'encrypted_text', 'an argument of a function');
is($wire->query('SELECT pg_typeof(q.v) FROM (SELECT v FROM t UNION SELECT v FROM t) q LIMIT 1')->{rows}[0][0],
	'encrypted_text', 'a sub-query');
is(
	types_of($wire->query("SELECT * FROM $_")),
	$_ eq 'rows()' ? '23 25 23' : '25',
	"what $_ returns is cast where it leaves"
) for qw(rows() atomic());

# --- a cursor that a function opened, and a function that takes an encrypted value ----------------

$wire->query('BEGIN');
$wire->query(q(SELECT opens('c')));
is(types_of($wire->query('FETCH ALL FROM c')), $encrypted, 'a cursor that a function has opened is the function\'s');
$wire->query('COMMIT');
is(join(' ', @{ $wire->prepare('s', 'SELECT takes($1)')->{parameters} }),
	$encrypted, 'a parameter for a function keeps its type');
my $recursive = 'WITH RECURSIVE q (id, v) AS (SELECT id, COALESCE(v, \'x\') FROM t WHERE id = 1 UNION ALL'
  . ' SELECT t.id, COALESCE(t.v, $1) FROM q JOIN t ON t.id = q.id + 1) SELECT v FROM q';
is(join(' ', @{ $wire->prepare('r', $recursive)->{parameters} }), $encrypted, 'and one in a recursive query');
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
is_deeply($wire->execute('s', parameters => ['x'])->{rows}, [ ['encrypted_text'] ], 'and goes on after another key');
is(scalar @{ $wire->execute('r', parameters => ['x'])->{rows} }, 3, 'and so does the recursive query');

# --- what is made of a query ----------------------------------------------------------------------

# The types of the columns of a relation.
sub columns_of
{
	my ($relation) = @_;
	return sql_value($node,
			"SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attnum)"
		  . " FROM pg_attribute WHERE attrelid = '$relation'::regclass AND attnum > 0");
}

my $kept = 'encrypted_text(searchable) encrypted_integer(randomized)';
for my $case (
	[ 'CREATE TABLE AS', 'CREATE TABLE made AS SELECT v, n FROM t ORDER BY v' ],
	[ 'CREATE TABLE AS TABLE', 'CREATE TABLE made AS SELECT v, n FROM (TABLE t) q WITH NO DATA' ],
	[ 'SELECT INTO', 'SELECT v, n INTO made FROM t' ],
	[
		'CREATE TABLE AS, with RETURNING',
		'CREATE TABLE made AS WITH u AS (UPDATE t SET v = v RETURNING *) SELECT v, n FROM u'
	],
	[ 'CREATE MATERIALIZED VIEW', 'CREATE MATERIALIZED VIEW made AS SELECT v, n FROM t ORDER BY v' ],
	[ 'CREATE VIEW', 'CREATE VIEW made AS SELECT v, n FROM t ORDER BY v' ],
	[ 'CREATE RECURSIVE VIEW', 'CREATE RECURSIVE VIEW made (v, n) AS SELECT v, n FROM t UNION SELECT v, n FROM made' ],
	[ 'EXPLAIN ANALYZE CREATE TABLE AS', 'EXPLAIN ANALYZE CREATE TABLE made AS SELECT v, n FROM t' ],
	[ 'CREATE TABLE AS EXECUTE', 'PREPARE p AS SELECT v, n FROM t', 'EXECUTE p', 'CREATE TABLE made AS EXECUTE p' ],
	[
		'CREATE TABLE AS EXECUTE, with a parameter',
		'PREPARE p AS SELECT v, n FROM t WHERE v = $1',
		q(CREATE TABLE made AS EXECUTE p ('value 1'))
	],
	[
		'EXPLAIN ANALYZE CREATE TABLE AS EXECUTE',
		'PREPARE p AS SELECT v, n FROM t',
		'EXPLAIN ANALYZE CREATE TABLE made AS EXECUTE p'
	]
  )
{
	my ($name, @statements) = @$case;
	for my $protocol (qw(simple extended))
	{
		my @answers = map {
			$protocol eq 'simple' ? $wire->query($_) : map { $_->{error} ? $_ : $wire->execute('') }
			  $wire->prepare('', $_)
		} @statements;
		is_deeply([ grep { $_->{error} } @answers ], [], "$name, $protocol: no error");
		is(columns_of('made'), $kept, "$name, $protocol: types");
		$wire->query('DEALLOCATE p');
		sql_ok($node, sprintf('DROP %s made', $name =~ /(MATERIALIZED VIEW|VIEW)/ ? $1 : 'TABLE'), 'and away');
	}
}
is_deeply($wire->query('SELECT name FROM pg_prepared_statements WHERE from_sql')->{rows},
	[], 'CREATE TABLE AS EXECUTE leaves no statement');
$wire->query('PREPARE p AS SELECT v FROM t');
is($wire->query('CREATE TABLE t AS EXECUTE p')->{error}{sqlstate}, '42P07', 'nor does one that fails');
is_deeply(
	$wire->query('SELECT name FROM pg_prepared_statements WHERE from_sql')->{rows},
	[ ['p'] ],
	'only what was prepared is there'
);
is($wire->query('CREATE TABLE made AS EXECUTE nothing')->{error}{sqlstate},
	'26000', 'CREATE TABLE AS EXECUTE of nothing');

# An envelope that is copied is not opened on the way.
my $opens = q(SELECT value FROM keyring_stats WHERE name = 'values_opened');
my ($before) = $wire->query($opens)->{rows}[0][0];
sql_ok($node, 'CREATE TABLE copies (v encrypted_text(searchable), n encrypted_integer)', 'a table for copies');
$wire->query('UPDATE t SET v = v, n = n');
$before = $wire->query($opens)->{rows}[0][0];
is_deeply($wire->query('INSERT INTO copies SELECT v, n FROM t')->{tags}, ['INSERT 0 3'], 'INSERT SELECT');
is($wire->query($opens)->{rows}[0][0], $before, 'INSERT SELECT opens nothing');

# --- statements that a function prepares are the session's ----------------------------------------

$wire->query(q(DO $$ BEGIN EXECUTE 'PREPARE inner_one AS SELECT v FROM t WHERE v = $1 ORDER BY id'; END $$));
is(types_of($wire->query(q(EXECUTE inner_one ('value 1')))), '25', 'prepared in a function, executed by the client');
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
is(types_of($wire->query(q(EXECUTE inner_one ('value 1')))), '25', 'and again after another key');
$wire->query('PREPARE outer_one AS SELECT v FROM t ORDER BY v');
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
my $done = $wire->query(
	q(DO $$ DECLARE r record; BEGIN EXECUTE 'EXECUTE outer_one' INTO r; INSERT INTO seen VALUES ('do', pg_typeof(r.v)); END $$)
);
is($done->{error}, undef, 'prepared by the client, executed in a function after another key');
is_deeply($wire->query('DELETE FROM seen RETURNING type')->{rows}, [ ['text'] ], 'and gives the same type there');
is(types_of($wire->query('EXECUTE outer_one')), '25', 'and then to the client');

$wire->close;
done_testing();
