# Re-encryption: what is moved and what is not touched, faults in the middle of it, and values that cannot be moved.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', fsync => 1, conf => <<'END');
wal_level = logical
max_prepared_transactions = 5
keyring.cache_ttl = '1s'
keyring.cache_grace = 0
END
keyring_db($node);

# A new primary key, its id.
sub new_key
{
	my $id = sql_value($node, 'SELECT keyring_create_key()');
	sql_value($node, "SELECT keyring_activate($id)");
	return $id;
}

my $counts = q(SELECT string_agg(concat(column_name, ' ', key_id, ' ', value_count), ', ' ORDER BY relation, column_name, key_id)
	FROM keyring_census());

# --- every kind of relation and value ---------------------------------------------------------

sql_ok($node, <<'END', 'tables with values');
CREATE TABLE person (id int PRIMARY KEY, name encrypted_text(searchable) UNIQUE, note encrypted_text, age encrypted_integer,
	updated_at timestamptz DEFAULT '2000-01-01');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON person FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE person ENABLE ALWAYS TRIGGER touch;
CREATE RULE nothing AS ON UPDATE TO person DO INSTEAD NOTHING;
INSERT INTO person (id, name, note, age) SELECT i, 'name ' || i, CASE WHEN i % 3 > 0 THEN 'note ' || i END, i FROM generate_series(1, 2000) i;
CREATE TABLE big (v encrypted_bytea);
INSERT INTO big SELECT decode(string_agg(md5(i::text || j), ''), 'hex') FROM generate_series(1, 20) i, generate_series(1, 500) j GROUP BY i;
CREATE TABLE parent (id int, v encrypted_text) PARTITION BY RANGE (id);
CREATE TABLE child1 PARTITION OF parent FOR VALUES FROM (0) TO (100);
CREATE TABLE child2 PARTITION OF parent FOR VALUES FROM (100) TO (200);
INSERT INTO parent SELECT i, 'v' || i FROM generate_series(0, 199) i;
CREATE MATERIALIZED VIEW seen AS SELECT id, v FROM parent WHERE id < 10;
CREATE UNLOGGED TABLE fleeting (v encrypted_text);
INSERT INTO fleeting VALUES ('x'), (NULL), ('');
CREATE TABLE keyed (k encrypted_text(searchable) PRIMARY KEY, gone int, v encrypted_numeric,
	twice encrypted_text GENERATED ALWAYS AS ('copy'::text) STORED);
INSERT INTO keyed SELECT 'k' || i, i, i + 0.5 FROM generate_series(1, 100) i;
CREATE TABLE referring (k encrypted_text(searchable) REFERENCES keyed);
INSERT INTO referring SELECT 'k' || i FROM generate_series(1, 50) i;
ALTER TABLE keyed DROP COLUMN gone;
END

my $plain = q(SELECT md5(concat((SELECT string_agg(concat_ws('|', id, name, note, age, updated_at), ',' ORDER BY id) FROM person),
	(SELECT string_agg(md5(v::bytea), ',' ORDER BY md5(v::bytea)) FROM big), (SELECT string_agg(id || v, ',' ORDER BY id) FROM parent),
	(SELECT string_agg(id || v, ',' ORDER BY id) FROM seen), (SELECT string_agg(coalesce(v::text, '-'), ',' ORDER BY v) FROM fleeting),
	(SELECT string_agg(concat(k, v, twice), ',' ORDER BY k) FROM keyed), (SELECT string_agg(k, ',' ORDER BY k) FROM referring))));
my $before = sql_value($node, $plain);

is(new_key(), 2, 'another key is primary');
sql_is($node, 'SELECT keyring_reencrypt()', '1', 'a job is started');
sql_ok($node, 'CALL keyring_wait_for_job()', 'it ends');
sql_is($node, 'SELECT DISTINCT key_id FROM keyring_census()', '2', 'every value is under the new key');
sql_is($node, $plain, $before, 'values are what they were, and no trigger fired');
sql_is($node, q(SELECT state, percent, unrecoverable FROM keyring_jobs), 'completed|100.0|0', 'the job says so');
sql_is($node, q(SET enable_seqscan = off; SELECT id FROM person WHERE name = 'name 77'), '77', 'the index finds values');
sql_ok($node, 'SELECT keyring_destroy_key(1)', 'the old key can be destroyed');
sql_is($node, $plain, $before, 'and is not missed');

done_testing();
