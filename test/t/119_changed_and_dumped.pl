# Schemas with a history: encrypted columns added with a DEFAULT, renamed and moved, under every kind of constraint and index, and
# in trees of tables, are the same after a dump and restore in either form, and go on.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main');
my $file = $node->basedir . '/dump.sql';
keyring_db($node, 'app');
sql_ok(
	$node, q(
	CREATE SCHEMA home; CREATE SCHEMA moved;
	CREATE TABLE home.was (id integer PRIMARY KEY, was encrypted_text(searchable) UNIQUE);
	INSERT INTO home.was SELECT i, 'v' || i FROM generate_series(1, 20) i;
	ALTER TABLE home.was ADD COLUMN added encrypted_integer DEFAULT 7, ADD COLUMN whole encrypted_bigint(searchable) NOT NULL DEFAULT 9;
	ALTER TABLE home.was RENAME COLUMN was TO "Is";
	ALTER TABLE home.was RENAME TO "is";
	ALTER TABLE home."is" SET SCHEMA moved;
	ALTER TABLE moved."is" RENAME CONSTRAINT was_was_key TO only_one;
	ALTER TABLE moved."is" REPLICA IDENTITY USING INDEX was_pkey, ALTER added SET DEFAULT 8;

	CREATE TABLE kinds (k encrypted_uuid(searchable) PRIMARY KEY, x encrypted_numeric(searchable, 8, 2), d encrypted_date(searchable),
		n encrypted_text(searchable), m encrypted_inet, CONSTRAINT no_two EXCLUDE USING hash (x WITH =),
		CONSTRAINT later UNIQUE (d) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT null_once UNIQUE NULLS NOT DISTINCT (n),
		CONSTRAINT not_far CHECK (m << inet '10.0.0.0/8'), CONSTRAINT short CHECK (length(n) < 20));
	CREATE INDEX partial ON kinds (d, n) WHERE m IS NOT NULL;
	CREATE INDEX included ON kinds (d) INCLUDE (m);
	CREATE INDEX hashed ON kinds USING hash (n);
	COMMENT ON COLUMN kinds.m IS 'where from'; COMMENT ON CONSTRAINT no_two ON kinds IS 'but one';
	ALTER TABLE kinds ALTER x SET STATISTICS 7, ALTER n SET STORAGE EXTENDED;
	INSERT INTO kinds SELECT md5(i::text)::uuid, i / 4.0, date '2000-01-01' + i, 'n' || i, '10.0.0.1' FROM generate_series(1, 9) i;
	CREATE TABLE refers (k encrypted_uuid(searchable) CONSTRAINT to_kinds REFERENCES kinds ON DELETE CASCADE DEFERRABLE,
		d encrypted_date(searchable), s encrypted_bigint(searchable));
	INSERT INTO refers SELECT k, d FROM kinds;

	CREATE TABLE parts (place integer, s encrypted_text(searchable), r encrypted_jsonb DEFAULT '{"a": 1}', UNIQUE (place, s)) PARTITION BY LIST (place);
	CREATE TABLE part_1 PARTITION OF parts (r DEFAULT '{}') FOR VALUES IN (1);
	CREATE TABLE part_2 PARTITION OF parts DEFAULT;
	CREATE INDEX ON parts (s);
	INSERT INTO parts (place, s) SELECT i % 3, 's' || i FROM generate_series(1, 12) i;
	CREATE TABLE heir (own encrypted_boolean DEFAULT true) INHERITS (moved."is");
	INSERT INTO heir (id, "Is") VALUES (100, 'an heir');
	CREATE VIEW ordered AS SELECT s, r, rank() OVER (ORDER BY s DESC) FROM parts WHERE s > 's2' ORDER BY s DESC, r;
	CREATE VIEW grouped AS SELECT DISTINCT ON (d) d, max(n) OVER (PARTITION BY d) AS n FROM kinds ORDER BY d DESC NULLS LAST, n),
	'a schema with a history',
	db => 'app'
);

my %shown = (
	constraints =>
	  q(SELECT conrelid::regclass::text COLLATE "C", conname, pg_get_constraintdef(oid), obj_description(oid) FROM pg_constraint
		WHERE conrelid::regclass::text ~ '^(moved|kinds|refers|part|heir)' ORDER BY 1, 2),
	indexes => q(SELECT pg_get_indexdef(indexrelid), indisreplident, indisclustered FROM pg_index
		WHERE indrelid::regclass::text ~ '^(moved|kinds|refers|part|heir)' ORDER BY 1),
	columns =>
	  q(SELECT attrelid::regclass::text COLLATE "C", attname, format_type(atttypid, atttypmod), attnotnull, attstattarget, attstorage, relreplident,
		(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum), col_description(attrelid, attnum)
		FROM pg_attribute JOIN pg_class c ON c.oid = attrelid AND relkind IN ('r', 'p') WHERE attrelid::regclass::text ~ '^(moved|kinds|refers|part|heir)' AND attnum > 0 AND NOT attisdropped ORDER BY 1, attnum),
	views => q(SELECT viewname, definition FROM pg_views WHERE viewname IN ('ordered', 'grouped') ORDER BY 1),
	moved => 'SELECT * FROM moved."is" ORDER BY id',
	(map { $_ => "TABLE $_" } qw(ordered grouped)),
	(map { $_ => "SELECT $_.* FROM $_ ORDER BY 1, 2" } qw(kinds refers parts heir))
);
my %original = map { $_ => sql_value($node, $shown{$_}, db => 'app') } sort keys %shown;
like($original{moved}, qr/^1\|v1\|7\|9$/m, 'a column added with a DEFAULT has it in the rows from before');
is(() = $original{ordered} =~ /\n/g, 6, 'a view has rows');

