# What is written to an encrypted column is in clear nowhere that the server writes by itself: not in the data
# directory, not in the WAL, not in its log, not in what logical decoding sends. A plain table that gets the same
# treatment shows that the search would find it in each of these places.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringHold;
use KeyringLeak;
use KeyringTest;

my $preload = 'keyring, auto_explain';
$preload = "pg_stat_statements, $preload" if -e pgxs_sibling('extension/pg_stat_statements.control');

# debug1: whatever a server may be told to log of itself
my $node = KeyringTest->new_node(
	'main',
	streaming => 'logical',
	conf => <<"END");
shared_preload_libraries = '$preload'
log_min_messages = debug1
log_statement = none
wal_level = logical
wal_log_hints = on
wal_keep_size = 1GB
autovacuum = off
logical_decoding_work_mem = 64kB
END
keyring_db($node);
sql_ok($node, 'CREATE EXTENSION pg_stat_statements', 'pg_stat_statements') if $preload =~ /statements/;

my @sides = qw(plain sealed);
my %marks = map { $_ => KeyringLeak->new } @sides;
my %columns = (
	plain => [qw(text text bytea bytea text text)],
	sealed => [
		'encrypted_text', 'encrypted_text(searchable)',
		'encrypted_bytea', 'encrypted_bytea(searchable)',
		'encrypted_text(searchable)', 'encrypted_text(searchable)'
	]
);

sub pgxs_sibling
{
	my ($name) = @_;
	chomp(my $folder = `pg_config --sharedir`);
	return "$folder/$name";
}

# Runs one statement through the extended protocol with parameters, as text; returns all that the client was told.
sub with_parameters
{
	my ($mode, $sql, %parameters) = @_;
	my $script = $node->basedir . '/script.sql';
	my $said = '';
	unlink $script;
	append_to_file($script, "$sql\n");
	IPC::Run::run(
		[
			$node->installed_command('pgbench'),
			'-n', '-t', '1', '-M', $mode, '-f', $script,
			(map { ('-D', "$_=$parameters{$_}") } sort keys %parameters),
			$node->connstr('postgres')
		],
		'<',
		\undef,
		'>&',
		\$said
	);
	return $said;
}

sub done_with_parameters
{
	my ($name, @arguments) = @_;
	my $said = with_parameters(@arguments);
	return like($said, qr{actually processed: 1/1}, $name) || diag($said);
}

# The client is told which value it was that failed.
sub fails_with_value
{
	my ($name, $said, $sqlstate_or_word, $value) = @_;
	my $good = $said =~ $sqlstate_or_word && index($said, $value) >= 0;
	return ok($good, $name) || diag("expected $sqlstate_or_word and $value in: $said");
}

sub sql_said
{
	my ($sql) = @_;
	my %error = KeyringTest::sql_error($node, $sql);
	return $error{all};
}

# One row of COPY BINARY: an integer and texts or byteas.
sub binary_copy
{
	my ($id, @values) = @_;
	return
		"PGCOPY\n\377\r\n\0"
	  . pack('NN', 0, 0)
	  . pack('n', 1 + @values)
	  . pack('NN', 4, $id)
	  . join('', map { pack('N', length $_) . $_ } @values)
	  . pack('n', 0xffff);
}

sub make_tables
{
	my ($side) = @_;
	my ($r, $s, $b, $k, $p, $d) = @{ $columns{$side} };
	sql_ok(
		$node, qq{
		CREATE TABLE ${side}_parent (s $s PRIMARY KEY);
		CREATE TABLE $side (
			id integer PRIMARY KEY, r $r, s $s UNIQUE, b $b, k $k,
			p $p REFERENCES ${side}_parent DEFERRABLE INITIALLY DEFERRED,
			d $d UNIQUE DEFERRABLE INITIALLY DEFERRED,
			n integer CHECK (n > 0), w text NOT NULL DEFAULT '',
			CONSTRAINT ${side}_long CHECK (length(r) < 20000),
			EXCLUDE USING hash (k WITH =));
		CREATE VIEW ${side}_view AS SELECT id, r, n FROM $side WHERE n < 1000 WITH CHECK OPTION;
		CREATE TABLE ${side}_many (id integer, r $r, s $s);
		CREATE PUBLICATION ${side}_pub FOR TABLE $side, ${side}_many;
		CREATE FUNCTION ${side}_write(i integer, v text) RETURNS void LANGUAGE plpgsql
			AS 'BEGIN INSERT INTO $side (id, s) VALUES (i, v); END'}, "$side: tables"
	);
	sql_ok($node, "ALTER TABLE plain ALTER r SET STORAGE EXTERNAL", 'out of line, but not compressed')
	  if $side eq 'plain';
	return;
}

