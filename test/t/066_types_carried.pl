# Columns of each type on their way: encrypted, from one mode to the other and back to plain, dumped and restored in both forms.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off\ntimezone = 'America/New_York'");
keyring_db($node, 'app');
my @columns = (
	[ 'text', q('zwölf'), q(''), q(E'tab\tnew\nline\\\\ back') ],
	[ 'varchar(10)', q('zwölf'), q(''), q('ten letter') ],
	[ 'bytea', q('\x00ff5c'), q('\x'), q(decode(repeat('ab', 3000), 'hex')) ],
	[ 'boolean', 'true', 'false', 'NULL' ],
	[ 'smallint', '1', '-32768', '32767' ],
	[ 'integer', '1', '(-2147483648)', '2147483647' ],
	[ 'bigint', '1', q('-9223372036854775808'), '9223372036854775807' ],
	[ 'real', '0.1', q('-0'), q('NaN') ],
	[ 'double precision', '0.1', q('-Infinity'), q('5e-324') ],
	[ 'numeric', '1.50', q('NaN'), q('123456789012345678901234567890.000') ],
	[ 'numeric(10,2)', '1.5', '-99999999.99', '0' ],
	[ 'date', q('2024-02-29'), q('infinity'), q('0044-03-15 BC') ],
	[ 'time', q('12:34:56.789'), q('24:00'), q('00:00') ],
	[ 'time(0)', q('12:34:56.789'), q('24:00'), q('00:00') ],
	[ 'timestamp', q('2024-02-29 12:34:56.789012'), q('-infinity'), q('0044-03-15 BC') ],
	[ 'timestamp(3)', q('2024-02-29 12:34:56.789012'), q('-infinity'), q('0044-03-15 BC') ],
	[ 'timestamptz', q('2024-02-29 12:34:56 Asia/Tokyo'), q('infinity'), q('1850-01-01') ],
	[ 'interval', q('1 mon -2 days 03:04:05.6'), q('0'), q('-1000 years') ],
	[ 'uuid', q('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), q('00000000-0000-0000-0000-000000000000'), 'NULL' ],
	[ 'inet', q('10.0.0.1/8'), q('::1'), q('10.0.0.1') ],
	[ 'json', q('{"b" :  1, "a": [1.0, null]}'), q('null'), q('"x"') ],
	[ 'jsonb', q('{"b": 1, "a": [1.0, null]}'), q('null'), q('"ä"') ]
);
my @names = map { "c$_" } 0 .. $#columns;
my $declared = join ', ', map { "$names[$_] $columns[$_][0]" } 0 .. $#columns;
my $rows = join ', ', map {
	my $row = $_;
	"($row, " . join(', ', map { $_->[$row] } @columns) . ')'
} 1 .. 3;
sql_ok(
	$node,
	"CREATE TABLE p (id integer PRIMARY KEY, $declared); INSERT INTO p VALUES $rows; CREATE TABLE t (LIKE p INCLUDING ALL); INSERT INTO t TABLE p",
	'two tables',
	db => 'app'
);
my $everything = 'SELECT * FROM t ORDER BY id';
my $plain = sql_value($node, $everything, db => 'app');
my $types =
  q(SELECT string_agg(format_type(atttypid, atttypmod), '; ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0);
my $plain_types = sql_value($node, $types, db => 'app');

sub all_columns
{
	my ($sql) = @_;
	return 'SET client_min_messages = warning; ' . join '; ', map { $sql =~ s/\?/$_/gr } @names;
}

sub sealed_types
{
	my ($mode) = @_;
	return 'integer; ' . join '; ', map {
		my ($base, $modifier) = $_->[0] =~ /^(\w+).*?(\(.*\))?$/;
		my ($digits) = $base eq 'varchar' ? () : ($modifier // '') =~ /([\d,]+)/;
		$base = 'text' if $base eq 'varchar';
		my $here = $base eq 'json' ? 'randomized' : $mode;
		"encrypted_$base(" . join(',', $here, $digits // ()) . ')'
	} @columns;
}

# --- encrypted, switched, decrypted -----------------------------------------------------------

sql_ok($node, all_columns(q(SELECT keyring_encrypt_column('t', '?'))), 'all are encrypted', db => 'app');
sql_is($node, $types, sealed_types('randomized'), 'and keep their modifiers', db => 'app');
sql_is($node, $everything, $plain, 'with the same values', db => 'app');
sql_fails($node, "UPDATE t SET c1 = 'eleven letters'", '23514', qr/c1/, 'and the length', db => 'app');
sql_is(
	$node,
	"BEGIN; UPDATE t SET c10 = 1.005, c13 = '00:00:00.5', c15 = '2024-01-01 00:00:00.0005' WHERE id = 1 RETURNING c10, c13, c15; ROLLBACK",
	'1.01|00:00:01|2024-01-01 00:00:00.001',
	'and round like plain ones',
	db => 'app'
);
my %position = map { $columns[$_][0] => $names[$_] } 0 .. $#columns;
for my $mode (qw(searchable randomized))
{
	my $sealed = sealed_types($mode);
	my (undef, @to) = split /; /, $sealed;
	sql_ok(
		$node,
		"ALTER TABLE t " . join(', ', map { "ALTER $names[$_] TYPE $to[$_]" } 0 .. $#names),
		"all become $mode",
		db => 'app'
	);
	sql_is($node, $types, $sealed, "$mode: types", db => 'app');
	sql_is($node, $everything, $plain, "$mode: values", db => 'app');
	sql_is(
		$node,
		q(SELECT count(*) FROM keyring_columns WHERE relation = 't'::regclass AND searchable),
		$mode eq 'searchable' ? $#columns : 0,
		"$mode: keyring_columns",
		db => 'app'
	);
	my $tokens = join ' + ', map { "count(*) FILTER (WHERE (keyring_inspect($_)).searchable)" } @names;
	sql_is($node, "SELECT $tokens FROM t", $mode eq 'searchable' ? 3 * $#columns - 2 : 0, "$mode: tokens", db => 'app');
	sql_is(
		$node,
		'SELECT '
		  . join(' + ', map { "(SELECT count(*) FROM t JOIN p USING ($_))" } grep { $_ ne $position{json} } @names)
		  . ' - '
		  . join(' - ', map { "(SELECT count(*) FROM p a JOIN p b USING ($_))" } grep { $_ ne $position{json} } @names),
		0,
		"$mode: equality with the plain table",
		db => 'app'
	);
}
sql_ok(
	$node,
	'CREATE TABLE copied AS TABLE t; CREATE TABLE s (id integer PRIMARY KEY, '
	  . join(', ', map { "$names[$_] " . (split /; /, sealed_types('searchable'))[ $_ + 1 ] } 0 .. $#names)
	  . '); INSERT INTO s TABLE t',
	'copies',
	db => 'app'
);
sql_is($node, $everything =~ s/\bt\b/$_/r, $plain, "the same in $_", db => 'app') for qw(copied s);
sql_ok($node, all_columns(q(SELECT keyring_decrypt_column('t', '?'))), 'all are decrypted', db => 'app');
sql_is($node, $everything, $plain, 'to the same values', db => 'app');
sql_is($node, $types, $plain_types, 'of the same types', db => 'app');
sql_ok($node, 'DROP TABLE t', 'done', db => 'app');

# --- what counts or computes ------------------------------------------------------------------

sql_ok(
	$node, q(
	CREATE TABLE counted (id bigint GENERATED ALWAYS AS IDENTITY, n serial, v integer, twice integer GENERATED ALWAYS AS (v * 2) STORED);
	INSERT INTO counted (v) VALUES (1), (2);
	SELECT keyring_encrypt_column('counted', 'n', searchable => true);
	INSERT INTO counted (v) VALUES (3)), 'a serial column', db => 'app'
);
sql_is($node, 'SELECT string_agg(n::text, $$ $$ ORDER BY n) FROM counted', '1 2 3', 'goes on', db => 'app');
for my $case (
	[ 'id', qr/identity column.*DROP IDENTITY/s ],
	[ 'twice', qr/is generated.*DROP EXPRESSION/s ],
	[ 'v', qr/generated from the column: drop it/ ]
  )
{
	sql_fails(
		$node, "SELECT keyring_encrypt_column('counted', '$case->[0]')",
		'55000', $case->[1],
		"counted.$case->[0] is refused",
		db => 'app'
	);
}
sql_ok(
	$node, q(
	ALTER TABLE counted ALTER id DROP IDENTITY, ALTER twice DROP EXPRESSION;
	SELECT keyring_encrypt_column('counted', 'id'), keyring_encrypt_column('counted', 'twice'), keyring_encrypt_column('counted', 'v')),
	'as the hints say', db => 'app'
);
sql_is($node, 'SELECT * FROM counted ORDER BY id', "1|1|1|2\n2|2|2|4\n3|3|3|6", 'with their values', db => 'app');

# --- documents, assigned to by subscript -------------------------------------------------------

sub for_each_document
{
	my ($sql) = @_;
	return join ', ', map { $sql =~ s/\?/$_/gr } qw(p s r);
}
sql_ok(
	$node, q(
	CREATE TABLE assigned (id integer PRIMARY KEY, p jsonb, s encrypted_jsonb(searchable), r encrypted_jsonb(randomized));
	INSERT INTO assigned VALUES (1, '{"a": 1}', '{"a": 1}', '{"a": 1}'), (2, NULL, NULL, NULL);
	CREATE VIEW over_assigned AS SELECT * FROM assigned),
	'a table of documents',
	db => 'app'
);
for my $case (
	[ 'one', 'UPDATE assigned SET ' . for_each_document(q(?['b'] = '2')) ],
	[ 'two of one column', 'UPDATE assigned SET ' . for_each_document(q(?['c']['d'] = to_jsonb(id), ?['e'] = ?['b'])) ],
	[ 'INSERT', "INSERT INTO assigned (id, @{[ for_each_document(q(?['k'])) ]}) VALUES (3, '1', '1', '1')" ],
	[
		'INSERT of a query',
		"INSERT INTO assigned (id, @{[ for_each_document(q(?['k'])) ]}) SELECT 4, x, x, x FROM CAST('[4]' AS jsonb) x"
	],
	[
		'ON CONFLICT',
		'INSERT INTO assigned VALUES (1) ON CONFLICT (id) DO UPDATE SET '
		  . for_each_document(q(?['f'] = assigned.?['b']))
	],
	[
		'MERGE',
		'MERGE INTO assigned a USING (VALUES (3)) v (i) ON a.id = v.i WHEN MATCHED THEN UPDATE SET '
		  . for_each_document(q(?['m'] = 'true'))
	],
	[ 'a view', 'UPDATE over_assigned SET ' . for_each_document(q(?['view'] = '[]')) . ' WHERE id < 4' ],
	[
		'a row',
		"UPDATE assigned SET (@{[ for_each_document(q(?['row'])) ]}) = (SELECT x, x, x FROM CAST('7' AS jsonb) x)"
	],
	[
		'prepared',
		'PREPARE again(jsonb) AS UPDATE assigned SET ' . for_each_document(q(?['again'] = $1)) . '; ' . join '; ',
		map { "EXECUTE again('$_')" } 1 .. 7
	]
  )
{
	my $before = sql_value($node, 'TABLE assigned ORDER BY id', db => 'app');
	sql_ok($node, $case->[1], "assigned to a subscript: $case->[0]", db => 'app');
	isnt(sql_value($node, 'TABLE assigned ORDER BY id', db => 'app'), $before, "$case->[0]: something changed");
	sql_is(
		$node,
		'SELECT count(*) FROM assigned WHERE (p IS DISTINCT FROM s::jsonb) OR p IS DISTINCT FROM r::jsonb OR p IS DISTINCT FROM s',
		0,
		"$case->[0]: the same document",
		db => 'app'
	);
	sql_is(
		$node,
		q(SELECT bool_and((keyring_inspect(s)).searchable), bool_or((keyring_inspect(r)).searchable) FROM assigned WHERE p IS NOT NULL),
		't|f',
		"$case->[0]: sealed for the column",
		db => 'app'
	);
}
sql_ok(
	$node, q(
	CREATE TYPE inside AS (d encrypted_jsonb);
	CREATE TYPE outside AS (n integer, i inside);
	CREATE FUNCTION assign(INOUT doc encrypted_jsonb, OUT field encrypted_jsonb, OUT moded encrypted_jsonb, OUT empty encrypted_jsonb) LANGUAGE plpgsql AS $$
	DECLARE
		o outside;
		r encrypted_jsonb(randomized) := '{}';
	BEGIN
		FOR i IN 1..3 LOOP
			doc['b'] := to_jsonb(i);
			doc['c'][1]['d'] := doc['b'];
			o.i.d['x'] := '"y"';
			r['k'] := ((o.i).d)['x'];
			empty['n'] := NULL;
		END LOOP;
		field := (o.i).d;
		moded := r;
	END $$;
	CREATE FUNCTION assign_new() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		NEW.p['new'] := to_jsonb(NEW.id);
		NEW.s['new'] := to_jsonb(NEW.id);
		NEW.r['new'] := NEW.s['new'];
		RETURN NEW;
	END $$;
	CREATE TRIGGER assign_new BEFORE UPDATE ON assigned FOR EACH ROW EXECUTE FUNCTION assign_new()),
	'variables of PL/pgSQL', db => 'app'
);
sql_is(
	$node,
	q(SELECT a.* FROM generate_series(1, 7) i, assign('{"a": 1}') a GROUP BY 1, 2, 3, 4),
	q({"a": 1, "b": 3, "c": [null, {"d": 3}]}|{"x": "y"}|{"k": "y"}|{"n": null}),
	'are assigned to by subscript',
	db => 'app'
);
sql_ok($node, 'UPDATE assigned SET id = id', 'and NEW', db => 'app');
sql_is(
	$node,
	q(SELECT count(*), bool_and(s::jsonb = p AND r::jsonb = p), bool_and((keyring_inspect(s)).searchable), bool_or((keyring_inspect(r)).searchable)
		FROM assigned WHERE p['new'] = to_jsonb(id)),
	'4|t|t|f',
	'of a trigger, each sealed for its column',
	db => 'app'
);
sql_ok($node, 'DROP TRIGGER assign_new ON assigned; DROP FUNCTION assign, assign_new; DROP TYPE outside, inside',
	'done', db => 'app');

# --- dumped and restored ----------------------------------------------------------------------

sub client_ok
{
	my ($name, $form, $program, @arguments) = @_;
	local $ENV{PGOPTIONS} = "-c keyring.input_format=$form -c keyring.output_format=$form";
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my $said = '';
	return ok(IPC::Run::run([ $node->installed_command($program), @arguments ], '<', \undef, '>&', \$said), $name)
	  || diag($said);
}
my %content = map { $_ => sql_value($node, "SELECT * FROM $_ ORDER BY id", db => 'app') } qw(copied s counted);
my $envelopes = 'SET keyring.output_format = ciphertext; SELECT * FROM s ORDER BY id; SELECT * FROM copied ORDER BY id';
my $sealed = sql_value($node, $envelopes, db => 'app');
my $file = $node->basedir . '/dump';
for my $form (qw(plaintext ciphertext))
{
	$node->safe_psql('postgres', "CREATE DATABASE $form");
	client_ok("$form: dumped", $form, 'pg_dump', '-Fc', '-f', "$file.$form", 'app');
	client_ok("$form: declared", $form, 'pg_restore', '-1', '--section=pre-data', '-d', $form, "$file.$form");
	sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'a key', db => $form) if $form eq 'plaintext';
	client_ok(
		"$form: restored", $form, 'pg_restore', '-1',
		'--section=data', '--section=post-data', '-d', $form,
		"$file.$form"
	);
	is(sql_value($node, "SELECT * FROM $_ ORDER BY id", db => $form), $content{$_}, "$form: $_") for sort keys %content;
	my $same = sql_value($node, $envelopes, db => $form) eq $sealed;
	is($same, $form eq 'ciphertext', "$form: envelopes are " . ($form eq 'ciphertext' ? 'the same' : 'others'));
	sql_is(
		$node,
		'SELECT '
		  . join(' + ', map { "(SELECT count(*) FROM s JOIN copied USING ($_))" } grep { $_ ne $position{json} } @names)
		  . ' - '
		  . join(' - ', map { "(SELECT count(*) FROM p a JOIN p b USING ($_))" } grep { $_ ne $position{json} } @names),
		0,
		"$form: values are found equal",
		db => $form
	);
}
done_testing();
