# Functions, operators, types and relations of a role that is no superuser stand first in the search_path of superusers
# and administrators, under every name that keyring's sources hold. None of them runs from keyring's code; and what its
# owner has attached to a table (constraints, indexes, defaults) runs with its owner's rights when keyring rewrites it.
use strict;
use warnings FATAL => 'all';

use KeyringLeak;
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "log_statement = none\nmax_locks_per_transaction = 1024");

sql_ok(
	$node, q(
	CREATE ROLE mallory LOGIN;
	CREATE ROLE alice LOGIN IN ROLE mallory;
	CREATE SCHEMA evil AUTHORIZATION mallory;
	CREATE SCHEMA shared;
	GRANT CREATE, USAGE ON SCHEMA shared TO PUBLIC),
	'mallory may create objects where keyring will be, alice is a member of mallory'
);

# Every word of keyring's sources.
my %words;
for my $file (files_below('sql/parts', 'src'))
{
	next unless $file =~ /\.(sql|in|c|h)$/;
	my $text = slurp_file($file) =~ s/\@base\@/text/gr;
	$words{$_} = 1 for $text =~ /\b([a-z_][a-z0-9_]*)\b/g;
}
cmp_ok(scalar(keys %words), '>', 1000, 'words of the sources');
my $words = "'{" . join(',', sort keys %words) . "}'::pg_catalog.text[]";

# Runs as mallory with a path that her own objects are not in. What cannot be made (an argument of type internal) is left out.
sub make_evil
{
	my ($schema, $what, $query) = @_;
	my $made = sql_value(
		$node, qq(
		SET search_path = pg_catalog;
		DO \$do\$
		DECLARE command text; made integer := 0;
		BEGIN
			FOR command IN $query LOOP
				BEGIN
					EXECUTE replace(command, 'EVIL', '$schema');
					made := made + 1;
				EXCEPTION WHEN OTHERS THEN NULL;
				END;
			END LOOP;
			PERFORM set_config('evil.made', made::text, false);
		END \$do\$;
		SELECT current_setting('evil.made')), user => 'mallory'
	);
	cmp_ok($made, '>', 0, "$schema: $made $what");
	return;
}

# A copy of each function that says who runs it, then does what the original does.
my $body = q('BEGIN RAISE LOG $m$evil %s as %%$m$, current_user; RETURN %s; END');
my $arguments = q((SELECT string_agg('$' || i, ', ') FROM generate_series(1, p.pronargs) i));
my $functions = qq(
	SELECT format('CREATE FUNCTION EVIL.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', p.proname,
		pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid),
		format($body, p.proname || '()', format('%I.%I(%s)', n.nspname, p.proname, coalesce($arguments, ''))))
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE p.proname = ANY ($words) AND n.nspname IN ('pg_catalog', 'shared') AND p.prokind = 'f' AND NOT p.proretset);
my $aggregates = q(
	SELECT unnest(ARRAY[
		'CREATE FUNCTION EVIL.counted(bigint) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE LOG ''evil count() as %'', current_user; RETURN $1 + 1; END$$',
		'CREATE FUNCTION EVIL.counted(bigint, anyelement) RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RAISE LOG ''evil count() as %'', current_user; RETURN $1 + 1; END$$',
		'CREATE AGGREGATE EVIL.count(*) (SFUNC = EVIL.counted, STYPE = bigint, INITCOND = ''0'')',
		'CREATE AGGREGATE EVIL.count(anyelement) (SFUNC = EVIL.counted, STYPE = bigint, INITCOND = ''0'')']));
my $operators = qq(
	SELECT unnest(ARRAY[
		format('CREATE FUNCTION EVIL.operator_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', o.oid,
			concat_ws(', ', nullif(o.oprleft, 0)::regtype, o.oprright::regtype), o.oprresult::regtype,
			format($body, o.oprname, CASE WHEN o.oprleft = 0 THEN format('OPERATOR(%I.%s) \$1', n.nspname, o.oprname)
				ELSE format('\$1 OPERATOR(%I.%s) \$2', n.nspname, o.oprname) END)),
		format('CREATE OPERATOR EVIL.%s (FUNCTION = EVIL.operator_%s, %s RIGHTARG = %s)', o.oprname, o.oid,
			CASE WHEN o.oprleft <> 0 THEN format('LEFTARG = %s,', o.oprleft::regtype) END, o.oprright::regtype)])
	FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
	WHERE n.nspname IN ('pg_catalog', 'shared')
		AND (o.oprname IN ('=', '<>', '<', '<=', '>', '>=', '~~', '!~~', '||', '~<~', '~<=~', '~>~', '~>=~', '+', '-', '\@>', '&')
			AND (o.oprleft::regtype::text ~ '^(text|name|bytea|smallint|integer|bigint|oid|boolean|"char"|uuid|timestamp with time zone|anyarray|aclitem.*|(shared.)?encrypted_.*)\$')));