sub write_values
{
	my ($side) = @_;
	my $m = $marks{$side};

	sql_ok(
		$node,
		"INSERT INTO $side (id, r, s, b, k) VALUES (1, '"
		  . join("', '", $m->text('literal r'), $m->text('literal s'), $m->hex('literal b'), $m->hex('literal k'))
		  . "')",
		"$side: literals"
	);
	for my $mode (qw(extended prepared))
	{
		my %values =
		  (r => $m->text("$mode r"), s => $m->text("$mode s"), b => $m->hex("$mode b"), k => $m->hex("$mode k"));
		done_with_parameters("$side: parameters, $mode",
			$mode, "INSERT INTO $side (id, r, s, b, k) VALUES (" . ($mode eq 'extended' ? 2 : 3) . ', :r, :s, :b, :k);',
			%values);
		done_with_parameters("$side: looked up, $mode",
			$mode, "SELECT id FROM $side WHERE s = :s AND k = :k AND r LIKE :r;", %values);
		done_with_parameters(
			"$side: updated, $mode", $mode, "UPDATE $side SET r = :r WHERE s = :s;",
			s => $values{s},
			r => $m->text("$mode updated")
		);
	}
	sql_ok(
		$node,
		"COPY $side (id, r, s, b, k) FROM STDIN;\n4\t"
		  . join("\t", $m->text('copy r'), $m->text('copy s'), map { '\\' . $m->hex("copy $_") } qw(b k))
		  . "\n\\.\n",
		"$side: COPY, text"
	);
	sql_ok(
		$node,
		"COPY $side (id, r, s, b, k) FROM STDIN (FORMAT csv);\n5,"
		  . join(',', $m->text('csv r'), $m->text('csv s'), $m->hex('csv b'), $m->hex('csv k'))
		  . "\n\\.\n",
		"$side: COPY, csv"
	);
	my $file = $node->basedir . "/$side.binary";
	append_to_file($file,
		binary_copy(6, $m->text('binary r'), $m->text('binary s'), $m->bytes('binary b'), $m->bytes('binary k')));
	sql_ok($node, "COPY $side (id, r, s, b, k) FROM '$file' (FORMAT binary)", "$side: COPY, binary");

	my $long = join '', map { $m->text('toasted') . unpack 'H*', random_bytes(8) } 1 .. 200;
	done_with_parameters("$side: a toasted value", 'extended', "INSERT INTO $side (id, r) VALUES (7, :r);", r => $long);
	done_with_parameters(
		"$side: a compressed value",
		'extended',
		"INSERT INTO ${side}_many VALUES (0, :r);",
		r => $m->text('compressed') x 200
	);
	sql_ok(
		$node,
		"COPY ${side}_many FROM STDIN;\n"
		  . join('', map { "$_\t" . $m->text('many r') . "$_\t" . $m->text('many s') . $_ % 50 . "\n" } 1 .. 3000)
		  . "\\.\n",
		"$side: many rows"
	);

	sql_ok($node, "INSERT INTO ${side}_parent VALUES ('" . $m->text('parent') . "')", "$side: a parent");
	done_with_parameters(
		"$side: its child", 'extended', "INSERT INTO $side (id, p, d) VALUES (8, :p, :d);",
		p => $m->text('parent'),
		d => $m->text('deferred')
	);
	done_with_parameters(
		"$side: upsert", 'extended',
		"INSERT INTO $side (id, s) VALUES (9, :s) ON CONFLICT (s) DO UPDATE SET r = :r;",
		s => $m->text('literal s'),
		r => $m->text('upserted')
	);
	done_with_parameters(
		"$side: MERGE", 'extended',
		"MERGE INTO $side USING (VALUES (10)) v (i) ON id = i WHEN NOT MATCHED THEN INSERT (id, r) VALUES (i, :r);",
		r => $m->text('merged')
	);
	sql_ok(
		$node,
		"PREPARE p(text) AS INSERT INTO $side (id, r) VALUES (11, \$1); EXECUTE p('" . $m->text('executed') . "')",
		"$side: PREPARE and EXECUTE"
	);
	sql_ok(
		$node,
		"BEGIN; INSERT INTO $side (id, r) VALUES (12, '" . $m->text('rolled back') . "'); ROLLBACK",
		"$side: rolled back"
	);
	sql_ok(
		$node,
		"BEGIN; SAVEPOINT a; INSERT INTO $side (id, r) VALUES (12, '"
		  . $m->text('to savepoint')
		  . "'); ROLLBACK TO a; COMMIT",
		"$side: rolled back to a savepoint"
	);
	return;
}

