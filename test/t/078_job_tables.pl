# What a job leaves alone in the tables that it goes through, and what cannot keep it from going through: triggers, rules,
# constraints, policies and privileges; indexes of every kind; heirs; and functions in indexes, which have the rights of the
# table's owner and no way to more.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'autovacuum = off');
keyring_db($node);

# --- nothing fires, nothing is checked ------------------------------------------------------------

sql_ok($node, <<'END', 'a table with all that an UPDATE would set off');
CREATE TABLE fired (what text);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	INSERT INTO fired VALUES (TG_NAME);
	RETURN coalesce(NEW, OLD);
END $$;
CREATE TABLE parent_key (k encrypted_text(searchable) PRIMARY KEY);
INSERT INTO parent_key SELECT 'k' || i FROM generate_series(1, 40) i;
CREATE TABLE guarded (
	id int, name encrypted_text(searchable), k encrypted_text(searchable), note encrypted_text, updated_at timestamptz DEFAULT '2000-01-01',
	shout encrypted_text GENERATED ALWAYS AS ('of ' || id) STORED, fixed text GENERATED ALWAYS AS ('row ' || id) STORED);
INSERT INTO guarded SELECT i, 'name ' || i, 'k' || i, CASE WHEN i % 3 > 0 THEN 'note ' || i END FROM generate_series(1, 50) i;
ALTER TABLE guarded ADD CONSTRAINT refers FOREIGN KEY (k) REFERENCES parent_key ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;
ALTER TABLE guarded ADD CONSTRAINT wrong CHECK (id > 10 AND name <> 'name 20'::text) NOT VALID;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY nobody ON guarded USING (false) WITH CHECK (false);
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER after_row AFTER INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER before_all BEFORE INSERT OR UPDATE OR DELETE ON guarded FOR EACH STATEMENT EXECUTE FUNCTION fire();
CREATE TRIGGER after_all AFTER UPDATE ON guarded REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION fire();
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON guarded DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER in_replica BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER always BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION fire();
ALTER TABLE guarded ENABLE REPLICA TRIGGER in_replica, ENABLE ALWAYS TRIGGER always;
CREATE RULE instead AS ON UPDATE TO guarded DO INSTEAD NOTHING;
CREATE RULE besides AS ON UPDATE TO parent_key DO ALSO INSERT INTO fired VALUES ('rule');
CREATE TRIGGER of_key AFTER UPDATE ON parent_key FOR EACH ROW EXECUTE FUNCTION fire();
END

# --- indexes and constraints of every kind --------------------------------------------------------

sql_ok($node, <<'END', 'a table with indexes of every kind');
CREATE TABLE indexed (id int, a encrypted_text(searchable), b encrypted_integer(searchable), c encrypted_text,
	UNIQUE (a) DEFERRABLE INITIALLY DEFERRED, UNIQUE (b) INCLUDE (c), EXCLUDE USING hash (a WITH =));
CREATE INDEX by_hash ON indexed USING hash (a);
CREATE INDEX by_both ON indexed (b, a, id);
CREATE INDEX by_part ON indexed (a) WHERE id % 2 = 0;
CREATE INDEX by_brin ON indexed USING brin (id);
INSERT INTO indexed SELECT i, 'a' || i, i, 'c' || i FROM generate_series(1, 200) i;
END

# --- relations that are easily forgotten ----------------------------------------------------------

sql_ok($node, <<'END', 'heirs with columns in another order, views without rows, dropped columns');
CREATE TABLE root (id int, v encrypted_text(searchable));
CREATE TABLE heir (v encrypted_text(searchable), own encrypted_text, gone encrypted_text, id int);
INSERT INTO root VALUES (1, 'root');
INSERT INTO heir (id, v, own, gone) VALUES (2, 'heir', 'own', repeat('gone', 400));
ALTER TABLE heir DROP COLUMN gone, INHERIT root;
CREATE TABLE grandchild (note encrypted_date) INHERITS (heir);
CREATE EXTENSION pageinspect;
INSERT INTO grandchild (id, v, note) VALUES (3, 'grandchild', '2026-01-01');
CREATE MATERIALIZED VIEW empty AS SELECT * FROM root WITH NO DATA;
CREATE MATERIALIZED VIEW filled AS SELECT * FROM root;
CREATE UNIQUE INDEX ON filled (v);
END

# --- functions in indexes -------------------------------------------------------------------------

# Each tries what it must not reach, but only in the job.
my %attempts = (
	becomes_postgres => q(PERFORM pg_catalog.set_config('role', 'postgres', false)),
	reads_a_file => q(PERFORM pg_catalog.pg_read_file('PG_VERSION')),
	reads_keys => 'PERFORM count(*) FROM public.keyring_key',
	makes_a_table => 'CREATE TEMPORARY TABLE mine (id int)',
	writes_elsewhere => q(INSERT INTO public.fired VALUES ('owner')),
	# these are allowed, and must not last
	changes_a_setting => q(PERFORM pg_catalog.set_config('work_mem', '77MB', false)),
	finds_no_setting => q(IF pg_catalog.current_setting('work_mem') = '77MB' THEN RAISE 'changed'; END IF),
	is_the_owner => q(IF current_user <> 'owner' THEN RAISE 'not the owner'; END IF)
);
my @attempts =
  qw(becomes_postgres reads_a_file reads_keys makes_a_table writes_elsewhere changes_a_setting finds_no_setting is_the_owner);
