# keyring beside pg_stat_statements, auto_explain and pgAudit, loaded before them and after them. They see of statements on
# encrypted tables what they see of the same statements on plain ones.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main', start => 0);
chomp(my $share = `pg_config --sharedir`);
my @others =
  grep { $_ eq 'auto_explain' || -e "$share/extension/$_.control" } qw(pg_stat_statements auto_explain pgaudit);
my $has_pgss = grep { $_ eq 'pg_stat_statements' } @others;
my $has_pgaudit = grep { $_ eq 'pgaudit' } @others;

# The statements; T is the table. psql runs them as they are.
my $simple = <<'END';
INSERT INTO T VALUES (1, 'a', 'b', 3), (2, 'c', 'd', 4);
INSERT INTO T VALUES (3, 'e', 'f', 5);
INSERT INTO T SELECT i, 's' || i, 'r', i FROM generate_series(10, 20) i;
SELECT * FROM T WHERE s = 'a';
SELECT * FROM T WHERE s = 'c';
SELECT id FROM T WHERE s IN ('a', 'b', 'c');
SELECT id FROM T WHERE s IN ('x', 'y', 'z');
SELECT id FROM T WHERE s = ANY ('{a,b}');
SELECT id FROM T WHERE r = 'b' AND n = 3;
SELECT id FROM T WHERE r = 'x' AND n = 4;
SELECT id FROM T WHERE r LIKE 'b%' ORDER BY s, r LIMIT 3;
SELECT count(DISTINCT s), max(r) FROM T WHERE n > 2;
SELECT COALESCE(r, 'none'), s || 'x' FROM T GROUP BY r, s HAVING max(r) > 'h' ORDER BY s;
SELECT t.id FROM T t JOIN T u ON t.s = u.r WHERE u.n BETWEEN 1 AND 4;
WITH w AS (SELECT s FROM T WHERE r <> 'q') SELECT count(*) FROM w WHERE s > 'a';
UPDATE T SET r = 'new' WHERE s = 'a';
UPDATE T SET r = 'newer' WHERE s = 'c';
DELETE FROM T WHERE s = 'e';
INSERT INTO T VALUES (1, 'z', 'z', 1) ON CONFLICT (id) DO UPDATE SET r = excluded.r, s = 'q';
MERGE INTO T t USING (VALUES (2, 'c')) AS v (i, s) ON t.s = v.s WHEN MATCHED THEN UPDATE SET r = 'merged';
PREPARE by_text (text) AS SELECT id FROM T WHERE s = $1;
EXECUTE by_text ('a');
EXECUTE by_text ('b');
PREPARE untyped AS SELECT id FROM T WHERE s = $1 AND n = $2 OR r = $3;
EXECUTE untyped ('a', 1, 'x');
EXECUTE untyped ('c', 4, 'y');
DEALLOCATE ALL;
END

# pgbench runs these with parameters, anew each time or prepared.
my $bench = <<'END';
SELECT id, s, r FROM T WHERE s = :v;
INSERT INTO T (id, s, r, n) VALUES (:i, :w, :v, :i) ON CONFLICT DO NOTHING;
UPDATE T SET r = :v, n = :i WHERE s = :w;
SELECT count(*) FROM T WHERE r = :v OR n = :i;
END

my %columns = (
	plain => 's text UNIQUE, r text, n integer',
	sealed => 's encrypted_text(searchable) UNIQUE, r encrypted_text, n encrypted_integer(searchable)'
);

sub run_bench
{
	my ($mode, $table) = @_;
	my $script = $node->basedir . '/bench.sql';
	my $said;

	unlink $script;
	append_to_file($script, $bench =~ s/\bT\b/$table/gr);
	IPC::Run::run(
		[
			$node->installed_command('pgbench'),
			'-n', '-t', '3', '-M', $mode, '-f', $script, '-D', 'v=1234', '-D', 'w=5678', '-D', 'i=77',
			$node->connstr('postgres')
		],
		'<',
		\undef,
		'>&',
		\$said
	);
	return like($said, qr{actually processed: 3/3}, "$table: pgbench, $mode") || diag($said);
}

