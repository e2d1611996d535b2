# Searchable columns find equal what PostgreSQL finds equal, whatever the values' bytes: for each type every pair of a list of
# values, in comparisons, UNIQUE, joins and groups. And what has no canonical form cannot be searchable, however the column is made.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "timezone = 'America/New_York'\njit = off");
keyring_db($node);

# Values of each type, as SQL; those of an inner list are equal.
my %values = (
	text => [ q('a'), q('A'), q('a '), q(''), q('ä'), q(U&'a\0308'), q(repeat('x', 3000)), q(repeat('x', 3001)) ],
	bytea => [ q('\x'), q('\x00'), q('\x0000'), q('\x61'), [ q('\xAB'), q('\xab') ] ],
	boolean => [ [qw('t' true 'yes')], [qw('f' false)] ],
	smallint => [ 0, 1, -1, 32767, -32768, 256 ],
	integer => [ 0, 1, -1, 2147483647, '(-2147483648)', 65536 ],
	bigint => [ 0, 1, -1, 9223372036854775807, q('-9223372036854775808'), 4294967296 ],
	real => [
		[ q('0'), q('-0') ],
		[ q('NaN'), q(-'NaN'::real), q('Infinity'::real - 'Infinity'::real) ],
		[ q('1.5'), q('1.50') ],
		q('Infinity'), q('-Infinity'), q('1e-45'), q('3.4e38')
	],
	'double precision' => [
		[ q('0'), q('-0') ],
		[ q('NaN'), q(-'NaN'::float8), q('Infinity'::float8 - 'Infinity'::float8) ],
		[ q('1.5'), q('1.50') ],
		q('Infinity'), q('-Infinity'), q('5e-324'), q('0.1'), q(0.1::real::float8)
	],
	numeric => [
		[ 1.5, q(1.50), q('1.5000000000'), q(15 / 10.0) ], [ 0, q('-0.00'), q('0.000'), q(1.5 - 1.50) ],
		[ 100, q('1e2'), q(100.0) ], [ q('NaN'), q('nan') ],
		q('Infinity'), q('-Infinity'),
		q(-1.5), q(1.51),
		q(10000), q(1e-30),
		q('0.00015')
	],
	date => [ q('2024-02-29'), q('infinity'), q('-infinity'), q('0001-01-01 BC') ],
	time => [ q('00:00'), q('24:00'), q('00:00:00.000001'), [ q('01:00 PM'), q('13:00') ] ],
	timestamp => [ q('2024-02-29'), q('2024-02-29 00:00:00.000001'), q('infinity'), q('-infinity') ],
	timestamptz => [
		[
			q('2024-01-01 12:00 UTC'), q('2024-01-01 21:00 Asia/Tokyo'), q('2024-01-01 07:00'),
			q('2024-01-01 12:00+00')
		],
		q('2024-01-01 12:00'),
		q('infinity'),
		q('-infinity')
	],
	interval => [
		[ q('1 day'), q('24 hours'), q('2 days -24:00') ],
		[ q('30 days'), q('1 month'), q('720:00') ],
		[ q('0'), q('1 month -30 days'), q('-1 day +24:00'), q('1 day -24:00') ],
		[ q('-1 day'), q('-24:00'), q('-1 month 29 days') ],
		[ q('1 year'), q('360 days'), q('12 months') ],
		q('1 microsecond'),
		q('-1 microsecond'),
		q('23:59:59.999999'),
		q('365 days'),
		q('100000 years')
	],
	uuid => [
		[ q('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'), q('{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}') ],
		q('00000000-0000-0000-0000-000000000000'),
		q('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12')
	],
	inet => [
		[ q('10.0.0.1'), q('10.0.0.1/32'), q(host('10.0.0.1/8'::inet)::inet) ],
		[ q('::1'), q('0:0::1/128') ],
		q('10.0.0.1/24'), q('10.0.0.0/24'), q(inet '10.0.0.0/8'),
		q('::ffff:10.0.0.1')
	],
	jsonb => [
		[ q('{"a": 1, "b": 2}'), q('{"b": 2, "a": 1}'), q('{"b":2.00,"a":9,"a":1.0}') ],
		[ q('{"a": {"x": [1, 2.50]}}'), q('{"a": {"x": [1.0, 2.5]}}') ],
		[ q('1'), q('1.0'), q('1e0') ],
		q('[1]'), q('"1"'), q('[]'), q('{}'), q('[[]]'), q('[{}]'), q('null'), q('[null]'), q('true'), q('{"a": 1}'),
		q('{"a": "1"}'), q('{"a": [1]}'), q('[1, 2]'), q('[2, 1]'), q('[[1], 2]'), q('[[1, 2]]'), q('{"a": {"b": 1}}')
	]
);