my $owned = 'CREATE ROLE owner; GRANT CREATE ON SCHEMA public TO owner; SET ROLE owner;';
for my $name (@attempts)
{
	$owned .= <<"END";
CREATE FUNCTION do_$name() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
	$attempts{$name};
END \$\$;
CREATE FUNCTION $name(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
	IF pg_catalog.current_setting('deadlock_timeout') = '10ms' THEN
		PERFORM public.do_$name();
	END IF;
	RETURN \$1;
END \$\$;
CREATE TABLE t_$name (id int, v encrypted_text(searchable));
CREATE INDEX ON t_$name (v);
CREATE INDEX ON t_$name ($name(id));
INSERT INTO t_$name VALUES (1, 'v');
REVOKE ALL ON t_$name FROM owner;
END
}
sql_ok($node, $owned, 'tables of another owner, who has no privileges on them');

# --- the job ----------------------------------------------------------------------------------------

my $values = q(SELECT md5(concat((SELECT string_agg(concat_ws('|', g.*), ',' ORDER BY id) FROM guarded g),
	(SELECT string_agg(concat_ws('|', id, a, b, c), ',' ORDER BY id) FROM indexed), (SELECT string_agg(k, ',' ORDER BY k) FROM parent_key),
	(SELECT string_agg(concat_ws('|', id, v, own), ',' ORDER BY id) FROM heir), (SELECT string_agg(v, ',' ORDER BY id) FROM root),
	(SELECT note FROM grandchild), (SELECT string_agg(v, ',' ORDER BY id) FROM filled))));
my $before = sql_value($node, $values);
sql_ok(
	$node,
	'DELETE FROM fired; SELECT keyring_activate(keyring_create_key()); SELECT keyring_reencrypt(); CALL keyring_wait_for_job()',
	'a job over everything ends'
);
sql_is($node, $values, $before, 'values are what they were');
sql_is($node, 'SELECT DISTINCT key_id FROM filled, keyring_inspect(v)', '2', 'those of a materialized view are moved');
sql_is($node, 'SELECT count(*) FROM fired', '0', 'no trigger and no rule has fired');
sql_is($node, q(SELECT DISTINCT updated_at = '2000-01-01' FROM guarded), 't', 'and no row was touched otherwise');
sql_is(
	$node,
	q(SELECT string_agg(concat(relation, ' ', value_count), ', ' ORDER BY relation) FROM keyring_census() WHERE key_id = 1),
	join(', ', map { "t_$_ 1" } @attempts[ 0 .. 4 ]),
	'every value is moved, but where an index has failed'
);
sql_is(
	$node,
	'SELECT DISTINCT relation, reason, message FROM keyring_unrecoverable ORDER BY 1',
	join("\n", map { "t_$_|row refused|storing the row failed with SQLSTATE 42501" } @attempts[ 0 .. 4 ]),
	'because its function was denied what the owner may not do'
);

sql_is(
	$node, q(SELECT lp_len > 1600 FROM heap_page_items(get_raw_page('heir', 0)) ORDER BY lp),
	"t\nf", 'a value of a column that was dropped is not taken along'
);
for my $query (
	'id FROM indexed WHERE a = $$a77$$',
	'id FROM indexed WHERE b = 77',
	q(id FROM indexed WHERE a = 'a77'::text AND b = 77)
  )
{
	sql_is($node, "SET enable_seqscan = off; SELECT $query", '77', "found: $query");
}
sql_is($node, q(SET enable_seqscan = off; SELECT id FROM indexed WHERE a = 'a78' AND id % 2 = 0),
	'78', 'found by a partial index');
sql_fails($node, q(INSERT INTO indexed VALUES (300, 'x', 5)), '23505', qr/indexed_b_c_key/, 'unique is unique still');
sql_is($node, q(REFRESH MATERIALIZED VIEW empty; SELECT count(*) FROM empty),
	'3', 'the view without rows can be filled');

# --- one column of a tree, and a job that comes too late ---------------------------------------------

sql_value($node, 'SELECT keyring_activate(keyring_create_key())');
sql_ok($node, q(SELECT keyring_reencrypt('root', 'v'); CALL keyring_wait_for_job()), 'a job for one column of a tree');
sql_is(
	$node,
	q(SELECT relation, column_name, key_id FROM keyring_census() WHERE relation IN ('root'::regclass, 'heir'::regclass, 'grandchild'::regclass)
		ORDER BY relation::text, column_name),
	"grandchild|note|2\ngrandchild|v|3\nheir|own|2\nheir|v|3\nroot|v|3",
	'moves that column of its heirs, and no other'
);
$node->command_ok(
	[
		'pg_amcheck', '-p', $node->port, '-h', $node->host, '-d', 'postgres', '--install-missing', '-t', 'public.*',
		'--heapallindexed'
	],
	'pg_amcheck finds nothing'
);

done_testing();