# What a library reports, with both tables under one name.
sub one_name
{
	my ($text) = @_;
	return $text =~ s/\b(?:plain|sealed)\b/T/gr;
}

sub statements
{
	my ($table) = @_;
	return one_name(
		sql_value(
			$node,
			"SELECT query, calls, rows, toplevel FROM pg_stat_statements WHERE query ~ '\\m$table\\M' AND query !~ 'CREATE|pg_stat' ORDER BY query COLLATE \"C\", calls"
		)
	);
}

sub check
{
	my ($order, @libraries) = @_;
	my (%log, %seen);

	$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . join(', ', @libraries) . "'");
	$node->restart;
	sql_ok($node, 'SELECT pg_stat_statements_reset()', "$order: statistics begin") if $has_pgss;

	# the tables anew, so that both start from the same
	for my $table (sort keys %columns)
	{
		sql_ok(
			$node,
			"DROP TABLE IF EXISTS $table; CREATE TABLE $table (id integer PRIMARY KEY, $columns{$table}); GRANT ALL ON $table TO auditor",
			"$order, $table: a table"
		);
		my $from = log_position($node);
		$seen{$table} = sql_value($node, $simple =~ s/\bT\b/$table/gr);
		run_bench($_, $table) for qw(extended prepared);
		$log{$table} = log_since($node, $from);
	}
	is($seen{sealed}, $seen{plain}, "$order: the same rows");

	if ($has_pgss)
	{
		my ($plain, $sealed) = map { statements($_) } qw(plain sealed);
		is($sealed, $plain, "$order: pg_stat_statements has the same entries, calls and rows");
		like($sealed, qr/^SELECT \* FROM T WHERE s = \$1\|2\|/m, "$order: one entry for two literals");
		like(
			$sealed,
			qr/^PREPARE by_text \(text\) AS SELECT id FROM T WHERE s = \$1\|2\|/m,
			"$order: one for a prepared statement"
		);
		like(
			$sealed,
			qr/^SELECT id, s, r FROM T WHERE s = \$1\|6\|/m,
			"$order: one for both forms of the extended protocol"
		);
		unlike($sealed, qr/'(?!%)\w+'|1234|5678/, "$order: which shows no literal and no parameter");
	}

	# Plans, by statement: the values of encrypted columns are nowhere in them but as literals of the statement.
	my %plans = map {
		$_ => [ map { one_name($_) } $log{$_} =~ /duration: [^\n]*plan:\n\tQuery Text: ([^\n]*)/g ]
	} keys %log;
	cmp_ok(scalar @{ $plans{sealed} }, '>', 40, "$order: auto_explain logs plans");
	is_deeply($plans{sealed}, $plans{plain}, "$order: of the same statements");
	like(
		$log{sealed},
		qr/Query Text: SELECT id FROM sealed WHERE s = ANY.*\n(?:.*\n)*?.*actual time=.*\n(?:.*\n)*?\t +Output: /,
		"$order: with what was measured, and what each node returns"
	);
	unlike($log{sealed}, qr/ERROR|WARNING|PANIC/, "$order: and nothing fails");

	if ($has_pgaudit)
	{
		my %audit = map {
			$_ => join "\n",
			  map { one_name($_) }
			  $log{$_} =~ /AUDIT: ((?:SESSION|OBJECT),.*)/g
		} keys %log;
		s/^(SESSION|OBJECT),\d+,\d+,/$1,/mg for values %audit;
		is($audit{sealed}, $audit{plain}, "$order: pgAudit logs the same");
		like($audit{sealed}, qr/^SESSION,READ,SELECT,.*SELECT \* FROM T WHERE s = 'a'/m, "$order: statements");
		like($audit{sealed}, qr/^OBJECT,READ,SELECT,TABLE,public\.T,/m, "$order: and what happens to tables");
		like($audit{sealed}, qr/"SELECT id, s, r FROM T WHERE s = \$1;?",1234/, "$order: with parameters");
	}
	return;
}

