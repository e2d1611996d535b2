# The extension's operators and functions for encrypted values stand beside PostgreSQL's of the same names. They must not
# change what plain values get: each operator and function name is tried with plain types and untyped literals in a database
# with keyring and in one without, and finds the same result type or fails the same. Left out are functions of literals alone.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'jit = off');
keyring_db($node);
$node->safe_psql('postgres', 'CREATE DATABASE without');

my $types = join ', ', map { "'$_'" } (
	qw(text varchar bpchar name bytea boolean smallint integer bigint real float8 numeric date time timetz timestamp
	  timestamptz interval uuid inet cidr json jsonb money oid), 'text[]', 'integer[]',
	qw(daterange numrange tsvector), 'bit varying'
);
my $function = qq(
	CREATE FUNCTION found(expression text) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		result text;
	BEGIN
		EXECUTE 'SELECT pg_typeof(' || expression || ')' INTO result;
		RETURN result;
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE || ' ' || SQLERRM;
	END \$\$;
	CREATE VIEW operand AS SELECT 'NULL::' || t AS value FROM unnest(ARRAY[$types]) t UNION ALL SELECT '''%''');
sql_ok($node, $function, "helpers in $_", db => $_) for 'postgres', 'without';

# Names of what the extension has beside PostgreSQL's own.
my $members =
  q(FROM pg_depend JOIN pg_extension e ON e.oid = refobjid WHERE extname = 'keyring' AND deptype = 'e' AND objid = x.oid);
my @operators = split /\n/,
  sql_value($node,
	"SELECT DISTINCT oprname FROM pg_operator x WHERE oprname !~ '^~[<>]=?~' AND EXISTS (SELECT $members) ORDER BY 1");
my @functions = split /\n/,
  sql_value($node,
	"SELECT DISTINCT proname FROM pg_proc x WHERE proname !~ '^keyring_' AND EXISTS (SELECT $members) ORDER BY 1");
cmp_ok(scalar(@operators), '>', 10, 'operators');
cmp_ok(scalar(@functions), '>', 10, 'functions');

sub same
{
	my ($name, $sql) = @_;
	my $without = sql_value($node, $sql, db => 'without');
	unlike($without, qr/\A(?:[^\n]*\t4[^\n]*\n?)*\z/, "$name means something");
	return is(sql_value($node, $sql), $without, "$name of plain values");
}

for my $operator (@operators)
{
	same(
		"operator $operator",
		"SELECT concat(x, E'\t', found(x)) FROM (SELECT concat(a.value, ' $operator ', b.value) FROM operand a, operand b) y (x) ORDER BY 1"
	);
}
for my $function (@functions)
{
	same(
		"function $function",
		"SELECT concat(x, E'\t', found(x)) FROM (SELECT concat('$function(', concat_ws(', ', a.value, b.value), ')') FROM operand a, (TABLE operand UNION ALL SELECT NULL) b WHERE concat(a.value, b.value) !~ '^''%''''%''\$') y (x) ORDER BY 1"
	);
}
done_testing();