sub break_constraints
{
	my ($side) = @_;
	my $m = $marks{$side};
	my @cases = (
		[ 'unique', "INSERT INTO $side (id, s) VALUES (20, :v);", qr/duplicate key/, $m->text('csv s') ],
		[ 'unique in a function', "SELECT ${side}_write(20, :v);", qr/duplicate key/, $m->text('csv s') ],
		[ 'CHECK', "INSERT INTO $side (id, r, n) VALUES (20, :v, 0);", qr/violates check/, $m->text('check') ],
		[
			'CHECK in UPDATE',
			"UPDATE $side SET n = 0, r = :v WHERE id = 1;",
			qr/violates check/,
			$m->text('check again')
		],
		[ 'NOT NULL', "INSERT INTO $side (id, r, w) VALUES (20, :v, NULL);", qr/not-null/, $m->text('not null') ],
		[ 'foreign key', "INSERT INTO $side (id, p) VALUES (20, :v);", qr/foreign key/, $m->text('orphan') ],
		[ 'referenced', "DELETE FROM ${side}_parent WHERE s = :v;", qr/foreign key/, $m->text('parent') ],
		[ 'exclusion', "INSERT INTO $side (id, k) VALUES (20, :v);", qr/exclusion/, $m->hex('csv k') ],
		[ 'deferred unique', "INSERT INTO $side (id, d) VALUES (20, :v);", qr/duplicate key/, $m->text('deferred') ],
		[
			'CHECK OPTION',
			"INSERT INTO ${side}_view VALUES (20, :v, 2000);",
			qr/check option/,
			$m->text('check option')
		]
	);
	for my $case (@cases)
	{
		my ($name, $sql, $like, $value) = @$case;
		fails_with_value("$side: $name", with_parameters('extended', $sql, v => $value), $like, $value);
	}
	fails_with_value(
		"$side: deferred, at COMMIT",
		with_parameters(
			'extended',
			"BEGIN;\nINSERT INTO $side (id, d) VALUES (20, :v);\nCOMMIT;",
			v => $m->text('deferred')
		),
		qr/duplicate key/,
		$m->text('deferred')
	);

	my %lines = (
		'unique' => [ 's', $m->text('csv s'), qr/duplicate key/ ],
		'CHECK' => [ 'r, n', $m->text('copy check') . "\t0", qr/violates check/ ],
		'another column' => [ 'r, n', $m->text('other column') . "\tone", qr/invalid input syntax/ ],
		'columns missing' => [ 'r, n', $m->text('missing'), qr/missing data/ ],
		'columns too many' => [ 'r', $m->text('too many') . "\t1", qr/extra data/ ],
		'digits' => [ 'b', '\\\\x' . unpack('H*', $m->text('digits')) . 'z', qr/hexadecimal/ ],
		'a long one' => [ 'r', $m->text('long') x 1000, qr/violates check/ ]
	);
	for my $name (sort keys %lines)
	{
		my ($list, $line, $like) = @{ $lines{$name} };
		like(sql_said("COPY $side (id, $list) FROM STDIN;\n21\t$line\n\\.\n"), $like, "$side: COPY, $name");
	}
	my $said =
	  sql_said("BEGIN; SET CONSTRAINTS ALL IMMEDIATE; COPY $side (id, p) FROM STDIN;\n21\t"
		  . $m->text('copied orphan')
		  . "\n\\.\n");
	fails_with_value("$side: foreign key in COPY", $said, qr/foreign key/, $m->text('copied orphan'));
	fails_with_value(
		"$side: CREATE UNIQUE INDEX",
		sql_said("CREATE UNIQUE INDEX ON ${side}_many (s)"),
		qr/duplicated/, $m->text('many s')
	);
	return;
}

