# What still compares by token, which doc/types.md lists: values inside of arrays and rows. Each is in the order of tokens, whatever
# column they come from, and equal where plaintexts are; what is said to go by plaintext does.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'jit = off');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id integer PRIMARY KEY, p text, s encrypted_text(searchable), r encrypted_text(randomized));
	INSERT INTO t SELECT i, v, v, v FROM generate_series(1, 12) i, LATERAL (SELECT chr(96 + i)) x (v);
	CREATE TABLE wide (r encrypted_text(randomized), s encrypted_text(searchable), id integer);
	INSERT INTO wide SELECT r, s, id FROM t;
	CREATE TABLE tokens AS SELECT id, (SELECT count(*) FROM t b WHERE b.s ~<~ a.s) AS place FROM t a;
	CREATE VIEW bounds AS SELECT array_agg(s ORDER BY place) AS s, array_agg(r ORDER BY place) AS r FROM t JOIN tokens USING (id)),
	'values'
);
my $by_token = sql_value($node, q(SELECT string_agg(id::text, ' ' ORDER BY place) FROM tokens));
my $by_plaintext = join ' ', 1 .. 12;
isnt($by_token, $by_plaintext, 'tokens have an order of their own');

# What lists ids in some order, for either column as $.
my @by_token = (
	[ 'ORDER BY of a column that is an array', q(SELECT id FROM (SELECT id, ARRAY[$] AS x FROM t) y ORDER BY x) ],
	[ 'arrays that are sorted and shown', q(SELECT id FROM (SELECT DISTINCT ARRAY[$] AS x, id FROM t ORDER BY x) y) ],
	[ 'ORDER BY of a whole row', q(SELECT id FROM (SELECT $, id FROM t OFFSET 0) y ORDER BY y) ],
	[
		'< of arrays',
		q(SELECT a.id FROM t a JOIN t b ON ARRAY[b.$] < ARRAY[a.$] OR b.id = a.id GROUP BY a.id ORDER BY count(*))
	],
	[
		'> of whole rows',
		q(WITH y AS MATERIALIZED (SELECT $, id FROM t)
			SELECT a.id FROM y a JOIN y b ON a > b OR b.id = a.id GROUP BY a.id ORDER BY count(*))
	],
	[ 'width_bucket', q(SELECT id FROM t, bounds ORDER BY width_bucket(t.$, bounds.$)) ]
);
push @by_token,
  [ 'array_sort', q(SELECT id FROM t, (SELECT array_sort(array_agg($)) FROM t) u (a) ORDER BY array_position(a, t.$)) ]
  if $node->pg_version >= 18;
my @by_plaintext = (
	[ 'ORDER BY of a row that is written out', q(SELECT id FROM t ORDER BY ($, id)) ],
	[
		'rows that are written out',
		q(SELECT a.id FROM t a JOIN t b ON ($) < ($) GROUP BY a.id ORDER BY count(*)) =~
		  s/\Q($) < ($)/(b.\$, b.id) <= (a.\$, a.id)/r
	],
	[ 'USING an operator of tokens', q(SELECT id FROM t ORDER BY $ USING ~<~) ]
);

sub ids
{
	my ($query, $column) = @_;
	return join ' ', split /\n/, sql_value($node, $query =~ s/\$/$column/gr);
}
for my $column (qw(s r))
{
	is(ids($_->[1], $column), $by_token, "$column by token: $_->[0]") for @by_token;
	is(ids($_->[1], $column), $by_plaintext, "$column by plaintext: $_->[0]") for @by_plaintext;
}
my ($first, $last) = $by_token =~ /^(\d+).* (\d+)$/;
sql_is(
	$node,
	'SELECT min(ARRAY[s]) = (SELECT ARRAY[s] FROM t WHERE id = '
	  . $first
	  . '), max(ARRAY[r]) = (SELECT ARRAY[r] FROM t WHERE id = '
	  . $last
	  . ') FROM t',
	't|t',
	'min and max of arrays are by token'
);

# --- equal is equal ---------------------------------------------------------------------------

sql_is(
	$node,
	q(SELECT count(*) FILTER (WHERE width_bucket(t.r, b.s) = width_bucket(p::encrypted_text, b.r)), count(*) FILTER (WHERE ARRAY[t.s] = ARRAY[t.r]),
		count(*) FILTER (WHERE ROW(t.s, 1) IN (SELECT w.r, 1 FROM wide w)), count(DISTINCT ARRAY[t.s]) FROM t, bounds b),
	'12|12|12|12',
	'equal plaintexts are equal in arrays, rows and bounds'
);
sql_is($node, q(SELECT count(*), count(DISTINCT y) FROM (SELECT s, id FROM t UNION ALL SELECT r, id FROM wide) y),
	'24|12', 'whole rows are equal whatever column their values are of');
done_testing();
