# Foreign tables of postgres_fdw: with base types over encrypted columns, with encrypted types over plain and over encrypted
# columns. Each query gives what it gives over a plain table, whatever is sent to the other server.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "jit = off");
chomp(my $share = `pg_config --sharedir`);
plan skip_all => 'this server has no postgres_fdw' if !-e "$share/extension/postgres_fdw.control";
keyring_db($node);
keyring_db($node, 'far');

my %types = (
	w => 'text',
	r => 'text',
	n => 'integer',
	rn => 'integer',
	b => 'bigint',
	x => 'numeric',
	d => 'date',
	t => 'timestamp',
	ok => 'boolean',
	u => 'uuid',
	j => 'jsonb',
	f => 'double precision'
);
my %random = map { $_ => 1 } qw(r rn j);

sub column
{
	my ($name, $encrypted) = @_;
	return "$name $types{$name}" if !$encrypted;
	my $short = $types{$name} =~ s/ .*//r;
	return "$name encrypted_$short" . ($random{$name} ? '' : '(searchable)');
}
my @names = sort keys %types;
my ($plain, $sealed) = map {
	my $encrypted = $_;
	join ', ', 'id integer', map { column($_, $encrypted) } @names
} 0, 1;

sql_ok(
	$node,
	qq(CREATE TABLE plain ($plain, PRIMARY KEY (id));
	INSERT INTO plain (id, w, r, n, rn, b, x, d, t, ok, u, j, f) SELECT i, 'w' || i % 50, 'r' || i % 7, i % 50, i % 7, i, i % 10 / 4.0,
		date '2020-01-01' + i % 30, timestamp '2020-01-01' + i * interval '1 hour', i % 2 = 0, md5(i::text)::uuid,
		jsonb_build_object('a', i), i / 8.0 FROM generate_series(1, 500) i;
	CREATE TABLE sealed ($sealed, PRIMARY KEY (id));
	INSERT INTO sealed SELECT * FROM plain;
	CREATE INDEX ON sealed (w); CREATE INDEX ON sealed (n);
	ANALYZE),
	'tables at the other server',
	db => 'far'
);

# over_PLAIN and over_SEALED have base types, types_over_PLAIN and types_over_SEALED encrypted ones; here is a local table.
sub servers
{
	my ($options) = @_;
	my $host = $node->host;
	my $port = $node->port;
	my $user = sql_value($node, 'SELECT current_user');
	my $sql = qq(DROP SERVER IF EXISTS far CASCADE;
		CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'far' $options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER far OPTIONS (user '$user'););
	for my $table (qw(plain sealed))
	{
		$sql .= "CREATE FOREIGN TABLE over_$table ($plain) SERVER far OPTIONS (table_name '$table');";
		$sql .= "CREATE FOREIGN TABLE types_over_$table ($sealed) SERVER far OPTIONS (table_name '$table');";
	}
	return sql_ok($node, "SET client_min_messages = warning; $sql", "foreign tables $options");
}
sql_ok($node, 'CREATE EXTENSION postgres_fdw', 'postgres_fdw');
servers("");
sql_ok(
	$node,
	"CREATE TABLE here ($sealed); INSERT INTO here SELECT * FROM over_plain WHERE id <= 100; ANALYZE here",
	'a local table'
);

