# Core dumps. A dump as the kernel makes it holds no data key, whatever is cached: the cache is left out of it. What
# gdb takes with every excluded mapping holds the key while it is cached, and not after keyring_flush_cache(); so no
# process keeps a copy of its own. Root keys are in no dump at all.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256 sha256_hex);
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => "shared_buffers = 2MB\nkeyring.cache_ttl = '1d'");
keyring_db($node);

# The data key and the token key, unwrapped without the server.
sub unwrap
{
	my ($id) = @_;
	my ($uuid, $wrap, $check) = split /\|/,
	  sql_value($node,
		"SELECT replace(uuid::text, '-', ''), encode(wrapped, 'hex'), encode(check_value, 'hex') FROM keyring_key WHERE id = $id"
	  );
	my $tool = 'build/unit/plain/test/unit/tool_unwrap';
	system('make', '-s', '--no-print-directory', 'with_llvm=no', $tool) == 0 or die "could not make $tool\n";
	my $file = root_key_file($node);
	my ($dek, $token_key) = map { pack 'H*', $_ } split /\n/, `$tool $file $uuid $wrap`;
	is(unpack('H*', hmac_sha256(pack('H*', $uuid) . $token_key, $dek)), $check, "key $id is unwrapped by the test");
	return ($dek, $token_key);
}

# What is in a dump of a process: names of the secrets that were found.
sub dump_holds
{
	my ($pid, $all, $secrets) = @_;
	my $prefix = $node->basedir . '/core';
	my $out = `gcore @{[ $all ? '-a' : '' ]} -o $prefix $pid 2>&1`;
	die "gcore: $out\n" unless -s "$prefix.$pid";
	my $core = slurp_file("$prefix.$pid");
	unlink "$prefix.$pid";
	return join ' ', grep { index($core, $secrets->{$_}) >= 0 } sort keys %$secrets;
}

sql_ok(
	$node, q(
	CREATE TABLE t (id serial, v encrypted_text, s encrypted_text(searchable) UNIQUE, b encrypted_bytea);
	INSERT INTO t (v, s, b) SELECT 'value ' || i, 'value ' || i, 'value' FROM generate_series(1, 100) i), 'a table'
);
my ($first, $token_key) = unwrap(1);
sql_ok($node, 'SELECT keyring_activate(keyring_create_key())', 'another key');
my ($second, $same) = unwrap(2);
is(unpack('H*', $same), unpack('H*', $token_key), 'keys of a database share the token key');

# The root key's digits are halved: the file's own copy in a page of the dump's text would be one, too.
my ($digits) = slurp_file(root_key_file($node)) =~ /^([0-9a-f]{64})$/m;
my %deks = (first => $first, second => $second);
my %roots = ('root key' => pack('H*', $digits), 'digits of the root key' => substr($digits, 0, 32));

# A session that has sealed, opened, compared and sorted with both keys.
my $session = background($node);
my ($pid) = $session->query_safe('SELECT pg_backend_pid()') =~ /(\d+)/;
my $use = q(
	SELECT keyring_rewrap_key(1);
	INSERT INTO t (v, s) VALUES ('more', 'more') ON CONFLICT (s) DO UPDATE SET v = 'even more';
	SELECT count(*) FROM t WHERE s = 'value 7' AND v LIKE 'value%' AND b = 'value';
	SELECT max(v), min(s) FROM t;
	SELECT v FROM t ORDER BY s, v LIMIT 1;
	SELECT count(*) FROM keyring_check_key(2));
$session->query_safe($use);
my $worker = worker_pid($node, 'keyring kms');

for my $process ([ 'backend', $pid ], [ 'KMS worker', $worker ])
{
	my ($name, $number) = @$process;
	is(dump_holds($number, 0, \%deks), '', "$name: no data key in an ordinary dump, though both are cached");
	is(dump_holds($number, 1, \%deks), 'first second', "$name: both in one of everything, so the search finds them");
	is(dump_holds($number, 1, \%roots), '', "$name: no root key in either");
}

sql_ok($node, 'SELECT keyring_flush_cache()', 'flushed');
for my $process ([ 'backend', $pid ], [ 'KMS worker', $worker ])
{
	my ($name, $number) = @$process;
	is(dump_holds($number, 1, { %deks, %roots }), '', "$name: after flushing, no key in a dump of everything");
}
is(dump_holds($worker, 1, { 'token key' => $token_key }), '', 'KMS worker: nor the token key');

# The backend that flushes, after it has used the keys again.
$session->query_safe($use);
$session->query_safe('SELECT keyring_flush_cache()');
is(dump_holds($pid, 1, { %deks, %roots }), '', 'the backend that flushed: no key in a dump of everything');
is($session->query_safe(q(SELECT v FROM t WHERE s = 'value 5')), 'value 5', 'the session goes on');

# A constraint opens values and shows nothing of them. This one is long enough for its middle to outlast what comes
# after in the same memory, and the letters at its front keep the header from settling its length. pg_stat_activity
# has the first kilobyte of the statement that stores it.
my $value = join '', map { sha256_hex($_) } 1 .. 30;
sql_ok(
	$node, qq(
	CREATE TABLE checked (v encrypted_text);
	INSERT INTO checked VALUES (U&'\\00e4\\00e4$value')), 'a value'
);
my $plaintext = { value => substr $value, 1500, 40 };
my $other = background($node);
my ($checker) = $other->query_safe('SELECT pg_backend_pid()') =~ /(\d+)/;
$other->query_safe('ALTER TABLE checked ADD CHECK (keyring_fits(v, 1922))');
is(dump_holds($checker, 1, $plaintext), '', 'a value that was checked for its length is nowhere in memory');
$other->query_safe('SELECT v FROM checked');
is(dump_holds($checker, 1, $plaintext), 'value', 'the search finds one that was read');
$other->quit;
$session->quit;
done_testing();
