# An application's queries on plain and on encrypted columns: same rows, same order, same errors.
#
# The data is the Chinook sample database, where the machine has it (KEYRING_CHINOOK names the file),
# else only the small set of chinook/generated.sql, which has the same tables. Queries: queries/*.sql.
use strict;
use warnings FATAL => 'all';

use FindBin;
use KeyringTest;
use TwoCopies;

my $here = $FindBin::RealBin;
my @reads =
  queries_of(map { "$here/queries/$_.sql" }
	  qw(10_rows 20_joins 30_groups 35_values 40_queries 50_functions 60_prepared));
my @writes = queries_of("$here/queries/70_writes.sql");
my @failing = queries_of("$here/queries/80_errors.sql");
my @casts = queries_of("$here/queries/casts.sql");

# every personal column, and whether it is searchable
my %personal = (
	customer => {
		map({ $_ => 1 } qw(first_name last_name city country phone email)),
		map({ $_ => 0 } qw(company address state postal_code fax))
	},
	employee => {
		map({ $_ => 1 } qw(last_name email hire_date)),
		map({ $_ => 0 } qw(first_name birth_date address city state country postal_code phone fax))
	},
	invoice => {
		map({ $_ => 1 } qw(billing_city billing_country total)),
		map({ $_ => 0 } qw(billing_address billing_state billing_postal_code))
	}
);

# Cheap to plan and to run on tables as small as these, so every query runs under each of them.
my @settings = (
	'-c enable_hashagg=off',
	'-c enable_sort=off',
	'-c enable_hashjoin=off -c enable_nestloop=off',
	'-c enable_hashjoin=off -c enable_mergejoin=off',
	'-c enable_mergejoin=off -c enable_nestloop=off',
	'-c enable_seqscan=off -c enable_bitmapscan=off',
	'-c enable_seqscan=off -c enable_indexscan=off -c enable_indexonlyscan=off',
	'-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off -c enable_material=off -c enable_memoize=off',
	'-c plan_cache_mode=force_generic_plan -c work_mem=64kB',
	'-c from_collapse_limit=1 -c join_collapse_limit=1 -c enable_incremental_sort=off'
);

my $node = KeyringTest->new_node('main');

my $sample = $ENV{KEYRING_CHINOOK};
if ($sample)
{
	everything('chinook', $sample, 1);
	every_mode();
}
else
{
	diag('the Chinook sample database is not on this machine: the generated data has to do');
	everything('generated', "$here/chinook/generated.sql", 0);
	every_mode();
}
done_testing();

# The two copies of one data set through everything that this test knows.
sub everything
{
	my ($name, $file, $found) = @_;
	my $pair = TwoCopies->new($node, $name, $file);

	$pair->both_files("$here/chinook/indexes.sql");
	$pair->encrypt(%personal);
	$pair->both_files("$here/chinook/objects.sql");
	$pair->both('CREATE UNIQUE INDEX ON sales_by_city (country, city); ANALYZE');
	columns_are_encrypted($pair);

	$pair->agree(\@reads, found => $found);
	$pair->agree_under($_, \@reads) for @settings;
	agree_in_parallel($pair);
	agree_compiled($pair);
	indexes_are_used($pair);

	sql_ok(
		$node,
		'SELECT keyring_activate(keyring_create_key())',
		'another key before the writes',
		db => $pair->{sealed}
	);
	$pair->agree(\@writes, errors => undef);
	$pair->agree(\@failing, errors => 1);
	$pair->agree([ tables('after the writes') ]);
	copy_agrees($pair);
	length_is_limited($pair);
	$pair->both('ANALYZE');
	$pair->agree(\@reads, when => 'after the writes');
	census_adds_up($pair);
	casts_are_needed($pair);
	decrypted_is_plain($pair);
	return;
}

# The small data set with every column searchable, and with every column randomized.
sub every_mode
{
	my $searchable = TwoCopies->new($node, 'searchable', "$here/chinook/generated.sql");
	my $randomized = TwoCopies->new($node, 'randomized', "$here/chinook/generated.sql", plain => $searchable);

	for ([ $searchable, 1, 'all searchable' ], [ $randomized, 0, 'all randomized' ])
	{
		my ($pair, $mode, $when) = @$_;
		my %columns = map {
			my $t = $_;
			$t => { map { $_ => $mode } keys %{ $personal{$t} } }
		} keys %personal;

		$pair->encrypt(%columns);
		$pair->both_files("$here/chinook/objects.sql");
		$pair->both('ANALYZE');
		$pair->agree(\@reads, when => $when);
	}
	return;
}

sub columns_are_encrypted
{
	my ($pair) = @_;
	my @expected;

	for my $table (sort keys %personal)
	{
		push @expected, map { "$table|$_|" . ($personal{$table}{$_} ? 't' : 'f') } sort keys %{ $personal{$table} };
	}
	sql_is(
		$node,
		q(SELECT relation, column_name, searchable FROM keyring_columns
		   WHERE kind = 'table' ORDER BY relation::text, column_name::text COLLATE "C"),
		join("\n", @expected),
		'every personal column is encrypted',
		db => $pair->{sealed}
	);
	return;
}