# F is the foreign table. Of those with a pattern, what is sent matches it.
my @queries = (
	[ "SELECT id FROM F WHERE w = 'w3'", qr/WHERE \(\(w = 'w3'/ ],
	[ "SELECT id FROM F WHERE w IN ('w3', 'w4')", qr/WHERE \(\(w = ANY/ ],
	[ "SELECT id FROM F WHERE w <> 'w3'", qr/WHERE \(\(w <> / ],
	[ "SELECT id FROM F WHERE r = 'r3' AND w IS NOT DISTINCT FROM 'w3'", qr/WHERE/ ],
	[ "SELECT id FROM F WHERE w < 'w3'", qr/WHERE \(\(w < / ],
	[ 'SELECT w, id FROM F ORDER BY w, id', undef ],
	[ 'SELECT r, id FROM F ORDER BY r DESC, id LIMIT 7', undef ],
	[ "SELECT id FROM F WHERE w LIKE 'w3%'", qr/~~/ ],
	[ "SELECT id FROM F WHERE lower(w) = 'w3' AND r || w > 'r3'", qr/WHERE/ ],
	[ 'SELECT w::text, count(*) FROM F GROUP BY w', undef ],
	[ 'SELECT DISTINCT r::text FROM F', undef ],
	[ 'SELECT max(w), min(r), count(DISTINCT w), count(DISTINCT r), sum(n), avg(x) FROM F', undef ],
	[ 'SELECT n, sum(x) FROM F GROUP BY n HAVING sum(x) > 5 ORDER BY 2 DESC, 1 LIMIT 3', undef ],
	[ 'SELECT id FROM F WHERE n = 5', qr/WHERE \(\(n = 5/ ],
	[ 'SELECT id FROM F WHERE n = 5::bigint AND b = 5::smallint', qr/WHERE/ ],
	[ 'SELECT id FROM F WHERE n BETWEEN 5 AND 6 AND rn > 3', qr/WHERE/ ],
	[ 'SELECT id FROM F WHERE n = id', qr/WHERE/ ],
	[ 'SELECT id FROM F WHERE b IN (5, 6) OR x = 1.5 AND id < 50', qr/WHERE/ ],
	[ "SELECT id FROM F WHERE d = '2020-01-05' AND t > '2020-01-05 05:00'", qr/WHERE/ ],
	[ "SELECT id FROM F WHERE d < '2020-01-03'::timestamp", undef ],
	[ 'SELECT id FROM F WHERE ok AND id < 9', qr/WHERE/ ],
	[ 'SELECT id FROM F WHERE u = md5(\'5\')::uuid OR f = 0.5', undef ],
	[ "SELECT id FROM F WHERE j ->> 'a' = '5' OR j \@> '{\"a\": 7}'", undef ],
	[ "SELECT id FROM F WHERE (w, n) = ('w5', 5)", qr/WHERE/ ],
	[ 'SELECT id FROM F WHERE n = ANY (ARRAY[1, 2, id])', undef ],
	[ "SELECT id FROM F WHERE COALESCE(w, r) = 'w5'", undef ],
	[ 'SELECT a.id, b.id FROM F a JOIN F b ON a.w = b.w WHERE a.id < 5', undef ],
	[ 'SELECT a.id, b.id FROM F a JOIN F b ON a.r = b.r AND a.n = b.rn WHERE a.id < 50', undef ],
	[ 'SELECT a.id, b.id FROM F a JOIN over_plain b ON a.w = b.w AND a.n = b.n WHERE a.id < 5', undef ],
	[ 'SELECT a.id, b.id FROM F a JOIN here b ON a.w = b.w', undef ],
	[ 'SELECT a.id, b.id FROM F a JOIN here b ON a.r = b.r AND a.rn = b.id', undef ],
	[ 'SELECT id FROM F WHERE w IN (SELECT w FROM here WHERE id < 3)', undef ],
	[ 'SELECT id FROM here WHERE EXISTS (SELECT FROM F WHERE F.w = here.w AND F.r = here.r AND F.id < 9)', undef ],
);

sub answers
{
	my ($table, $settings) = @_;
	return map { join "\n", sort split /\n/ } split /\n-- \d+\n?/,
	  sql_value(
		$node,
		"$settings\n" . join "\n",
		map { ($queries[$_][0] =~ s/\bF\b/$table/gr) . ";\n\\echo -- $_" } 0 .. $#queries
	  );
}

my @expected = answers('over_plain', '');
is(scalar(grep { defined && length } @expected), scalar @queries, 'each query gives rows');

sub agree
{
	my ($when, $settings) = @_;
	for my $table (qw(over_sealed types_over_plain types_over_sealed))
	{
		my @got = answers($table, $settings);
		is($got[$_], $expected[$_], "$when, $table: $queries[$_][0]") for 0 .. $#queries;
	}
	return;
}
agree('by local estimates', '');
my $merging = 'SET enable_hashjoin = off; SET enable_nestloop = off; SET enable_hashagg = off; SET enable_sort = off;';
servers(", use_remote_estimate 'true'");
agree('by remote estimates', '');
agree('by merging', $merging);

for my $query (grep { $_->[1] } @queries)
{
	my $plan = sql_value($node, 'EXPLAIN (VERBOSE) ' . $query->[0] =~ s/\bF\b/over_sealed/gr);
	like($plan, qr/Remote SQL: .*$query->[1]/, "sent to the other server: $query->[0]");
}

# Sessions of postgres_fdw have no path to keyring's operators: their queries are compared by token all the same.
for my $condition ("w = 'w3'", "w = ANY ('{w3,w4}'::text[])", "n = 5", "w = \$1::text")
{
	my $query =
	  $condition =~ /\$1/
	  ? "PREPARE p (text) AS SELECT id FROM public.sealed WHERE $condition; EXPLAIN EXECUTE p ('w3')"
	  : "EXPLAIN SELECT id FROM public.sealed WHERE $condition";
	like(sql_value($node, "SET search_path = pg_catalog; SET enable_seqscan = off; $query", db => 'far'),
		qr/Index Cond/, "an index serves the other server: $condition");
}

# The option that would send keyring's operators.
my $refused = qr/cannot send operators of extension "keyring" to foreign server/;
sql_fails($node, "ALTER SERVER far OPTIONS (ADD extensions 'keyring')",
	'0A000', $refused, 'keyring among the extensions');
sql_fails($node,
	"CREATE SERVER further FOREIGN DATA WRAPPER postgres_fdw OPTIONS (extensions ' postgres_fdw, KEYRING')",
	'0A000', $refused, 'keyring among the extensions of a new server');
sql_ok($node, "ALTER SERVER far OPTIONS (ADD extensions 'postgres_fdw')", 'other extensions are not');

# Writing.
for my $table (qw(over_sealed types_over_plain types_over_sealed))
{
	sql_ok(
		$node,
		"INSERT INTO $table (id, w, r, n) VALUES (1001, 'new', 'r', 3), (1002, 'newer', 'r', 4);
		INSERT INTO $table (id, w) SELECT id + 1000, w FROM here WHERE id = 3;
		UPDATE $table SET w = upper(w), n = n + 1 WHERE w = 'new';
		UPDATE $table SET r = w WHERE id = 1002;
		DELETE FROM $table WHERE w = 'w3' AND id > 1000",
		"$table: INSERT, UPDATE, DELETE"
	);
	sql_is(
		$node,
		"SELECT id, w, r, n FROM $table WHERE id > 1000 ORDER BY id",
		"1001|NEW|r|4\n1002|newer|newer|4",
		"$table: reads what it wrote"
	);
	my $real = $table =~ /plain/ ? 'plain' : 'sealed';
	sql_is(
		$node,
		"SELECT id, w, r, n FROM $real WHERE id > 1000 ORDER BY id",
		"1001|NEW|r|4\n1002|newer|newer|4",
		"$table: the other server has it",
		db => 'far'
	);
	sql_is(
		$node, 'SELECT count(*) FROM sealed WHERE (keyring_inspect(w)).key_id IS NULL',
		0,
		'sealed by its own key',
		db => 'far'
	);
	sql_is($node, "DELETE FROM $table WHERE id > 1000 RETURNING w", "NEW\nnewer", "$table: RETURNING");
}

# IMPORT FOREIGN SCHEMA makes the types of the other side, modes included.
sql_ok(
	$node,
	'CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA public LIMIT TO (sealed, plain) FROM SERVER far INTO imported',
	'IMPORT FOREIGN SCHEMA'
);
sql_is(
	$node,
	"SELECT string_agg(format_type(atttypid, atttypmod), ' ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'imported.sealed'::regclass AND attname IN ('w', 'r', 'n')",
	'encrypted_integer(searchable) encrypted_text(randomized) encrypted_text(searchable)',
	'types and modes'
);
sql_is($node, "SELECT w, count(*) FROM imported.sealed WHERE n IN (3, 4) GROUP BY w ORDER BY w",
	"w3|10\nw4|10", 'imported: reads');
$node->safe_psql('postgres', 'CREATE DATABASE without');
$node->safe_psql('without',
		'CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host ' . "'"
	  . $node->host
	  . "', port '"
	  . $node->port
	  . "', dbname 'far'); CREATE USER MAPPING FOR CURRENT_USER SERVER far");
sql_fails(
	$node, 'IMPORT FOREIGN SCHEMA public LIMIT TO (sealed) FROM SERVER far INTO public',
	'42704', qr/encrypted_/,
	'not into a database without keyring',
	db => 'without'
);
sql_is(
	$node,
	"CREATE FOREIGN TABLE f (id integer, w text, n integer) SERVER far OPTIONS (table_name 'sealed'); SELECT w FROM f WHERE n = 3 AND id < 60 ORDER BY id",
	"w3\nw3",
	'but base types are enough there',
	db => 'without'
);

# What ANALYZE keeps of a foreign table is in clear if its columns have base types.
sql_ok($node, 'ANALYZE over_sealed, types_over_sealed', 'ANALYZE');
sql_is(
	$node,
	"SELECT tablename, most_common_vals IS NOT NULL FROM pg_stats WHERE tablename ~ 'over_sealed' AND attname = 'w' ORDER BY 1",
	"over_sealed|t\ntypes_over_sealed|f",
	'keeps values of base types only'
);

done_testing();
