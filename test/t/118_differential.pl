# Random statements on plain tables and on their encrypted copies give the same rows and errors. The statements come from a seed:
# "make fuzz-sql SEED=7 QUERIES=5000" runs others, and more. test/differential has what makes them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::Bin/../differential";
use IPC::Run;
use KeyringTest;
use Queries;
use Values qw(@types declaration rows);

my $seed = $ENV{KEYRING_FUZZ_SEED} || 1;
my $count = $ENV{KEYRING_FUZZ_QUERIES} || 100;
my $rows = 24;
my @schemas = qw(plain searchable randomized mixed);

srand $seed;
my $random = sub { return int rand $_[0] };

my $node = KeyringTest->new_node('main',
	conf => "jit = off\ntimezone = 'America/New_York'\nlog_statement = none\nlog_min_messages = fatal");
keyring_db($node);

# u is partitioned; changes of t are written down by triggers, row by row and as a whole.
sub tables_of
{
	my ($schema, $table, $values) = @_;
	my $declared =
	  "SET search_path = $schema, public; CREATE TABLE $table (@{[ declaration($schema, $table eq 't') ]})";
	return "$declared; INSERT INTO t VALUES $values; CREATE TABLE seen (what text);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			INSERT INTO seen VALUES (concat(TG_OP, OLD, NEW)); RETURN NULL; END \$\$;
		CREATE FUNCTION note_all() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			INSERT INTO seen SELECT concat('before ', o.text_a, o.jsonb_b, o) FROM o WHERE o.text_a <> o.text_b; RETURN NULL; END \$\$;
		CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
		CREATE TRIGGER note_all AFTER DELETE ON t REFERENCING OLD TABLE AS o FOR EACH STATEMENT EXECUTE FUNCTION note_all()"
	  if $table eq 't';
	return "$declared PARTITION BY HASH (id); CREATE TABLE u_1 PARTITION OF u FOR VALUES WITH (modulus 2, remainder 0);
		CREATE TABLE u_2 PARTITION OF u FOR VALUES WITH (modulus 2, remainder 1); INSERT INTO u VALUES $values";
}

for my $table ('t', 'u')
{
	my $values = rows($rows, $random);
	for my $schema (@schemas)
	{
		my $sql = 'SET client_min_messages = warning; ' . ($table eq 't' ? "CREATE SCHEMA $schema; " : '');
		sql_ok($node, $sql . tables_of($schema, $table, $values), "$schema.$table");
	}
}

# Every searchable column has an index, by turns of btree and hash.
sql_ok(
	$node, q(
	DO $$
	DECLARE
		c record;
	BEGIN
		FOR c IN SELECT *, row_number() OVER () % 2 = 0 AS even FROM keyring_columns WHERE searchable AND relation::text !~ 'u_' LOOP
			EXECUTE format('CREATE INDEX ON %s USING %s (%I)', c.relation, CASE WHEN c.even THEN 'btree' ELSE 'hash' END, c.column_name);
		END LOOP;
	END $$;
	ANALYZE), 'indexes'
);

# What an expression gives for each row, by itself, so that an error in one does not hide the others. An encrypted type counts as its base.
sql_ok(
	$node, q(
	CREATE FUNCTION outcomes(expression text, rows int4range) RETURNS SETOF text LANGUAGE plpgsql AS $$
	DECLARE
		type text;
		value text;
	BEGIN
		FOR i IN lower(rows)..upper(rows) LOOP
			BEGIN
				EXECUTE format('SELECT pg_typeof(x), x FROM (SELECT (%s) FROM t WHERE id = %s) y (x)', expression, i) INTO type, value;
				type := CASE WHEN type = 'encrypted_double' THEN 'float8' ELSE replace(type, 'encrypted_', '') END;
				RETURN NEXT type::regtype || ' ' || coalesce(value, 'NULL');
			EXCEPTION WHEN OTHERS THEN
				RETURN NEXT SQLSTATE;
			END;
		END LOOP;
	END $$), 'a function'
);

# --- statements -------------------------------------------------------------------------------

my @planner = (
	map { "SET enable_$_ = off" }
	  qw(seqscan hashjoin mergejoin nestloop hashagg sort material memoize indexscan bitmapscan
	  incremental_sort)
);
my @output = (
	"SET DateStyle = 'SQL, DMY'",
	"SET IntervalStyle = iso_8601",
	"SET bytea_output = escape",
	"SET extra_float_digits = 0",
	"SET TimeZone = 'Asia/Tokyo'",
	"SET work_mem = '64kB'",
	'SET plan_cache_mode = force_generic_plan',
	'SET default_transaction_isolation = serializable',
	'SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on',
	'SET keyring.native_types = off'
);

sub settings
{
	my @of;
	for my $setting (@planner) { push @of, $setting if $random->(8) < 1 }
	for my $setting (@output) { push @of, $setting if $random->(12) < 1 }
	push @of, 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0'
	  if $random->(6) < 1;
	return join '; ', @of, 'SELECT';
}