# Queries for the contents of the tables that were written to.
sub tables
{
	my ($when) = @_;
	my %key = (customer => 'customer_id', employee => 'employee_id', invoice => 'invoice_id');
	return map { { name => $_, file => $when, sql => "TABLE $_ ORDER BY $key{$_};\n" } } sort keys %key;
}

sub agree_in_parallel
{
	my ($pair) = @_;
	my $force = ($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode') . '=on';
	my $settings = "-c $force -c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0"
	  . ' -c min_parallel_index_scan_size=0 -c max_parallel_workers_per_gather=1';
	my $explain =
	  { name => '', sql => "EXPLAIN SELECT state, max(email) FROM customer GROUP BY state ORDER BY state;\n" };
	my ($plan) = $pair->outputs($pair->{sealed}, [$explain], $settings);

	like($plan, qr/Workers Planned/, 'encrypted values are read, grouped and sorted in parallel workers');
	$pair->agree_under($settings, [ grep { $_->{file} =~ /^(?:20|30|35)/ } @reads ]);
	return;
}

sub agree_compiled
{
	my ($pair) = @_;
	$pair->agree_under('-c jit=on -c jit_above_cost=0 -c jit_inline_above_cost=-1 -c jit_optimize_above_cost=-1',
		[ grep { $_->{file} =~ /^3/ } @reads ]);
	return;
}

# What the index of plain text would serve, that of a searchable column does.
sub indexes_are_used
{
	my ($pair) = @_;
	my @cases = (
		[ "email = 'x'", 'customer_email_key' ],
		[ "'x' = email", 'customer_email_key' ],
		[ "email = lower('X')", 'customer_email_key' ],
		[ "email IN ('x', 'y')", 'customer_email_key' ],
		[ "email = ANY ('{x,y}'::text[])", 'customer_email_key' ],
		[ 'email = (SELECT fax FROM employee LIMIT 1)', 'customer_email_key' ],
		[ "last_name = 'x' AND first_name = 'y'::varchar", 'customer_name_idx' ],
		[ "(last_name, first_name) = ('x', 'y')", 'customer_name_idx' ],
		[ "phone = '1'", 'customer_phone_idx' ],
		[ "country = 'x' OR city = 'y'", 'customer_country_idx.*customer_city_idx' ],
	);
	my @queries =
	  map { { name => $_->[0], sql => "EXPLAIN (COSTS OFF) SELECT * FROM customer WHERE $_->[0];\n" } } @cases;

	push @cases, [ 'a join with a randomized column', 'invoice_billing_city_idx' ],
	  [ 'a generic plan', 'customer_email_key' ];
	push @queries,
	  {
		name => 'join',
		sql => "SET enable_hashjoin = off; SET enable_mergejoin = off;\n"
		  . "EXPLAIN (COSTS OFF) SELECT * FROM employee e JOIN invoice i ON i.billing_city = e.city;\n"
	  },
	  {
		name => 'generic',
		sql => "SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT * FROM customer WHERE email = \$1;\n"
		  . "EXPLAIN (COSTS OFF) EXECUTE p ('x');\n"
	  };
	my @plans = $pair->outputs($pair->{sealed}, \@queries, '-c enable_seqscan=off');
	for my $i (0 .. $#cases)
	{
		like($plans[$i], qr/$cases[$i][1].*Index Cond|Index Scan on $cases[$i][1]/s, "an index serves: $cases[$i][0]");
	}
	return;
}

# COPY out gives the same bytes, and COPY in of these bytes gives the same rows.
sub copy_agrees
{
	my ($pair) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %options = (
		text => '',
		csv => q{(FORMAT csv, HEADER, QUOTE '''', NULL '-')},
		binary => '(FORMAT binary)'
	);

	# in the order of the file, which updates have made a matter of plans
	$pair->both('CREATE TABLE in_order AS SELECT * FROM customer ORDER BY customer_id');
	for my $format (sort keys %options)
	{
		for my $what ('in_order',
			'(SELECT first_name, state, concat(city, company) FROM customer ORDER BY last_name, customer_id)')
		{
			my ($plain, $sealed) = map { copy($pair->{$_}, "COPY $what TO STDOUT $options{$format}") } qw(plain sealed);
			ok(length $plain > 1000 && $plain eq $sealed, "COPY out, $format, " . substr $what, 0, 10);
		}
		my $bytes = copy($pair->{plain}, "COPY in_order TO STDOUT $options{$format}");
		$pair->both("CREATE TABLE copied_$format (LIKE customer)");
		copy($pair->{$_}, "COPY copied_$format FROM STDIN $options{$format}", $bytes) for qw(plain sealed);
		$pair->agree(
			[
				{
					name => "COPY in, $format",
					file => 'customer',
					sql => "TABLE copied_$format ORDER BY customer_id;\n"
				}
			]
		);
	}
	return;
}

sub copy
{
	my ($db, $sql, $input) = @_;
	my ($output, $error);
	IPC::Run::run(
		[ 'psql', '-X', '-d', $node->connstr($db), '-c', $sql ],
		'<', \($input // ''),
		'>', \$output, '2>', \$error
	) or die "$sql: $error";
	return $output;
}

# The one error that differs: what varchar(n) refuses, a CHECK refuses here.
sub length_is_limited
{
	my ($pair) = @_;
	my $insert = 'INSERT INTO customer (customer_id, first_name, last_name, email) VALUES (990, $$a$$, %s, $$b@c$$)';
	my $long = sprintf $insert, q(repeat('ö', 21));

	sql_fails($node, $long, '22001', qr/too long/, 'plain: too long for varchar(20)', db => $pair->{plain});
	sql_fails(
		$node, $long, '23514', qr/customer_last_name_length/,
		'encrypted: too long for its CHECK',
		db => $pair->{sealed}
	);
	$pair->agree(
		[
			{
				name => 'what fits',
				file => 'length',
				sql => sprintf("$insert RETURNING last_name;\n", q(repeat('ö', 20)))
			}
		]
	);
	$pair->both('DELETE FROM customer WHERE customer_id = 990');
	return;
}

# Every stored value is under one of the two keys, and none is counted twice or forgotten.
sub census_adds_up
{
	my ($pair) = @_;
	my %where = (db => $pair->{sealed});
	my $count = sql_value(
		$node, q(
		SELECT string_agg(format('SELECT %L::regclass, %L::name, count(%I) FROM %s', relation, column_name, column_name, relation), ' UNION ALL ')
		  FROM keyring_columns), %where
	);
	sql_is(
		$node, "WITH counted (relation, column_name, n) AS ($count)
			SELECT relation, column_name, n, total FROM counted
			  LEFT JOIN (SELECT relation, column_name, sum(value_count) AS total FROM keyring_census() GROUP BY 1, 2) c
			       USING (relation, column_name)
			 WHERE n <> COALESCE(total, 0)", '', 'the census counts every value', %where
	);
	sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census() ORDER BY 1',
		"1\n2", 'values are under both keys', %where);
	return;
}

# Each part of casts.sql: the first statement fails or sorts otherwise, the others agree.
sub casts_are_needed
{
	my ($pair) = @_;
	my (@without, @with);

	for my $query (@casts)
	{
		my ($first, $rest) = split /\n/, $query->{sql}, 2;
		push @without, { %$query, sql => "$first\n" };
		push @with, { %$query, sql => $rest };
	}
	my @plain = $pair->outputs($pair->{plain}, \@without);
	my @sealed = $pair->outputs($pair->{sealed}, \@without);
	for my $i (0 .. $#without)
	{
		my ($reason) = $without[$i]{name} =~ /\(([^()]+)\)$/;
		unlike($plain[$i], qr/ERROR/, "works on plain text: $without[$i]{name}");
		if ($reason eq 'other order')
		{
			isnt($sealed[$i], $plain[$i], "sorted otherwise: $without[$i]{name}");
		}
		else
		{
			like($sealed[$i], qr/^ERROR:  $reason:/m, "fails on encrypted values: $without[$i]{name}");
		}
	}
	$pair->agree(\@with, when => 'cast');
	return;
}

# Decrypted, the copy is what it would have been all along.
sub decrypted_is_plain
{
	my ($pair) = @_;
	my $columns = join ', ', map { "'$_'" } sort keys %personal;

	$pair->both(
		q(DROP VIEW customer_list, customer_by_country, spending, best_customers, french;
		  DROP VIEW in_order_of_names CASCADE;
		  DROP MATERIALIZED VIEW sales_by_city;
		  DROP TABLE subscription;
		  DROP FUNCTION IF EXISTS danes, norwegians;
		  DROP POLICY IF EXISTS europeans ON customer;
		  DROP POLICY IF EXISTS americans ON customer;
		  DROP TRIGGER IF EXISTS when_moved ON customer;
		  DROP TRIGGER IF EXISTS when_gone ON customer;
		  ALTER TABLE customer DROP CONSTRAINT IF EXISTS anywhere, DROP CONSTRAINT IF EXISTS somewhere)
	);
	for my $table (sort keys %personal)
	{
		my $calls = join ";\n",
		  map { "SELECT keyring_decrypt_column('$table', '$_')" } sort keys %{ $personal{$table} };
		sql_ok($node, $calls, "$table is decrypted", db => $pair->{sealed});
	}
	my %checks = (
		columns => "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable
			FROM information_schema.columns WHERE table_name IN ($columns) ORDER BY table_name, ordinal_position;\n",
		indexes => "SELECT indexdef FROM pg_indexes WHERE tablename IN ($columns) ORDER BY indexdef COLLATE \"C\";\n",
		constraints => "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
			WHERE conrelid::regclass::text IN ($columns) ORDER BY conname::text COLLATE \"C\";\n"
	);
	$pair->agree(
		[ tables('decrypted'), map { { name => $_, file => 'decrypted', sql => $checks{$_} } } sort keys %checks ]);
	return;
}