$node->append_conf('postgresql.conf', <<'END');
compute_query_id = on
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
auto_explain.log_triggers = on
pg_stat_statements.track = top
pgaudit.log = 'read, write'
pgaudit.log_relation = on
pgaudit.log_parameter = on
pgaudit.role = 'auditor'
jit = off
END
$node->append_conf('postgresql.conf', "shared_preload_libraries = '" . join(', ', 'keyring', @others) . "'");
$node->start;
keyring_db($node);
sql_ok($node, 'CREATE ROLE auditor', 'a role for what is audited');
for my $extension (grep { $_ ne 'auto_explain' } @others)
{
	sql_ok($node, "CREATE EXTENSION $extension", $extension);
}

check('keyring first', 'keyring', @others);
check('keyring last', @others, 'keyring');
check('keyring amid', reverse(@others[ 0, 1 ]), 'keyring', @others[ 2 .. $#others ]) if @others > 2;

# EXPLAIN looks at the literal when it is one of the base type already: doc/living-with-others.md says so.
if ($has_pgss)
{
	for my $case ([ plain => 'the one' ], [ sealed => 'another than that' ])
	{
		my ($table, $which) = @$case;
		my $query = "SELECT n FROM $table WHERE s = 'a' AND id = 1";
		my ($id) = sql_value($node, "$query; EXPLAIN (VERBOSE) $query") =~ /Query Identifier: (-?\d+)/;
		sql_is(
			$node,
			"SELECT queryid = $id FROM pg_stat_statements WHERE query LIKE 'SELECT n FROM $table %' AND toplevel",
			$table eq 'plain' ? 't' : 'f',
			"$table: EXPLAIN shows $which of pg_stat_statements"
		);
	}
}

# A user who may write and not read: plans that are logged do not show what he wrote under a parameter of an encrypted type,
# and do not fail because of it.
sql_ok(
	$node,
	q(CREATE ROLE writer; GRANT INSERT, UPDATE, SELECT (id) ON sealed TO writer;
	CREATE FUNCTION note(i integer, word text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE v encrypted_text := word;
	BEGIN
		INSERT INTO sealed (id, r) VALUES (i, v);
	END $$),
	'a role that only writes'
);
my $from = log_position($node);
# from 16 on auto_explain prints parameters, too, as they would be sent to that user
if ($node->pg_version >= 16)
{
	$node->append_conf('postgresql.conf', 'auto_explain.log_parameter_max_length = 0');
	$node->reload;
}
for my $custom ('force_custom_plan', 'force_generic_plan')
{
	sql_ok(
		$node,
		qq(SET plan_cache_mode = $custom; SET pgaudit.log_parameter = off; SET keyring.require_reader = on; SET ROLE writer;
		PREPARE put (integer, encrypted_text) AS INSERT INTO sealed (id, r) VALUES (\$1, \$2);
		EXECUTE put (floor(random() * 1000000) + 1000, 'under a parameter');
		PREPARE change (encrypted_text, encrypted_text[]) AS UPDATE sealed SET r = COALESCE(\$1, (\$2)[1]) WHERE id = 1;
		EXECUTE change (NULL, '{under an array}');
		EXPLAIN (VERBOSE) EXECUTE change ('under explain', NULL);
		SELECT note(floor(random() * 1000000)::integer + 1000, 'under a variable')),
		"$custom: parameters and variables of an encrypted type"
	);
}
if ($has_pgaudit)
{
	sql_fails(
		$node,
		q(SET keyring.require_reader = on; SET ROLE writer; PREPARE put (integer, encrypted_text) AS INSERT INTO sealed (id, r) VALUES ($1, $2);
		EXECUTE put (1, 'x')),
		'KR008',
		qr/may not read/,
		'pgAudit prints parameters for that user'
	);
	sql_ok(
		$node,
		q(SET keyring.require_reader = on; SET ROLE writer; PREPARE put (integer, text) AS INSERT INTO sealed (id, r) VALUES ($1, $2);
		EXECUTE put (999, 'x')),
		'who may give them the base type'
	);
}
my @outputs = log_since($node, $from) =~ /^\t +Output: (.*)$/mg;
cmp_ok(scalar @outputs, '>=', 6, 'the plans are logged');
is((grep { /under/ } grep { !/note\(/ } @outputs), 0, 'without the values');

done_testing();