# Operators that fit an argument of another type better than PostgreSQL's own do.
my $better = q(
	SELECT unnest(ARRAY[
		format('CREATE FUNCTION EVIL.better_%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE LOG ''evil better %s as %%'', current_user; RETURN true; END$$', md5(l || o || r), l, r, o),
		format('CREATE OPERATOR EVIL.%s (FUNCTION = EVIL.better_%s, LEFTARG = %s, RIGHTARG = %s)', o, md5(l || o || r), l, r)])
	FROM unnest(ARRAY['name', 'text', 'varchar', 'bpchar', 'bytea', '"char"', 'integer', 'bigint', 'smallint', 'oid', 'regclass', 'regtype']) l,
		unnest(ARRAY['name', 'text', 'varchar', 'bpchar', 'bytea', '"char"', 'integer', 'bigint', 'smallint', 'oid', 'regclass', 'regtype']) r,
		unnest(ARRAY['=', '<>', '<', '>', '~~']) o);
my $seen = q(
	SELECT unnest(ARRAY[
		'CREATE FUNCTION EVIL.seen(what text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE LOG ''evil % as %'', what, current_user; RETURN true; END$$',
		'GRANT USAGE ON SCHEMA EVIL TO PUBLIC']));
my $types = qq(
	SELECT format('CREATE DOMAIN EVIL.%I AS %I.%I CHECK (evil.seen(%L))', t.typname, n.nspname, t.typname, 'type ' || t.typname)
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE t.typname = ANY ($words || ARRAY['bool', 'int2', 'int4', 'int8', 'text', 'varchar', 'bpchar', 'timestamptz', 'regclass', 'regtype', 'char', 'encrypted_text', 'encrypted_bytea'])
		AND n.nspname IN ('pg_catalog', 'shared') AND t.typtype = 'b' AND t.typrelid = 0);
