# What is refused for encrypted columns, with its message and hint, wherever it comes from: CREATE TABLE, ALTER TABLE,
# CREATE TABLE AS, other statements, and a dump that contains it.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $column = qr/Give each encrypted value a column of its own/;
my $constant = qr/cannot hold an encrypted constant.*Write the constant as a value of the base type, .*'x'::text/s;
my $not_indexed =
  qr/cannot index randomized column "v" of relation "\w+".*Declare the column as encrypted_text\(searchable\)/s;

# name, SQLSTATE, error and hint, statements. In them "sound" is a table with encrypted columns v (randomized) and s (searchable).
my @cases = (
	(
		map {
			my ($name, $type, $value) = @$_;
			[
				$name,
				'0A000',
				qr/column "v?2?" cannot be of type \S+, which contains encrypted values.*$column/s,
				"CREATE TABLE refused (v $type)",
				"ALTER TABLE sound ADD v2 $type",
				"CREATE TABLE refused AS SELECT $value AS v FROM sound"
			]
		}[ 'an array', 'encrypted_text[]', 'ARRAY[s]' ],
		[ 'a domain', 'a_domain', 's::a_domain' ],
		[ 'a composite type', 'a_row', 'ROW(1, s)::a_row' ],
		[ 'an array of them', 'a_row[]', 'ARRAY[ROW(1, s)::a_row]' ],
		[ 'a range', 'a_range', 'a_range(s, s)' ],
		[ 'a multirange', 'a_multirange', 'a_multirange(a_range(s, s))' ],
		[ 'the rows of a table', 'parent', '(SELECT q FROM parent q LIMIT 1)' ]
	),
	[
		'searchable json',
		'0A000',
		qr/type encrypted_json cannot be searchable: type json has no equality.*\(randomized\), or use type encrypted_jsonb/s,
		'CREATE TABLE refused (v encrypted_json(searchable))',
		'ALTER TABLE sound ADD v2 encrypted_json(searchable)',
		q(CREATE TABLE refused AS SELECT '{}'::json::encrypted_json(searchable) AS v)
	],
	[
		'a nondeterministic collation',
		'0A000',
		qr/searchable column "v2?" cannot have the nondeterministic collation "nd".*use a deterministic collation, or declare/s,
		'CREATE TABLE refused (v encrypted_text(searchable) COLLATE nd)',
		'ALTER TABLE sound ADD v2 encrypted_text(searchable) COLLATE nd',
		'CREATE TABLE refused AS SELECT (p COLLATE nd)::encrypted_text(searchable) AS v FROM sound'
	],
	[
		'a key of a randomized column',
		'0A000',
		$not_indexed,
		'CREATE TABLE refused (v encrypted_text PRIMARY KEY)',
		'CREATE TABLE refused (v encrypted_text UNIQUE)',
		'ALTER TABLE sound ADD UNIQUE (v)',
		'ALTER TABLE parent ADD v encrypted_text UNIQUE'
	],
	[
		'an index on a randomized column',
		'0A000',
		$not_indexed,
		'CREATE TABLE refused (v encrypted_text, EXCLUDE USING hash (v WITH =))',
		'ALTER TABLE sound ADD EXCLUDE (v WITH =)',
		'CREATE INDEX ON sound USING hash (v)'
	],
	[
		'an index in the order of values',
		'0A000',
		qr/cannot index column "s" of relation "\w+" in the order of its values.*Leave out the operator class/s,
		'CREATE TABLE refused (s encrypted_text(searchable), EXCLUDE (s encrypted_text_order_ops WITH =))',
		'ALTER TABLE sound ADD EXCLUDE (s encrypted_text_order_ops WITH =)',
		'CREATE INDEX ON sound (s encrypted_text_order_ops)'
	],
	[
		'an index on an opened value',
		'42P17',
		qr/functions in index expression must be marked IMMUTABLE.*Index a searchable column itself/s,
		q(CREATE TABLE refused (s encrypted_text(searchable), EXCLUDE ((s || 'x') WITH =))),
		q(ALTER TABLE sound ADD EXCLUDE ((lower(s)) WITH =)),
		'CREATE INDEX ON sound ((upper(v)))'
	],
	[
		'an index on an encrypted expression',
		'0A000',
		qr/index "\w+" cannot be on an encrypted expression.*Index a searchable column itself/s,
		'CREATE TABLE refused (s encrypted_text(searchable), EXCLUDE ((COALESCE(s, NULL)) WITH =))',
		'ALTER TABLE sound ADD EXCLUDE ((COALESCE(s, v)) WITH =)',
		'CREATE INDEX ON sound ((COALESCE(s, v)))'
	],
	[
		'an index with a condition on values',
		'42P17',
		qr/functions in index predicate must be marked IMMUTABLE.*IS NOT NULL or other columns/s,
		q(CREATE TABLE refused (s encrypted_text(searchable), EXCLUDE (s WITH =) WHERE (s <> 'x'::text))),
		q(ALTER TABLE sound ADD EXCLUDE (s WITH =) WHERE (s > 'x'::text)),
		q(CREATE INDEX ON sound (id) WHERE s = 'x')
	],
	[
		'a partition key',
		'0A000',
		qr/relation "refused" cannot be partitioned by an encrypted value.*Partition by a column that is not encrypted/s,
		'CREATE TABLE refused (v encrypted_text(searchable)) PARTITION BY LIST (v)',
		'CREATE TABLE refused (v encrypted_text(searchable)) PARTITION BY HASH (v)'
	],
	[
		'a generated column that opens',
		'42P17',
		qr/generation expression is not immutable.*Let a trigger fill an encrypted column/s,
		'CREATE TABLE refused (v encrypted_text, g text GENERATED ALWAYS AS (upper(v)) STORED)',
		'ALTER TABLE sound ADD g text GENERATED ALWAYS AS (upper(v)) STORED'
	],
	[
		'a foreign key of a randomized column',
		'0A000',
		qr/randomized column "\w+" cannot be part of foreign key.*Declare the column as encrypted_text\(searchable\)/s,
		'CREATE TABLE refused (v encrypted_text REFERENCES parent)',
		'ALTER TABLE sound ADD FOREIGN KEY (v) REFERENCES parent'
	],
	[
		'a constant that is stored',
		'0A000',
		$constant,
		q(CREATE TABLE refused (v encrypted_text CHECK (v <> 'x'))),
		q(CREATE TABLE refused (v encrypted_text DEFAULT ('(1,x)'::a_row).v)),
		q(ALTER TABLE sound ADD CHECK (s <> 'x')),
		q(ALTER TABLE sound ALTER v SET DEFAULT ('(1,x)'::a_row).v),
		q(CREATE POLICY refused ON sound USING (s = 'x')),
		q(CREATE RULE refused AS ON INSERT TO sound WHERE NEW.s = 'x' DO NOTHING),
		q(CREATE TRIGGER refused BEFORE INSERT ON sound FOR EACH ROW WHEN (NEW.s = 'x') EXECUTE FUNCTION nothing()),
		q(CREATE FUNCTION refused(a encrypted_text DEFAULT 'x') RETURNS integer LANGUAGE sql AS 'SELECT 1'),
		q(CREATE FUNCTION refused() RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT s = 'x' FROM sound; END),
		q(CREATE DOMAIN refused AS encrypted_text CHECK (VALUE <> 'x'))
	],
	[
		'statistics',
		'0A000',
		qr/statistics object "refused" cannot include an encrypted (?:column|value).*Leave the column out/s,
		'CREATE STATISTICS refused ON s, id FROM sound'
	],
	[
		'another type',
		'0A000',
		qr/cannot change the type of encrypted column "s" of relation "sound" to \S+.*call keyring_decrypt_column\('public\.sound', 's'\)/s,
		'ALTER TABLE sound ALTER s TYPE text',
		'ALTER TABLE sound ALTER s TYPE encrypted_bytea USING NULL'
	],
	[
		'the end of the extension',
		'2BP01',
		qr/cannot drop extension "keyring" together with encrypted columns.*Decrypt the columns/s,
		'DROP EXTENSION keyring CASCADE'
	]
);

