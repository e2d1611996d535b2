# What doc/types.md says that differs on encrypted columns, and how it is written to be as before; what has a test with its feature, such as
# lengths, constants that do not fit, and expressions that are not immutable, is not repeated here.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\ntimezone = 'America/New_York'");
$node->safe_psql('postgres', 'CREATE DATABASE without');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE plain (id integer PRIMARY KEY, rough real, stamp timestamp, day date, padded char(3), word text COLLATE "C");
	INSERT INTO plain VALUES (1, 0.1, '2024-03-10 02:30', '2024-03-10', 'x', 'abc'), (2, 0.5, '2024-02-29', '2024-03-10', 'x  ', 'abd');
	CREATE TABLE sealed (LIKE plain INCLUDING ALL);
	INSERT INTO sealed TABLE plain;
	SET client_min_messages = warning;
	SELECT keyring_encrypt_column('sealed', c, searchable => true) FROM unnest('{rough,stamp,padded,word}'::text[]) c;
	CREATE INDEX ON plain (word); CREATE INDEX ON sealed (word); CREATE INDEX ON sealed (rough)), 'tables'
);

# What a query gives on both tables.
sub both
{
	my ($query) = @_;
	return map { sql_value($node, "SET enable_seqscan = off; $query" =~ s/\bT\b/$_/gr) } qw(plain sealed);
}

sub differs
{
	my ($name, $query, $plain, $sealed) = @_;
	return is_deeply([ both($query) ], [ $plain, $sealed ], $name);
}

sub agrees
{
	my ($name, $query, $answer) = @_;
	return is_deeply([ both($query) ], [ $answer, $answer ], $name);
}

differs(
	'char(n): blanks at the end',
	q(SELECT string_agg(octet_length(padded)::text, ' ' ORDER BY id), count(*) FILTER (WHERE padded = 'x  '), count(*) FILTER (WHERE padded LIKE 'x') FROM T),
	'3 3|2|0',
	'1 1|0|2'
);
differs('a real in a list', 'SELECT count(*) FROM T WHERE rough IN (0.1, 0.2)', 1, 0);
agrees('and one number', 'SELECT count(*) FROM T WHERE rough = 0.1', 0);
agrees('and with a cast', 'SELECT count(*) FROM T WHERE rough::real IN (0.1, 0.2)', 1);
differs(
	'age() of a timestamp that clocks skip and a plain date',
	'SELECT age(stamp, day), age(day, stamp) FROM T WHERE id = 1',
	'02:30:00|-02:30:00',
	'03:30:00|-03:30:00'
);
agrees(
	'and with a cast',
	'SELECT age(stamp::timestamp, day), age(day, stamp::timestamp) FROM T WHERE id = 1',
	'02:30:00|-02:30:00'
);
agrees('and on any other day', 'SELECT age(stamp, day), age(day, stamp) FROM T WHERE id = 2', '-10 days|10 days');
differs('pg_typeof()', 'SELECT pg_typeof(word) FROM T WHERE id = 1', 'text', 'encrypted_text');
agrees('of a cast', 'SELECT pg_typeof(word::text) FROM T WHERE id = 1', 'text');

for my $condition (q(word LIKE 'abc%'), q(word > 'abc'), q(word BETWEEN 'abc' AND 'abd'))
{
	my @plans = both("EXPLAIN (COSTS OFF) SELECT id FROM T WHERE $condition");
	like($plans[0], qr/Index Cond/, "a plain column's index serves $condition");
	like($plans[1], qr/^Seq Scan.*Filter/s, "an encrypted one's does not: $condition");
}

sql_is($node, q(SELECT round('1.55', '1')), '1.6', 'round() of two literals', db => 'without');
for my $function (qw(round trunc))
{
	sql_fails($node, "SELECT $function('1.5', '1')",
		'42725', qr/not unique/, "$function() of two literals is ambiguous");
	sql_ok($node, "SELECT $function('1.5', 1), $function('1.5'::numeric, '1')", 'but not where one has a type');
}

sql_ok(
	$node, q(
	CREATE MATERIALIZED VIEW kept AS SELECT id, word FROM sealed;
	CREATE UNIQUE INDEX ON kept (id);
	REFRESH MATERIALIZED VIEW CONCURRENTLY kept), 'a materialized view'
);
my $versions = 'SELECT string_agg(xmin::text, $$ $$ ORDER BY id) FROM kept';
my ($first, $second) = split / /, sql_value($node, $versions);
sql_ok($node, 'REFRESH MATERIALIZED VIEW CONCURRENTLY kept', 'refreshed');
is(sql_value($node, $versions), "$first $second", 'what has not changed is not written again');
sql_ok(
	$node,
	'UPDATE sealed SET word = word::text WHERE id = 1; REFRESH MATERIALIZED VIEW CONCURRENTLY kept',
	'a new envelope'
);
my @now = split / /, sql_value($node, $versions);
isnt($now[0], $first, 'is written again though its plaintext is the same');
is($now[1], $second, 'and no other');
done_testing();
