# What the server writes to its log by itself quotes no value of an encrypted column; the client is told
# as ever. The same errors in plain columns are logged as ever, which shows that the test can see them.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

# statement text is the operator's setting: it would show every literal
my $node = KeyringTest->new_node('main',
	conf =>
	  "log_statement = none\nlog_min_messages = warning\nlog_min_error_statement = panic\nlog_error_verbosity = verbose"
);
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE t (id int PRIMARY KEY, v encrypted_text(searchable) UNIQUE, r encrypted_text NOT NULL, n int CHECK (n > 0));
	CREATE TABLE p (id int PRIMARY KEY, v text UNIQUE, r text NOT NULL, n int CHECK (n > 0));
	CREATE TABLE t_late (v encrypted_text(searchable) REFERENCES t (v) DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE p_late (v text REFERENCES p (v) DEFERRABLE INITIALLY DEFERRED);
	CREATE VIEW t_view AS SELECT * FROM t WHERE id < 100 WITH CHECK OPTION;
	CREATE VIEW p_view AS SELECT * FROM p WHERE id < 100 WITH CHECK OPTION;
	CREATE TABLE named_t (v encrypted_text);
	CREATE TABLE named_p (v text);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v <> 'fine' THEN PERFORM (NEW.v || 's')::regclass; END IF; RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER note AFTER INSERT ON named_t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
	CREATE CONSTRAINT TRIGGER note AFTER INSERT ON named_p DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
	BEGIN;
	ALTER TABLE named_t DISABLE TRIGGER note;
	ALTER TABLE named_p DISABLE TRIGGER note;
	INSERT INTO named_t VALUES ('zebra');
	INSERT INTO named_p VALUES ('zebra');
	ALTER TABLE named_t ENABLE TRIGGER note;
	ALTER TABLE named_p ENABLE TRIGGER note;
	COMMIT;
	INSERT INTO t VALUES (1, 'zebra one', 'x', 1);
	INSERT INTO p VALUES (1, 'zebra one', 'x', 1);
	), 'an encrypted and a plain table'
);

my $parallel = $node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';

# each with its table; every value that may not be logged has a zebra in it
my @statements = (
	[ '23505', 'INSERT INTO %s VALUES (2, \'zebra one\', \'x\', 1)' ],
	[ '23502', 'INSERT INTO %s VALUES (2, \'zebra two\', NULL, 1)' ],
	[ '23514', 'INSERT INTO %s VALUES (2, \'zebra two\', \'zebra\', 0)' ],
	[ '23514', 'UPDATE %s SET n = -1' ],
	[ '23505', 'WITH w AS (INSERT INTO %s VALUES (2, \'zebra one\', \'x\', 1) RETURNING id) SELECT * FROM w' ],
	[ '44000', 'INSERT INTO %s_view VALUES (101, \'zebra two\', \'x\', 1)' ],
	[ '23503', 'INSERT INTO %s_late VALUES (\'zebra three\')' ],
	[ '23503', 'BEGIN; INSERT INTO %s_late VALUES (\'zebra three\'); COMMIT' ],
	[ '23505', "COPY %s FROM STDIN;\n2\tzebra one\tx\t1\n\\.\n" ],
	[ '22P02', "COPY %s FROM STDIN;\n2\tzebra two\tx\tzebra\n\\.\n" ],
	[ '22P04', "COPY %s (id, v) FROM STDIN;\n2\tzebra two\tzebra\n\\.\n" ],
	[ '23514', "COPY %s FROM STDIN (FORMAT csv);\n2,zebra two,x,0\n\\.\n" ],
	[ '23505', 'DO $$ DECLARE x text := \'zebra one\'; BEGIN INSERT INTO %s VALUES (2, x, \'x\', 1); END $$' ],
	[ '22P02', 'SELECT v::text::int FROM %s' ],
	[ '22P02', 'UPDATE %s SET n = v::text::int' ],
	[ '22P02', 'SELECT v::text::json FROM %s' ],
	[ '22P02', 'DO $$ BEGIN PERFORM v::text::int FROM %s; END $$' ],
	[ '22P02', "SET $parallel = on; SELECT v::text::int FROM %s" ],
	[ '42P01', 'SELECT (v || \'s\')::regclass FROM named_%s' ],
	[ '0A000', 'SELECT (v || \'.a.b\')::regclass FROM named_%s' ],
	[ '42883', 'SELECT (v || \'()\')::regprocedure FROM named_%s' ],
	[ '42704', 'SELECT v::text::regtype FROM named_%s' ],
	[ '3F000', 'SELECT v::text::regnamespace FROM named_%s' ],
	[ '42601', 'SELECT (v || \' &\')::tsquery FROM %s' ],
	[ '42601', 'DO $$ BEGIN EXECUTE (SELECT v::text FROM %s); END $$' ],
	[ '42703', 'DO $$ BEGIN EXECUTE format(\'SELECT %%s\', (SELECT v FROM named_%s)); END $$' ],
	[
		'42P01',
		'DO $$ DECLARE x named_%1$s; BEGIN SELECT * INTO x FROM named_%1$s; x.v := x.v || \'s\'; COMMIT; PERFORM x.v::text::regclass; END $$'
	],
	[ '42P01', 'INSERT INTO named_%s VALUES (\'zebra\')' ],
	[
		'42P01',
		'DO $$ DECLARE x named_%1$s; BEGIN SELECT * INTO x FROM named_%1$s; RAISE NOTICE \'%%\', (x.v || \'s\')::regclass; END $$'
	],
	[ '42P01', "SET $parallel = on; SELECT (v || 's')::regclass FROM named_%s" ],
);