sub rewrite
{
	my ($side) = @_;
	sql_ok($node, $_, $_)
	  for (
		"CREATE INDEX ${side}_s ON ${side}_many (s)",
		"CREATE INDEX ON ${side}_many USING hash (s)",
		"ANALYZE $side, ${side}_many",
		"CREATE MATERIALIZED VIEW ${side}_mat AS SELECT id, r, s FROM $side",
		"REFRESH MATERIALIZED VIEW ${side}_mat",
		"ANALYZE ${side}_mat",
		"CREATE TABLE ${side}_copy AS SELECT * FROM ${side}_many WHERE id < 100",
		"REINDEX TABLE $side",
		"CLUSTER ${side}_many USING ${side}_s",
		"DELETE FROM ${side}_copy WHERE id > 50",
		"VACUUM FULL $side",
		"VACUUM ${side}_copy"
	  );
	my $statistics = "CREATE STATISTICS ${side}_st (mcv) ON s, (length(s)) FROM ${side}_many; ANALYZE ${side}_many";
	sql_ok($node, $statistics, 'extended statistics of plain values') if $side eq 'plain';
	sql_fails($node, $statistics, '0A000', qr/encrypted/, 'but not of encrypted ones') if $side eq 'sealed';
	return;
}

# Where a relation and what it keeps out of line are.
sub files_of
{
	my ($relation) = @_;
	my @paths = split /\n/, sql_value(
		$node, "SELECT pg_relation_filepath(unnest(ARRAY[oid, nullif(reltoastrelid, 0)]))
		FROM pg_class WHERE oid = '$relation'::regclass"
	);
	return grep { -s $_ } map { $node->data_dir . "/$_" } grep { length } @paths;
}

# Which values are in these files, a word of the side before their names.
sub found_in
{
	my (@files) = @_;
	my @found;
	for my $side (@sides)
	{
		my %found = $marks{$side}->search(@files);
		push @found, map { "$side $_ in " . join(' ', sort keys %{ $found{$_} }) } sort keys %found;
	}
	return @found;
}

# Only what is plain is there, and these values of it are.
sub only_plain
{
	my ($what, $files, @wanted) = @_;
	my @found = found_in(@$files);
	is(join("\n", grep { /^sealed/ } @found), '', "$what: nothing of the sealed values");
	for my $name (@wanted)
	{
		ok(scalar(grep { /^plain \Q$name\E in/ } @found), "$what: plain $name is found");
	}
	return;
}

# --- writing ----------------------------------------------------------------------------------

for my $side (@sides)
{
	make_tables($side);
	write_values($side);
	break_constraints($side);
}

# --- logical decoding, also of a transaction that does not fit its memory --------------------------

my %plugins = (
	test_decoding => [],
	pgoutput => [ '-o', 'proto_version=1', '-o', 'publication_names=plain_pub,sealed_pub' ]
);
my %receivers;
for my $plugin (sort keys %plugins)
{
	sql_ok($node, "SELECT pg_create_logical_replication_slot('$plugin', '$plugin')", "a slot of $plugin");
	$receivers{$plugin} = IPC::Run::start(
		[
			$node->installed_command('pg_recvlogical'),
			'--start', '-S', $plugin, '-d', $node->connstr('postgres'),
			'-f', $node->basedir . "/$plugin.out",
			'-F', '1', '-s', '1', @{ $plugins{$plugin} }
		],
		'<',
		\undef
	);
}
my $writer = background($node);
$writer->query_safe('BEGIN');
for my $side (@sides)
{
	$writer->query_safe("INSERT INTO ${side}_many SELECT -id, r, s FROM ${side}_many WHERE id BETWEEN 1 AND 2000");
	$writer->query_safe("UPDATE $side SET r = '" . $marks{$side}->text('decoded') . "' WHERE id = 1");
}
my $slots = $node->data_dir . '/pg_replslot';
wait_until(
	sub {
		2 == grep {
			-e "$slots/$_" && grep { /\.spill$/ }
			  files_below("$slots/$_")
		} keys %plugins;
	},
	'decoding to put changes into files'
);
only_plain('changes that are put into files', [ grep { /\.spill$/ } files_below($slots) ], 'many r', 'many s');
$writer->query_safe('COMMIT');
$writer->quit;
for my $plugin (sort keys %plugins)
{
	my $out = $node->basedir . "/$plugin.out";
	wait_until(sub { -e $out && { $marks{plain}->in_text(slurp_file($out)) }->{decoded} },
		"$plugin to send the last change");
	only_plain("what $plugin sends", [$out], 'many r', 'many s', 'decoded');
	$receivers{$plugin}->signal('INT');
	$receivers{$plugin}->finish;
}
like(slurp_file($node->basedir . '/test_decoding.out'), qr/keyring:/, 'sealed values are sent as envelopes');
my $decoded = sql_value(
	$node, "SELECT pg_create_logical_replication_slot('sql', 'test_decoding');
	UPDATE plain SET r = r WHERE id IN (1, 2); UPDATE sealed SET r = r || '' WHERE id IN (1, 2);
	SELECT data FROM pg_logical_slot_get_changes('sql', NULL, NULL)"
);
ok({ $marks{plain}->in_text($decoded) }->{decoded}, 'decoded by SQL: plain values');
is(join(' ', %{ { $marks{sealed}->in_text($decoded) } }), '', 'decoded by SQL: sealed values as envelopes');