sub run_ok
{
	my ($name, $form, $program, @arguments) = @_;
	local $ENV{PGOPTIONS} = "-c keyring.input_format=$form -c keyring.output_format=$form";
	my $said = '';
	return ok(
		IPC::Run::run(
			[ $node->installed_command($program), '-h', $node->host, '-p', $node->port, @arguments ],
			'<', \undef, '>&', \$said
		),
		$name
	) || diag($said);
}

# What the constraints refuse, and let through.
my @refused = (
	[ 'EXCLUDE', 'INSERT INTO kinds VALUES (gen_random_uuid(), 0.254)', '23P01', qr/no_two/ ],
	[ 'UNIQUE, deferred', q(INSERT INTO kinds VALUES (gen_random_uuid(), 50, '2000-01-02', 'z')), '23505', qr/later/ ],
	[
		'NULLS NOT DISTINCT',
		q(INSERT INTO kinds (k) VALUES (gen_random_uuid()); INSERT INTO kinds (k) VALUES (gen_random_uuid())),
		'23505', qr/null_once/
	],
	[ 'CHECK', q(INSERT INTO kinds (k, m) VALUES (gen_random_uuid(), '11.0.0.1')), '23514', qr/not_far/ ],
	[ 'FOREIGN KEY', 'INSERT INTO refers VALUES (gen_random_uuid())', '23503', qr/to_kinds/ ],
	[ 'NOT NULL', q(INSERT INTO moved."is" (id, whole) VALUES (50, NULL)), '23502', qr/whole/ ],
	[ 'UNIQUE of a partition', q(INSERT INTO parts VALUES (1, 's1')), '23505', qr/part_1/ ],
	[ 'a renamed constraint', q(INSERT INTO moved."is" VALUES (50, 'v1')), '23505', qr/only_one/ ]
);

sub goes_on
{
	my ($form) = @_;
	sql_fails($node, $_->[1], $_->[2], $_->[3], "$form: $_->[0]", db => $form) for @refused;
	return sql_is(
		$node, q(
		INSERT INTO moved."is" (id) VALUES (60) RETURNING added, whole;
		INSERT INTO parts (place, s) VALUES (1, 'new') RETURNING r;
		DELETE FROM kinds WHERE n = 'n3'; SELECT count(*) FROM refers;
		SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT FROM kinds WHERE n = 'n4'),
		"8|9\n{\"a\": 1}\n8\nIndex Scan using hashed on kinds\n  Index Cond: (n = ('n4'::text)::encrypted_text)",
		"$form: goes on", db => $form
	);
}

for my $form (qw(plaintext ciphertext))
{
	unlink $file;
	$node->safe_psql('postgres', "CREATE DATABASE $form");
	if ($form eq 'ciphertext')
	{
		run_ok("$form: dumped", $form, 'pg_dump', '-f', $file, 'app');
		run_ok("$form: restored", $form, 'psql', '-qX1', '-v', 'ON_ERROR_STOP=1', '-d', $form, '-f', $file);
	}
	else
	{
		for my $section (qw(pre-data data post-data))
		{
			run_ok("$form: $section dumped", $form, 'pg_dump', "--section=$section", '-f', $file, 'app');
			run_ok("$form: $section restored", $form, 'psql', '-qX1', '-v', 'ON_ERROR_STOP=1', '-d', $form, '-f',
				$file);
			sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', "$form: a key", db => $form)
			  if $section eq 'pre-data';
		}
	}
	is(sql_value($node, $shown{$_}, db => $form), $original{$_}, "$form: $_") for sort keys %shown;
	goes_on($form);
}

# The schema alone, as an administrator of ciphertext dumps takes it: no key and no value goes along, and none is needed.
unlink $file;
$node->safe_psql('postgres', 'CREATE DATABASE bare');
run_ok('schema only: dumped', 'ciphertext', 'pg_dump', '--schema-only', '-f', $file, 'app');
run_ok('schema only: restored', 'plaintext', 'psql', '-qX1', '-v', 'ON_ERROR_STOP=1', '-d', 'bare', '-f', $file);
unlike(slurp_file($file), qr/keyring:/, 'schema only: no envelopes');
is(sql_value($node, $shown{$_}, db => 'bare'), $original{$_}, "schema only: $_")
  for qw(constraints indexes columns views);
sql_is(
	$node, 'SELECT (SELECT count(*) FROM kinds), (SELECT count(*) FROM parts), (SELECT count(*) FROM keyring_keys)',
	'0|0|0',
	'schema only: no rows and no keys',
	db => 'bare'
);
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'schema only: a key', db => 'bare');
sql_is(
	$node, q(INSERT INTO parts (place, s) VALUES (1, 'new') RETURNING r, s),
	'{"a": 1}|new',
	'schema only: is used',
	db => 'bare'
);
done_testing();
