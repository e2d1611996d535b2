# Dates and timestamps at the ends of what their types hold are compared with each other as on plain columns: randomized, searchable,
# and by an index; in each row, in joins, and with the errors that PostgreSQL has where one does not fit another's type.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\ntimezone = 'America/New_York'");
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE p (id integer, day date, stamp timestamp, moment timestamptz);
	INSERT INTO p VALUES
		(1, '294276-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00'),
		(2, '294276-12-31', '294276-12-31', '294276-12-31 00:00-04'),
		(3, '294277-01-01', '294276-12-31 12:00', '294276-12-31 12:00+00'),
		(4, '5874897-12-31', 'infinity', 'infinity'),
		(5, '4713-01-01 BC', '4713-01-01 BC', '4713-01-01 BC'),
		(6, '4714-11-24 BC', '4714-11-24 00:00 BC', '4714-11-24 00:00+00 BC'),
		(7, '-infinity', '-infinity', '-infinity'),
		(8, 'infinity', '294276-12-31 19:00', '294276-12-31 18:59-05'),
		(9, '2024-02-29', '2024-02-29', '2024-02-29');
	CREATE TABLE r (id integer, day encrypted_date, stamp encrypted_timestamp, moment encrypted_timestamptz);
	CREATE TABLE s (id integer, day encrypted_date(searchable), stamp encrypted_timestamp(searchable), moment encrypted_timestamptz(searchable));
	CREATE TABLE i (LIKE s);
	INSERT INTO r TABLE p; INSERT INTO s TABLE p; INSERT INTO i TABLE p;
	CREATE INDEX ON i (day); CREATE INDEX ON i (stamp); CREATE INDEX ON i (moment)), 'four tables'
);

# Of each condition and table the rows, or the error.
sql_ok(
	$node, q(
	CREATE FUNCTION outcome(query text, relation text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		PERFORM set_config('enable_seqscan', CASE WHEN relation = 'i' THEN 'off' ELSE 'on' END, true);
		EXECUTE query INTO result;
		RETURN coalesce(result, 'none');
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;
	CREATE TABLE x AS
		SELECT format('%L::%s', v, type) AS x FROM unnest('{date,timestamp,timestamptz}'::text[]) type,
			unnest('{294276-12-31,294277-01-01,4714-11-24 BC,infinity,-infinity,2024-02-29,294276-12-31 23:59:59.999999+00}'::text[]) v
		UNION ALL SELECT format('(SELECT q.%s FROM p q WHERE q.id = %s)', c, i) FROM unnest('{day,stamp,moment}'::text[]) c, generate_series(1, 9) i;
	DELETE FROM x WHERE outcome('SELECT ' || x, '') = '22008';
	CREATE TABLE conditions AS
		WITH c AS (SELECT unnest('{day,stamp,moment}'::text[]) AS c),
			op AS (SELECT unnest('{=,<>,<,<=,>,>=,IS DISTINCT FROM}'::text[]) AS op)
		SELECT unnest(ARRAY[concat_ws(' ', c, op, x), concat_ws(' ', x, op, c)]) AS condition FROM x, c, op
		UNION SELECT concat_ws(' ', a.c, op, b.c) FROM c a, c b, op
		UNION SELECT c || ' ' || replace(form, '$', x) FROM x, c,
			unnest(ARRAY['IN ($)', 'IN ($, $)', '= ANY (ARRAY[$])', '< ANY (ARRAY[$])', 'BETWEEN $ AND $']) form;
	CREATE TABLE outcomes AS
		SELECT condition, r, outcome(format('SELECT string_agg(id::text, $a$,$a$ ORDER BY id) FROM %s WHERE %s', r, condition), r) AS o
		FROM conditions, unnest('{p,r,s,i}'::text[]) r
		UNION ALL SELECT format('a.%s %s b.%s of %s', a, op, b, u), r,
			outcome(format('SELECT string_agg(a.id || $a$:$a$ || b.id, $a$ $a$ ORDER BY a.id, b.id) FROM %s a JOIN %s b ON a.%s %s b.%s', r, u, a, op, b), r)
		FROM unnest('{day,stamp,moment}'::text[]) a, unnest('{day,stamp,moment}'::text[]) b, unnest('{=,<}'::text[]) op,
			unnest('{p,r,s,i}'::text[]) u, unnest('{p,r,s,i}'::text[]) r), 'conditions'
);
my $differing =
  'FROM outcomes plain JOIN outcomes o USING (condition) WHERE plain.r = $$p$$ AND o.r <> $$p$$ AND o.o <> plain.o';
sql_is(
	$node,
	"SELECT string_agg(concat_ws(' ', condition, 'in', o.r || ':', o.o, 'not', plain.o), E'\\n') $differing AND condition !~ 'IN .*, '",
	'',
	'the same rows and errors as on plain columns'
);
sql_is($node, q(SELECT count(*) > 2000, count(DISTINCT o) > 50, bool_or(o = '22008') FROM outcomes WHERE r = 'p'),
	't|t|t', 'which are of many kinds');

# doc/types.md says so.
sql_is(
	$node,
	"SELECT bool_and(plain.o = '22008' AND o.o = 'none'), count(*) > 10, count(DISTINCT o.r) $differing AND condition ~ 'IN .*, '",
	't|t|3',
	'a list of values that the type does not hold is one that finds nothing'
);
sql_is($node, q(SELECT count(*) FROM outcomes WHERE condition ~ 'IN .*, ' AND r <> 'p' AND o = '22008'),
	0, 'and never an error');
done_testing();