# --- temporary files that keyring's types are sorted in --------------------------------------------

for my $side (@sides)
{
	my $session = background($node);
	$session->query_safe(
		"SET work_mem = '64kB'; SET enable_hashjoin = off; SET enable_nestloop = off; SET enable_indexscan = off");
	$session->query_safe(
		"BEGIN; DECLARE c CURSOR FOR SELECT a.s, b.r FROM ${side}_many a JOIN ${side}_many b ON a.s = b.s AND a.id = b.id"
	);
	$session->query_safe('FETCH 1 FROM c');
	my @files = files_below($node->data_dir . '/base/pgsql_tmp');
	cmp_ok(scalar(@files), '>', 0, "$side: there are temporary files");
	only_plain("temporary files, $side", \@files, $side eq 'plain' ? ('many r', 'many s') : ());
	$session->quit;
}

# --- rewriting, and all on disk --------------------------------------------------------------------

rewrite($_) for @sides;
my %files = map { $_ => [ files_of($_) ] }
  qw(plain plain_many plain_s plain_s_key plain_k_excl plain_mat plain_copy pg_statistic pg_statistic_ext_data);
sql_ok($node, 'CHECKPOINT', 'a checkpoint');
sql_is($node, q(SELECT count(*) FROM sealed WHERE s = ') . $marks{sealed}->text('csv s') . q('),
	'1', 'sealed values are still there');
$node->stop;

my @data = files_below($node->data_dir);
only_plain(
	'the data directory',
	\@data,
	grep { !/^(digits|long|other column|missing|too many|check|check again|copy check|not null)$/ }
	  $marks{plain}->names
);
only_plain('the WAL', [ grep { m{/pg_wal/} } @data ],
	'literal r', 'extended s', 'prepared k', 'copy b', 'binary r', 'toasted', 'rolled back', 'to savepoint',
	'check option', 'decoded');
my %expected = (
	plain => [ 'literal s', 'csv b', 'binary k', 'prepared updated', 'toasted' ],
	plain_many => [ 'many r', 'many s', 'compressed' ],
	plain_s => ['many s'],
	plain_s_key => [ 'literal s', 'extended s', 'copy s' ],
	plain_mat => [ 'literal s', 'merged' ],
	plain_copy => ['many r'],
	pg_statistic => [ 'many s', 'many r', 'csv b' ],
	pg_statistic_ext_data => ['many s']
);

for my $relation (sort keys %expected)
{
	only_plain($relation, $files{$relation}, @{ $expected{$relation} });
}
only_plain(
	'the server log',
	[ $node->logfile ],
	'csv s',
	'check',
	'check again',
	'not null',
	'orphan',
	'parent',
	'csv k',
	'deferred',
	'check option',
	'copy check',
	'digits',
	'missing',
	'too many',
	'long',
	'copied orphan',
	'many s'
);
my $log = slurp_file($node->logfile);
cmp_ok(() = $log =~ /DETAIL:  The values are not logged/g, '>', 10, 'which says what it leaves out');
like($log, qr/ERROR:  duplicate key .*"sealed_s_key"/, 'but says what went wrong');

# --- what the operator asks for (doc/threat-model.md) -------------------------------------------------

$node->append_conf('postgresql.conf',
	"log_statement = all\nlog_parameter_max_length_on_error = -1\nauto_explain.log_min_duration = 0");
$node->start;
my $asked = $marks{sealed};
sql_ok(
	$node,
	"INSERT INTO sealed (id, r) VALUES (30, '" . $asked->text('asked literal') . "')",
	'log_statement = all, a literal'
);
done_with_parameters(
	'log_statement = all, a parameter',
	'extended',
	'INSERT INTO sealed (id, r) VALUES (31, :v);',
	v => $asked->text('asked parameter')
);
with_parameters('extended', 'INSERT INTO sealed (id, r, n) VALUES (32, :v, 0);', v => $asked->text('asked on error'));
my %logged = $asked->in_text(slurp_file($node->logfile));
is(join(', ', sort keys %logged), 'asked literal, asked on error, asked parameter', 'are in the log, and nothing else');
done_testing();