my $relations = qq(
	SELECT format('CREATE VIEW EVIL.%I AS SELECT evil.seen(%L), 1 AS id', c.relname, 'relation ' || c.relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relname = ANY ($words) AND n.nspname IN ('pg_catalog', 'shared') AND c.relkind IN ('r', 'v'));

# Before the extension is there, and where it will be; the second time with its own names.
make_evil('evil', 'functions', $seen);
make_evil('shared', 'functions', $functions);
make_evil('shared', 'operators', $operators);
make_evil('shared', 'operators that fit better', $better);
make_evil('evil', 'operators that fit better', $better);

my $path = 'SET search_path = evil, shared, pg_temp, pg_catalog;';

# Who ran what of mallory's since a place in the log.
sub evil_since
{
	my ($start) = @_;
	return join "\n", log_since($node, $start) =~ /LOG:  (evil .*)$/mg;
}

my $start = log_position($node);
sql_ok($node, "$path CREATE EXTENSION keyring SCHEMA shared", 'CREATE EXTENSION in that schema');
is(evil_since($start), '', 'runs nothing of mallory\'s');
sql_ok(
	$node,
	"SELECT shared.keyring_activate(shared.keyring_create_key()), shared.keyring_grant('alice', 'admin'), shared.keyring_grant('mallory', 'admin')",
	'a key; alice and mallory are administrators'
);
make_evil('evil', 'functions', $functions);
make_evil('evil', 'aggregates', $aggregates);
make_evil('evil', 'operators', $operators);
make_evil('evil', 'relations', $relations);

# Tables of mallory's, of the ordinary kind.
sql_ok(
	$node, q(
	SET search_path = pg_catalog, shared;
	CREATE TABLE evil.quiet (id integer PRIMARY KEY, v shared.encrypted_text, s shared.encrypted_text(searchable) UNIQUE,
		b shared.encrypted_bytea(searchable), n pg_catalog.varchar(9));
	CREATE TABLE evil.quiet_part (LIKE evil.quiet INCLUDING DEFAULTS) PARTITION BY LIST (id);
	CREATE TABLE evil.quiet_part_1 PARTITION OF evil.quiet_part DEFAULT;
	CREATE VIEW evil.quiet_view AS SELECT id, v, s FROM evil.quiet ORDER BY s;
	INSERT INTO evil.quiet SELECT i, 'v' || i, 's' || i, 'b', 'n' || i FROM generate_series(1, 20) i),
	'tables', user => 'mallory'
);
make_evil('evil', 'types', $types);

$start = log_position($node);
sql_ok(
	$node,
	qq($path SELECT now(), 'a'::text; SELECT FROM keyring_key; SELECT FROM quiet WHERE s = 's3'::pg_catalog.text OR v ~<~ v),
	'statements that are not qualified'
);
my $all = evil_since($start);
like($all, qr/^evil $_ as postgres$/m, "run mallory's $_, so the search finds it")
  for 'now\(\)', '=', '~<~', 'type text', 'relation keyring_key';

# --- what administrators do ---------------------------------------------------------------------

# Relations and types in pg_temp, too.
my $temporary = join '',
  map { "CREATE TEMPORARY VIEW $_ AS SELECT evil.seen('temporary $_'); " }
  qw(keyring_key keyring_event keyring_keys keyring_columns pg_extension pg_depend pg_type pg_proc pg_attribute pg_class);
$temporary .= join '',
  map { "CREATE DOMAIN pg_temp.$_ AS pg_catalog.$_ CHECK (evil.seen('temporary $_')); " }
  qw(text bytea oid name int4 bool);

my $keys = '(SELECT pg_catalog.max(id) FROM shared.keyring_keys)';
my $job = '(SELECT pg_catalog.max(id) FROM shared.keyring_jobs)';
my @calls = (
	q(SELECT shared.keyring_create_key()),
	q(SELECT shared.keyring_create_key(label => 'x')),
	qq(SELECT * FROM shared.keyring_check_key($keys)),
	qq(SELECT shared.keyring_destroy_key($keys)),
	q(SELECT shared.keyring_activate(shared.keyring_create_key())),
	q(SELECT shared.keyring_rewrap_key(1)),
	q(SELECT * FROM shared.keyring_check_resource('managed', NULL)),
	q(SELECT shared.keyring_service_account('managed')),
	q(SELECT shared.keyring_flush_cache()),
	q(SELECT * FROM shared.keyring_key_health(1)),
	q(SELECT * FROM shared.keyring_statistics()),
	q(SELECT * FROM shared.keyring_doctor()),
	q(SELECT shared.keyring_may_admin()),
	q(SELECT shared.keyring_grant('alice', 'backup'), shared.keyring_grant('alice', 'reader'), shared.keyring_revoke('alice', 'backup')),
	q(SELECT * FROM shared.keyring_census()),
	q(SELECT * FROM shared.keyring_census('evil.quiet'); SELECT * FROM shared.keyring_census('evil.quiet', 's')),
	q(SELECT shared.keyring_inspect(v), shared.keyring_inspect(b), shared.keyring_fits(v, 3) FROM evil.quiet),
	q(SELECT shared.keyring_encrypt_column('evil.quiet', 'n', searchable => true)),
	q(SELECT shared.keyring_decrypt_column('evil.quiet', 'n')),
	q(SELECT shared.keyring_encrypt_column('evil.quiet_part', 'n')),
	q(SELECT shared.keyring_decrypt_column('evil.quiet_part', 'n')),
	qq(BEGIN; SELECT shared.keyring_reencrypt('evil.quiet', 'v'); SELECT shared.keyring_pause_job($job); SELECT shared.keyring_resume_job($job);
		SELECT shared.keyring_cancel_job($job); COMMIT),
	q(SELECT shared.keyring_reencrypt(); CALL shared.keyring_wait_for_job()),
	(map { "TABLE shared.keyring_$_" } qw(keys events stats columns jobs unrecoverable))
);

# Statements that are qualified throughout: whatever else they run comes from keyring's hooks.
my $eq = 'OPERATOR(shared.=)';
my @statements = (
	q(SELECT v, s, b FROM evil.quiet ORDER BY s, v DESC, b),
	q(SELECT v, s FROM evil.quiet_view),
	qq(SELECT id FROM evil.quiet WHERE s $eq 's3' OR v $eq 'v4' OR s $eq ANY ('{s1,s2}') OR b $eq 'b' OR s $eq 's3'::pg_catalog.text),
	q(SELECT id FROM evil.quiet WHERE s OPERATOR(shared.<) 's3' AND v OPERATOR(shared.>=) 'v1'::pg_catalog.text),
	qq(SELECT a.id FROM evil.quiet a JOIN evil.quiet b ON a.s $eq b.s JOIN evil.quiet c ON c.v $eq b.s),
	q(SELECT s, pg_catalog.count(*), pg_catalog.min(v) FROM evil.quiet GROUP BY s),
	q(SELECT DISTINCT v FROM evil.quiet UNION SELECT s FROM evil.quiet),
	q(SELECT pg_catalog.row_number() OVER (ORDER BY v), COALESCE(v, 'x'), CASE WHEN id OPERATOR(pg_catalog.>) 3 THEN v END,
		GREATEST(v, s), pg_catalog.length(v) FROM evil.quiet),
	q(SELECT pg_catalog.upper(v) FROM evil.quiet WHERE v OPERATOR(pg_catalog.~~) 'v%'),
	q(DELETE FROM evil.quiet WHERE id OPERATOR(pg_catalog.>=) 30; INSERT INTO evil.quiet VALUES (30, 'v', 's30', 'b', 'n'); INSERT INTO evil.quiet (id, v, s) SELECT 31, s, 's31' FROM evil.quiet WHERE id OPERATOR(pg_catalog.=) 1),
	q(INSERT INTO evil.quiet (id, s) VALUES (32, 's30') ON CONFLICT (s) DO UPDATE SET v = 'conflict', s = EXCLUDED.s),
	q(UPDATE evil.quiet SET v = s, s = 'x' WHERE id OPERATOR(pg_catalog.=) 31; UPDATE evil.quiet SET v = 'x'::pg_catalog.text),
	qq(MERGE INTO evil.quiet q USING evil.quiet p ON q.id OPERATOR(pg_catalog.=) p.id AND q.s $eq p.s WHEN MATCHED THEN UPDATE SET v = p.s WHEN NOT MATCHED THEN DO NOTHING),
	qq(DELETE FROM evil.quiet WHERE s $eq 'x' RETURNING v),
	qq(COPY evil.quiet (id, v, s) FROM STDIN;\n40\tcopied\tcopied\n\\.\n; DELETE FROM evil.quiet WHERE id OPERATOR(pg_catalog.=) 40),
	q(COPY evil.quiet TO STDOUT),
	qq(PREPARE p (pg_catalog.text) AS SELECT id FROM evil.quiet WHERE s $eq \$1; EXECUTE p('s1')),
	q(CREATE TEMPORARY TABLE made AS SELECT v, s FROM evil.quiet ORDER BY s),
	q(CREATE INDEX again ON evil.quiet (s); REINDEX TABLE evil.quiet; ANALYZE evil.quiet; VACUUM evil.quiet; DROP INDEX evil.again),
	q(ALTER TABLE evil.quiet ADD more shared.encrypted_text DEFAULT 'more'; ALTER TABLE evil.quiet DROP more),
	q(ALTER TABLE evil.quiet ALTER b TYPE shared.encrypted_bytea(randomized); ALTER TABLE evil.quiet ALTER b TYPE shared.encrypted_bytea(searchable)),
	q(SET keyring.output_format = ciphertext; SELECT v FROM evil.quiet; TABLE shared.keyring_keys; RESET keyring.output_format),
	q(SET keyring.require_reader = on; SELECT pg_catalog.count(id) FROM evil.quiet),
	q(BEGIN; DECLARE c SCROLL CURSOR FOR SELECT s FROM evil.quiet ORDER BY v; FETCH ALL FROM c; COMMIT),
	q(EXPLAIN (VERBOSE, ANALYZE) SELECT v FROM evil.quiet ORDER BY v)
);

# Functions in SQL were parsed when they were made: what they call stands in their bodies by Oid.
my $type_names = join '|', split /\n/,
  sql_value($node,
	q(SELECT substr(typname, 11) FROM pg_type WHERE typnamespace = 'shared'::regnamespace AND typname ~ '^encrypted_'));
sql_is(
	$node,
	q(SELECT count(*) > 0, count(*) FILTER (WHERE prosqlbody IS NULL AND prosrc <> 'SELECT true') FROM pg_proc JOIN pg_language l ON l.oid = prolang
	  WHERE pronamespace = 'shared'::regnamespace AND lanname = 'sql' AND (proname ~ '^keyring_' OR proname IN ('age', 'round'))),
	't|0', 'functions in SQL are stored as trees'
);
my $text = join "\n", @calls;
for my $name (
	split /\n/,
	sql_value(
		$node,
		q(SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'shared'::regnamespace AND proname ~ '^keyring_'
		  AND prosqlbody IS NULL)
	)
  )
{
	next
	  if $name =~
	  /^keyring_($type_names)_|_(typmod_(in|out)|analyze|mixed_support|cost_support|eqsel|neqsel|eqjoinsel|neqjoinsel|key_guard|may_read|may_backup)$/;
	ok($text =~ /\b\Q$name\E\b/, "$name() is among the calls");
}

for my $role (qw(postgres alice mallory))
{
	for my $call (@calls, @statements)
	{
		next if $role ne 'postgres' && $call =~ /require_reader/;
		my $from = log_position($node);
		my ($status, undef, $said) = KeyringTest::_psql($node, "$temporary $path $call", user => $role);
		my $ran = evil_since($from);
		my $short = $call =~ s/\s+/ /gr;
		ok(defined $status && $status == 0 && $ran eq '', "$role: $short") || diag("$said\nran: $ran");
	}
}

# --- a table whose owner has attached functions to it -----------------------------------------------

sql_ok(
	$node, q(
	SET search_path = pg_catalog, shared;
	CREATE FUNCTION evil.pure(pg_catalog.text) RETURNS pg_catalog.text IMMUTABLE LANGUAGE plpgsql AS
		$$BEGIN RAISE LOG 'evil attached as %', current_user; RETURN $1; END$$;
	CREATE FUNCTION evil.check(pg_catalog.text) RETURNS pg_catalog.bool IMMUTABLE LANGUAGE plpgsql AS
		$$BEGIN RAISE LOG 'evil attached as %', current_user; RETURN true; END$$;
	CREATE TABLE evil.rigged (id integer PRIMARY KEY, v pg_catalog.text DEFAULT evil.pure('default'), w pg_catalog.text,
		CHECK (evil.check(v)), CHECK (evil.check('constant')), CONSTRAINT w CHECK (evil.check(w)));
	CREATE INDEX ON evil.rigged (evil.pure(w));
	CREATE INDEX ON evil.rigged (id) WHERE evil.check(w);
	INSERT INTO evil.rigged SELECT i, 'v' || i, 'w' || i FROM generate_series(1, 5) i;
	CREATE POLICY p ON evil.rigged USING (evil.check(w));
	ALTER TABLE evil.rigged ENABLE ROW LEVEL SECURITY;
	CREATE TABLE evil.rigged_parent (id integer, v pg_catalog.text, CHECK (evil.check(v))) PARTITION BY LIST (id);
	CREATE TABLE evil.rigged_child PARTITION OF evil.rigged_parent (CHECK (evil.check(v || 'child'))) DEFAULT;
	INSERT INTO evil.rigged_parent VALUES (1, 'v')), 'a table with functions attached', user => 'mallory'
);
for my $role (qw(postgres alice mallory))
{
	for my $call (
		(
			map {
				my $f = $_;
				map { "SELECT shared.keyring_${f}_column('evil.$_', 'v')" } qw(rigged rigged_parent)
			} qw(encrypt decrypt)
		),
		q(SELECT shared.keyring_encrypt_column('evil.rigged', 'v', true)),
		q(SELECT * FROM shared.keyring_census('evil.rigged'); SELECT shared.keyring_create_key()),
		qq(SELECT shared.keyring_destroy_key($keys)),
		q(SELECT shared.keyring_decrypt_column('evil.rigged', 'v'))
	  )
	{
		my $from = log_position($node);
		sql_ok($node, "$path $call", "$role: $call", user => $role);
		my $ran = evil_since($from);
		is(join("\n", grep { $_ ne 'evil attached as mallory' } split /\n/, $ran),
			'', "$role: what is attached runs as its owner");
		like($ran, qr/attached/, "$role: and runs") if $call =~ /crypt_column/;
	}
}
done_testing();