my $sound = q(
	CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE DOMAIN a_domain AS encrypted_text;
	CREATE TYPE a_row AS (n integer, v encrypted_text);
	CREATE TYPE a_range AS RANGE (subtype = encrypted_text);
	CREATE TABLE sound (id integer, p text, v encrypted_text, s encrypted_text(searchable));
	CREATE TABLE parent (s encrypted_text(searchable) PRIMARY KEY);
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END');
my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok($node, $sound, 'sound objects');
my $tables = 'SELECT count(*), string_agg(md5(c::text), $$ $$ ORDER BY c.oid) FROM pg_class c';
my $before = sql_value($node, $tables);
for my $case (@cases)
{
	my ($name, $state, $like, @statements) = @$case;
	sql_fails($node, $_, $state, $like, "$name: " . substr $_, 0, 90) for @statements;
}
sql_is($node, $tables, $before, 'nothing was made or changed');

# --- from a dump ------------------------------------------------------------------------------

# An archive of tables, each with a definition long enough to put a refused statement in its place.
my @statements = map {
	my ($name, undef, $like, @rest) = @$_;
	map { [ $name, $like, $_ ] } @rest
} @cases;
my $filler = join ', ', map { "a_column_with_a_long_name_$_ integer" } 10 .. 19;
keyring_db($node, 'dumped');
sql_ok(
	$node,
	join(';', map { sprintf 'CREATE TABLE made_%03d (%s)', $_, $filler } 0 .. $#statements),
	'tables to dump',
	db => 'dumped'
);
my $file = $node->basedir . '/dump';
my $said = '';
ok(
	IPC::Run::run(
		[ $node->installed_command('pg_dump'), '-Fc', '-s', '-t', 'made_*', '-f', $file, $node->connstr('dumped') ],
		'>&', \$said
	),
	'their dump'
) or diag($said);
my $dump = slurp_file($file);
my $changed = 0;

for my $i (0 .. $#statements)
{
	my $made = sprintf 'made_%03d', $i;
	my $statement = "SET search_path = public, pg_catalog; $statements[$i][2];";
	$changed += $dump =~
	  s/(CREATE TABLE public\.$made \(.*?\);)/length $1 >= length $statement ? $statement . ' ' x (length($1) - length $statement) : $1/se;
}
is($changed, scalar(@statements), 'changed to contain what is refused');
append_to_file("$file.unsound", $dump);
keyring_db($node, 'restored');
sql_ok($node, $sound, 'sound objects', db => 'restored');
$before = sql_value($node, $tables, db => 'restored');
IPC::Run::run([ $node->installed_command('pg_restore'), '-O', '-d', $node->connstr('restored'), "$file.unsound" ],
	'>&', \$said);
my @errors = grep { /could not execute query/ } split /^pg_restore: error: /m, $said;

for my $i (0 .. $#statements)
{
	my ($name, $like, $statement) = @{ $statements[$i] };
	my ($error) = grep { /Command was: .*\Q$statement\E;/ } @errors;
	ok(defined $error && $error =~ $like && $error =~ /^HINT:/m, "$name: pg_restore of " . substr $statement, 0, 80)
	  or diag($error // $said);
}
sql_is($node, $tables, $before, 'nothing was restored', db => 'restored');
done_testing();
