# Every function, aggregate and operator of PostgreSQL takes encrypted values where it takes plain ones, and its result is of the same
# type: each is called with each of its arguments plain or encrypted, so that those of later versions are found too.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my %encrypted = (
	map({ $_ => "encrypted_$_" }
		qw(text bytea boolean smallint integer bigint real numeric date time timestamp
		  timestamptz interval uuid inet json jsonb)),
	'double precision' => 'encrypted_double'
);
my @types = sort keys %encrypted;

my $node = KeyringTest->new_node('main', conf => "jit = off\nlog_statement = none");
keyring_db($node);
my $columns = join ', ', map {
	my $name = s/ /_/r;
	my $mode = $_ eq 'json' ? 'randomized' : 'searchable';
	"plain_$name $_, sealed_$name $encrypted{$_}($mode)"
} @types;
my $names = join ', ', map { "('$_'::regtype::oid, '" . s/ /_/r . "')" } @types;
sql_ok(
	$node, qq(
	CREATE TABLE t ($columns);
	INSERT INTO t DEFAULT VALUES;
	CREATE TABLE base AS SELECT * FROM (VALUES $names) v (type, name);
	CREATE FUNCTION found(expression text) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		result regtype;
	BEGIN
		EXECUTE format('SELECT pg_typeof((SELECT %s LIMIT 1)) FROM t', expression) INTO result;
		RETURN COALESCE((SELECT type::regtype FROM base WHERE result::text = 'encrypted_' || replace(name, 'double_precision', 'double')), result);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END \$\$;

	-- Operands of the types of a list: all plain, and every way to encrypt some.
	CREATE FUNCTION calls(types oid[]) RETURNS TABLE (plain text[], sealed text[]) LANGUAGE sql AS \$\$
		WITH RECURSIVE w (n, plain, sealed, any_sealed) AS (
			SELECT 1, '{}'::text[], '{}'::text[], false
			UNION ALL
			SELECT n + 1, w.plain || CASE WHEN b.type IS NULL THEN other ELSE 'plain_' || b.name END,
				w.sealed || CASE WHEN b.type IS NULL THEN other WHEN seal THEN 'sealed_' || b.name ELSE 'plain_' || b.name END, any_sealed OR seal
			FROM w CROSS JOIN LATERAL (SELECT 'NULL::' || format_type(types[n], NULL)) o (other) LEFT JOIN base b ON b.type = types[n],
				(VALUES (true), (false)) s (seal)
			WHERE n <= cardinality(types) AND (b.type IS NOT NULL OR NOT seal))
		SELECT plain, sealed FROM w WHERE n > cardinality(types) AND any_sealed \$\$), 'helpers'
);

# What differs of a query's pairs of expressions; says also how many pairs mean something.
sub differing
{
	my ($of, $least, $pairs) = @_;
	my ($count, @differ) = split /\n/, sql_value(
		$node,
		"CREATE TEMPORARY TABLE tried AS SELECT p, s, found(p) AS plain, found(s) AS sealed FROM ($pairs) x (p, s);
		SELECT count(*) FROM tried WHERE plain !~ '^[0-9A-Z]{5}\$';
		SELECT concat(s, ': ', sealed, ', not ', plain) FROM tried WHERE plain <> sealed AND plain !~ '^42' ORDER BY 1",
		timeout => 600
	);
	cmp_ok($count, '>', $least, "$of are called");
	return join "\n", @differ;
}

# What is an encrypted type's own plumbing, acts on the session, or wants a context that no query has.
my $left_out =
	'^(pg_|lo_|brin|gin|gist|spg|bt|hash|binary_upgrade|xml|query_to|table_to|schema_to|database_to|cursor_to|has_|'
  . 'ri_|ts_(stat|rewrite)|dsnowball|thesaurus|prsd|internal|.*(sel|_support|sortsupport|_accum|_combine|in_range)$)';
is(
	differing(
		'functions', 600,
		qq(SELECT concat(proname, '(', array_to_string(plain, ', '), ')'), concat(proname, '(', array_to_string(sealed, ', '), ')')
			FROM pg_proc, calls(ARRAY(SELECT unnest(proargtypes)))
			WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND provolatile <> 'v' AND pronargs BETWEEN 1 AND 3
				AND NOT EXISTS (SELECT FROM unnest(proargtypes) a JOIN pg_type y ON y.oid = a AND typtype = 'p') AND proname !~ '$left_out'
				AND NOT EXISTS (SELECT FROM pg_operator o WHERE o.oprcode = pg_proc.oid))
	),
	'',
	'and take encrypted arguments'
);

# The order of text and name wants a cast, as doc/types.md says.
is(
	differing(
		'operators', 800,
		q(SELECT concat(CASE WHEN oprleft <> 0 THEN plain[1] END, ' ', oprname, ' ', plain[cardinality(plain)]),
				concat(CASE WHEN oprleft <> 0 THEN sealed[1] END, ' ', oprname, ' ', sealed[cardinality(sealed)])
			FROM pg_operator, calls(array_remove(ARRAY[oprleft, oprright], 0::oid))
			WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname !~ '^~[<>]=?~$'
				AND NOT (oprname ~ '^[<>]=?$' AND 'name'::regtype IN (oprleft, oprright)))
	),
	'',
	'and take encrypted operands'
);
done_testing();