sub encrypted
{
	my ($type) = @_;
	my ($base) = $type =~ /^(\w+)/;
	return "encrypted_$base";
}

for my $type (sort keys %values)
{
	my @groups = map { ref $_ ? $_ : [$_] } @{ $values{$type} };
	my $rows = join ', ', map {
		my $group = $_;
		map { "($group, CAST($_ AS $type))" } @{ $groups[$group] }
	} 0 .. $#groups;
	my $all = scalar map { @$_ } @groups;
	my $distinct = @groups;
	my $sealed = encrypted($type);
	sql_ok(
		$node, qq(
		DROP TABLE IF EXISTS p, s, r, u, g;
		CREATE TABLE p (id integer GENERATED ALWAYS AS IDENTITY, alike integer, v $type);
		INSERT INTO p (alike, v) VALUES $rows;
		CREATE TABLE s (id integer, alike integer, v $sealed(searchable));
		CREATE TABLE r (id integer, alike integer, v $sealed(randomized));
		INSERT INTO s TABLE p; INSERT INTO r TABLE p;
		CREATE TABLE u (v $sealed(searchable) UNIQUE);
		CREATE TABLE g (v $sealed(searchable), EXCLUDE USING hash (v WITH =));
		ANALYZE p, s, r), "$type: values"
	);
	sql_is($node, 'SELECT count(*) FROM p a JOIN p b ON (a.v = b.v) <> (a.alike = b.alike)',
		0, "$type: what PostgreSQL finds equal");
	my $differ = join ' UNION ALL ', map {
		my ($left, $right) = @$_;
		"SELECT '$left $right', a.v::text, b.v::text FROM $left a JOIN $right b ON (a.v = b.v) <> (a.alike = b.alike) OR (a.v <> b.v) = (a.alike = b.alike)"
	} ([qw(s s)], [qw(s r)], [qw(r s)], [qw(r r)], [qw(s p)], [qw(p s)], [qw(r p)]);
	sql_is($node, $differ, '', "$type: = and <>, searchable, randomized and plain");
	sql_is(
		$node,
		"SELECT (SELECT count(DISTINCT v) FROM $_), (SELECT count(*) FROM (SELECT v FROM $_ GROUP BY v) x), (SELECT count(*) FROM (TABLE s UNION TABLE $_) x (i, a, v) WHERE true)",
		"$distinct|$distinct|$all",
		"$type: groups of $_"
	) for qw(s r);
	my $joins = join '; ', map {
		"SELECT (SELECT count(*) FROM s a JOIN $_ b ON a.v = b.v), count(*) FROM p a JOIN p b ON a.alike = b.alike"
	} qw(s r p);
	for my $method (qw(hashjoin mergejoin nestloop))
	{
		my $off = join '; ', map { "SET enable_$_ = off" } grep { $_ ne $method } qw(hashjoin mergejoin nestloop);
		my @counts = map { split /\|/ } split /\n/, sql_value($node, "$off; $joins");
		is(join(' ', @counts), join(' ', ($counts[1]) x 6), "$type: joined by $method");
	}
	sql_is(
		$node,
		'INSERT INTO u SELECT v FROM p ORDER BY id ON CONFLICT (v) DO NOTHING; SELECT count(*) FROM u; INSERT INTO g SELECT v FROM r ORDER BY id ON CONFLICT DO NOTHING; SELECT count(*) FROM g',
		"$distinct\n$distinct",
		"$type: one of each under UNIQUE and EXCLUDE USING hash"
	);
	sql_is($node, 'SET enable_seqscan = off; SELECT count(*) FROM p WHERE NOT EXISTS (SELECT FROM u WHERE u.v = p.v)',
		0, "$type: each is found by the index, however it is written");
}

# --- what has none ----------------------------------------------------------------------------