for my $case (@statements)
{
	my ($sqlstate, $statement) = @$case;
	my $name = $statement =~ s/\n.*//sr;

	for my $table (qw(p t))
	{
		my $start = log_position($node);
		my %error = sql_error($node, sprintf $statement, $table);
		my $log = log_since($node, $start);

		is($error{sqlstate}, $sqlstate, "$name on $table: SQLSTATE");
		like($error{all}, qr/zebra/, "$name on $table: the client sees the value");
		like($log, qr/ERROR: +$sqlstate/, "$name on $table: the error is logged");

		$table eq 'p'
		  ? like($log, qr/zebra/, "$name on $table: the log shows the value")
		  : unlike($log, qr/zebra/, "$name on $table: the log does not show the value");
	}
}

# what is hidden ends with the statement: in the same session, a later error has its detail and context
my $file = $node->basedir . '/rows';
append_to_file($file, "2\tzebra one\tx\t1\n");
my $session = background($node);
$session->query("COPY t FROM '$file'");
my $start = log_position($node);
$session->query(q(DO $$ DECLARE x text := 'zebra one'; BEGIN INSERT INTO p VALUES (2, x, 'x', 1); END $$));
$session->quit;
like(log_since($node, $start), qr/DETAIL:.*zebra one/, 'after a failed COPY, an error in a plain table has its detail');
like(log_since($node, $start), qr/CONTEXT:.*INSERT INTO p/, 'and its context');

# what cannot be converted is logged by the format of the message, unless no encrypted value is concerned
$start = log_position($node);
sql_error($node, 'SELECT v::text::int FROM t');
like(
	log_since($node, $start),
	qr/ERROR:  22P02: invalid input syntax for type %s: "%s"\n.*DETAIL:  The values are not logged/,
	'a message without its values'
);
$start = log_position($node);
sql_error($node, q(SELECT v FROM t; SELECT 'zebra'::int));
like(
	log_since($node, $start),
	qr/ERROR:  22P02: invalid input syntax for type integer: "zebra"/,
	'a literal in a statement of its own'
);

# nor is what the client itself wrote, which fails before anything runs, though its literals were sealed and opened
for my $statement (
	q(SELECT v FROM t WHERE v = 'x' AND zebra),
	q(SELECT v FROM t WHERE v = 'x' FETCH zebra),
	q(SELECT v FROM t WHERE v = 'x'; SELECT FROM zebra),
	q(INSERT INTO named_t VALUES ('fine'); SELECT FROM zebra),
	q(INSERT INTO t VALUES (5, 'x', 'x', zebra(1)))
  )
{
	$start = log_position($node);
	sql_error($node, $statement);
	like(log_since($node, $start), qr/ERROR: +42.*zebra/, "$statement: logged with its names");
}

done_testing();