# What psql does for one statement, between two lines that tell its number. \gdesc tells types, and sees no parameters.
sub script_of
{
	my ($number, $query) = @_;
	my $fails = "\\if :ERROR\n\\echo ERROR :SQLSTATE\n\\endif\n";
	my @parameters = @{ $query->{parameters} };
	my $script = "\\echo #$number\nRESET ALL;\nSET search_path = :schema, public;\n$query->{settings};\n";
	$script .= "BEGIN;\n" if $query->{is_change};
	if (@parameters)
	{
		my ($declared, $values) = map {
			my $i = $_;
			join ', ', map { $_->[$i] } @parameters
		} 0, 1;
		$script .= "PREPARE q ($declared) AS $query->{sql};\n$fails";
		$script .= "EXECUTE q ($values);\n$fails";
		$script .= "\\echo again\nEXECUTE q ($values);\n$fails" if !$query->{is_change};
	}
	else
	{
		$script .= "$query->{sql}\n\\gdesc\n" if !$query->{is_change} && $query->{sql} !~ /;/;
		$script .= "$query->{sql};\n$fails";
		$script .= "ROLLBACK;\n$query->{after};\n" if $query->{after};
	}
	$script .= "\\echo after\nSELECT * FROM t ORDER BY id;\nTABLE seen;\nROLLBACK;\n" if $query->{is_change};
	$script .= "DEALLOCATE ALL;\n";
	return $script;
}

# Answers of one schema to all statements, by number.
sub answers_in
{
	my ($schema, $script) = @_;
	my ($said, $errors) = ('', '');
	IPC::Run::run(
		[
			$node->installed_command('psql'),
			'-XAtq', '-P', 'null=(null)', '-v', "schema=$schema", '-v', 'ON_ERROR_STOP=0', $node->connstr('postgres')
		],
		'<',
		\$script,
		'>',
		\$said,
		'2>',
		\$errors
	);
	my %answers;
	for my $part (split /^(?=#\d+$)/m, $said)
	{
		$answers{$1} = $2 if $part =~ /^#(\d+)\n(.*)\z/s;
	}
	return \%answers;
}

# Rows that come in no order are compared as a set. With keyring.native_types off a client is told the encrypted types.
sub comparable_text
{
	my ($query, $text) = @_;
	return $text if !defined $text;
	$text =~ s/^(o\d+\|)encrypted_(\w+)(?:\(\w+\))?$/$1 . told($2)/gme;
	return $query->{ordered} ? $text : join "\n", sort split /\n/, $text, -1;
}

sub told
{
	my ($name) = @_;
	my %of = (double => 'double precision', map { $_ => "$_ without time zone" } qw(time timestamp));
	return $of{$name} // ($name eq 'timestamptz' ? 'timestamp with time zone' : $name);
}

# One in four is an expression that may fail, for some of the rows.
sub random_statement
{
	my $settings = settings();
	return { %{ Queries->random_query($random) }, settings => $settings } if $random->(4) > 0;
	my $expression = Queries->random_expression($random);
	my $first = 1 + $random->($rows - 7);
	my $last = $first + 7;
	my $sql = "SELECT outcomes(\$outcome\$$expression\$outcome\$, '[$first,$last)')";
	return { sql => $sql, ordered => 1, parameters => [], settings => $settings };
}

my @statements = map { random_statement() } 1 .. $count;
my $script = join '', map { script_of($_, $statements[$_]) } 0 .. $#statements;
my %answers = map { $_ => answers_in($_, $script) } @schemas;
my %tally;
for my $number (0 .. $#statements)
{
	my $query = $statements[$number];
	my ($plain, @others) = map { comparable_text($query, $answers{$_}{$number}) } @schemas;
	$tally{
		  !defined $plain ? 'lost'
		: $plain =~ /^ERROR (\w+)/m ? $1
		: $plain =~ /\A\s*(?:after|again)?\s*\z/ ? 'empty'
		: 'rows'
	}++;
	for my $i (0 .. $#others)
	{
		next if defined $plain && defined $others[$i] && $plain eq $others[$i];
		my ($unresolved) = ($others[$i] // '') =~ /^ERROR (42883|42725|42846|42804|42P08|0A000)/m;
		$tally{"unresolved $unresolved"}++ if $unresolved;
		fail("seed $seed, statement $number in $schemas[ $i + 1 ]");
		diag(
			"$query->{settings};\n$query->{sql};\n-- parameters: @{[ map { qq($_->[0] $_->[1]) } @{ $query->{parameters} } ]}"
		);
		diag(   "plain:\n"
			  . substr($plain // '(none)', 0, 1500)
			  . "\n$schemas[ $i + 1 ]:\n"
			  . substr($others[$i] // '(none)', 0, 1500));
		last;
	}
}
note(join ', ', map { "$_: $tally{$_}" } sort keys %tally);
cmp_ok($tally{rows}, '>', $count / 2, 'most statements give rows');
done_testing();