sql_ok(
	$node, q(
	CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE source (word text COLLATE nd, raw json, span interval(3));
	INSERT INTO source VALUES ('x', '{}', '1 day')), 'a source'
);
my @refused = (
	[
		'json', 'raw', 'encrypted_json(searchable)', '', '0A000',
		qr/cannot be searchable: type json has no equality.*randomized/s
	],
	[
		'a nondeterministic collation',
		'word', 'encrypted_text(searchable)', 'COLLATE nd',
		'0A000', qr/cannot have the nondeterministic collation "nd".*(?:collation|randomized)/s
	],
	[
		'interval(3)', 'span', 'encrypted_interval(searchable,3)',
		'', '22023', qr/invalid type modifier of type encrypted_interval.*\(randomized\) or \(searchable\)/s
	],
	[
		'a modifier of integer',
		'1', 'encrypted_integer(randomized,3)',
		'', '22023', qr/invalid type modifier of type encrypted_integer.*\(randomized\) or \(searchable\)/s
	],
	[
		'an unknown mode',
		'1', 'encrypted_bigint(sorted)', '', '22023',
		qr/invalid type modifier of type encrypted_bigint.*\(randomized\) or \(searchable\)/s
	],
	[ 'an array', 'ARRAY[1]', 'encrypted_integer[]', '', '0A000', qr/contains encrypted values.*(?:column|value)/s ]
);
sql_ok($node, 'CREATE TABLE plain_one (v text, w encrypted_text COLLATE nd)', 'a table to alter');
for my $case (@refused)
{
	my ($name, $expression, $type, $collate, $state, $like) = @$case;
	sql_fails($node, "CREATE TABLE refused (v $type $collate)", $state, $like, "$name: CREATE TABLE");
	sql_fails($node, "ALTER TABLE plain_one ADD v2 $type $collate", $state, $like, "$name: ALTER TABLE ADD");
	sql_fails($node, "CREATE TABLE refused AS SELECT ($expression)::$type $collate AS v FROM source",
		$state, $like, "$name: CREATE TABLE AS")
	  if $name ne 'an array';
}
sql_fails(
	$node, 'CREATE TABLE refused AS SELECT ARRAY[1::encrypted_integer] AS v',
	'0A000',
	qr/contains encrypted values/,
	'an array: CREATE TABLE AS'
);
sql_fails(
	$node, 'ALTER TABLE plain_one ALTER w TYPE encrypted_text(searchable) COLLATE nd',
	'0A000',
	qr/cannot have the nondeterministic collation "nd"/,
	'a nondeterministic collation: ALTER TABLE ALTER'
);
sql_fails($node, qq(SELECT keyring_encrypt_column('source', '$_->[0]', searchable => $_->[1])),
	$_->[2], $_->[3], "$_->[0]: keyring_encrypt_column")
  for [ 'raw', 'true', '0A000', qr/type json has no equality/ ],
  [ 'word', 'true', '55000', qr/has a nondeterministic collation/ ],
  [ 'span', 'false', '42804', qr/cannot keep what type interval\(3\) says/ ];

# A dump of a sound table, made unsound: both words have ten letters, so the archive stays readable.
sql_ok($node, 'CREATE DATABASE app', 'a database');
keyring_db($node, 'app2');
sql_ok(
	$node, q(
	CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE doc (v encrypted_json(randomized)); CREATE TABLE word (v encrypted_text(randomized) COLLATE nd);
	INSERT INTO doc VALUES ('{}'); INSERT INTO word VALUES ('x')), 'sound tables', db => 'app2'
);
my $file = $node->basedir . '/dump';
my $said = '';
ok(
	IPC::Run::run(
		[ $node->installed_command('pg_dump'), '-Fc', '-f', $file, '-d', $node->connstr('app2') ],
		'>&', \$said
	),
	'their dump'
) or diag($said);
my $dump = slurp_file($file);
is(($dump =~ s/\(randomized\)/(searchable)/g) >= 2, 1, 'their modes in it');
append_to_file("$file.unsound", $dump);
IPC::Run::run([ $node->installed_command('pg_restore'), '-d', $node->connstr('app'), "$file.unsound" ], '>&', \$said);
like($said, qr/type json has no equality.*HINT: .*randomized/s, 'json: pg_restore');
like($said, qr/cannot have the nondeterministic collation "nd".*HINT: /s, 'a nondeterministic collation: pg_restore');
sql_is(
	$node, q(SELECT count(*) FROM pg_class WHERE relname IN ('doc', 'word')),
	0,
	'neither table is there',
	db => 'app'
);
done_testing();
