# Destroying a key looks at row versions that are gone, also where their TOASTed values are gone before them.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'autovacuum = off');
keyring_db($node);
sql_ok(
	$node, q(
	CREATE TABLE letter (id integer PRIMARY KEY, body encrypted_text);
	INSERT INTO letter SELECT i, (SELECT string_agg(md5(i || '/' || n), '') FROM generate_series(1, 200) n)
		FROM generate_series(1, 20) i;), 'letters of 6 kB'
);
my $toast = sql_value($node, q(SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'letter'::regclass));
my $digest = sql_value($node, 'SELECT md5(string_agg(body::text, id::text ORDER BY id)) FROM letter');

sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
sql_ok($node, 'UPDATE letter SET body = body::text', 'the letters are under it');
sql_ok($node, "VACUUM $toast", 'what was TOASTed under the first key is removed');
sql_ok($node, 'CREATE EXTENSION pageinspect', 'to look at pages');
sql_is(
	$node,
	q(SELECT count(*) > 0 FROM generate_series(0, pg_relation_size('letter') / 8192 - 1) page,
		heap_page_items(get_raw_page('letter', page::integer)) WHERE t_xmax <> 0),
	't',
	'row versions under the first key are still there'
);
sql_ok($node, 'SELECT keyring_destroy_key(1)', 'the first key is destroyed');
sql_is($node, 'SELECT md5(string_agg(body::text, id::text ORDER BY id)) FROM letter',
	$digest, 'each letter is as it was');
done_testing();
