# Root keys: every way in which the file can be wrong, and a command; what is reported, that nothing is
# stored, and that all is well again, without a restart, once it is mended.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold;

my $node = KeyringTest->new_node('main', conf => "keyring.kms_timeout = '60s'");
my $file = root_key_file($node);

# The first root key is made, when nothing depends on one.
ok(!-e $file, 'there is no root key at first');
sql_ok($node, 'CREATE EXTENSION keyring', 'the extension');
my ($out, $err) = ('', '');
$node->psql('postgres', 'SELECT keyring_create_key()', stdout => \$out, stderr => \$err);
like($err, qr/WARNING:  made root key [0-9a-f]{16} in file "\Q$file\E".*backup/, 'making one is said aloud');
is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'nobody else may read it');
my $wanted = sql_value($node, 'SELECT kek_version FROM keyring_keys');
my $good = slurp_file($file);
my ($line) = $good =~ /^([0-9a-f]{64})$/m;
sql_ok(
	$node, q(SELECT keyring_activate(1);
	CREATE TABLE t (v encrypted_text(searchable)); INSERT INTO t VALUES ('secret')), 'a value'
);

# Puts something in the file's place.
sub put
{
	my ($text, $mode) = @_;
	rmdir $file if -d $file && !-l $file;
	unlink $file;
	return unless defined $text;
	append_to_file($file, $text);
	chmod $mode // 0600, $file;
	return;
}

my $other = KeyringHold::random_key();
my %fault = (
	'missing' => [
		sub { put(undef) }, qr/could not find root key $wanted: file "\Q$file\E" does not exist/, qr/Restore the file/
	],
	'another one' => [
		sub { put($other) },
		qr/could not find root key $wanted in file .*\(other keys there: 1\)/,
		qr/Put the line of that root key back/
	],
	'unreadable' =>
	  [ sub { put($good, 0000) }, qr/could not open root key file .*Permission denied/, qr/must let user id $<,/ ],
	'world-readable' => [ sub { put($good, 0644) }, qr/is open to everybody \(mode 0644\)/, qr/chmod 600 '\Q$file\E'/ ],
	'open to its group' => [ sub { put($good, 0640) }, qr/is open to its group \(mode 0640\)/, qr/chmod 600/ ],
	'too short' => [ sub { put(substr($line, 1) . "\n") }, qr/line 1 is too short/, qr/64 hexadecimal digits/ ],
	'too long' => [ sub { put("# comment\n${line}00\n") }, qr/line 2 is too long/, qr/64 hexadecimal digits/ ],
	'32 raw bytes' => [ sub { put(pack 'H*', $line) }, qr/line 1/, qr/64 hexadecimal digits/ ],
	'empty' => [ sub { put('') }, qr/holds no root key/, qr/64 hexadecimal digits/ ],
	'a folder' => [ sub { put(undef); mkdir $file }, qr/is not a regular file/, qr/keyring.root_key_file/ ],
	'a link to nowhere' =>
	  [ sub { put(undef); symlink "$file.elsewhere", $file }, qr/does not exist/, qr/Restore the file/ ],
);

# Nothing is cached, neither a key nor a failure.
my $cold = 'DO $$BEGIN PERFORM keyring_flush_cache(); END$$;';

for my $what (sort keys %fault)
{
	my ($spoil, $message, $hint) = @{ $fault{$what} };
	$spoil->();
	my %error = sql_error($node, "$cold SELECT v FROM t");
	is($error{sqlstate}, 'KR001', "$what: SQLSTATE");
	like($error{detail}, $message, "$what: message");
	like($error{hint}, $hint, "$what: hint");
	unlike($error{all}, qr/\Q$line\E|\Q@{[substr $line, 1, 40]}\E/, "$what: the key itself is not in the error");
	sql_fails($node, 'SELECT keyring_create_key()', 'KR001', $message, "$what: no key can be made");
	put($good);
	sql_is($node, "$cold SELECT v FROM t", 'secret', "$what: mended, and values can be read again");
}
put(undef);
sql_fails($node, "$cold SELECT v FROM t", 'KR001', qr/does not exist/, 'missing once more');
put($good);
wait_for($node, 'SELECT v FROM t', 'secret', 'a failure is not remembered for long');
sql_is($node, 'SELECT count(*), (SELECT count(*) FROM keyring_events) FROM keyring_keys',
	'1|2', 'no key was stored by any of that');
is(slurp_file($file), $good, 'and the file is what it was');

# Several root keys: the old one opens, the new one wraps.
put($good . $other);
sql_is($node, "$cold SELECT v FROM t", 'secret', 'two root keys: the old one still opens');
sql_is($node, 'SELECT keyring_create_key()', '2', 'two root keys: a new data key');
my $new = sql_value($node, 'SELECT kek_version FROM keyring_keys WHERE id = 2');
isnt($new, $wanted, 'is wrapped by the new root key');
sql_is(
	$node,
	q(SELECT detail FROM keyring_doctor() WHERE subject = 'key 1' AND NOT ok),
	"wrapped by $wanted, not by the current version $new of its wrapping key",
	'the doctor says which key is left behind'
);
put($other);
sql_fails(
	$node, 'SELECT keyring_rewrap_key(1)',
	'KR001',
	qr/could not find root key $wanted/,
	'too early: the old line is still needed'
);
sql_is($node, 'SELECT kek_version FROM keyring_keys WHERE id = 1', $wanted, 'and nothing has changed');
put($good . $other);
sql_ok($node, 'SELECT keyring_rewrap_key(1)', 'rewrapped');
sql_is($node, 'SELECT DISTINCT kek_version FROM keyring_keys', $new, 'both keys are wrapped by the new root key');
sql_is($node, q(SELECT count(*) FROM keyring_doctor() WHERE subject LIKE 'key %' AND NOT ok),
	'0', 'the doctor is content');
put($other);
sql_is($node, "$cold SELECT v FROM t WHERE v = 'secret'", 'secret',
	'values can be read and found without the old line');

# Changes a setting. When a new session has it, the worker has been told, too.
sub set
{
	my ($name, $value) = @_;
	my $quoted = $value =~ s/'/''/gr;
	sql_value($node, "ALTER SYSTEM SET keyring.$name = '$quoted'; SELECT pg_reload_conf()");
	wait_until(sub { sql_value($node, "SHOW keyring.$name") eq $value }, "the setting of $name");
	return;
}

# A command instead of the file.
append_to_file("$file.elsewhere", $other);
append_to_file("$file.former", $good);
put(undef);
set('root_key_command', "cat '$file.elsewhere'");
sql_is($node, "$cold SELECT v FROM t", 'secret', 'the output of a command');
sql_is(
	$node,
	q(SELECT detail FROM keyring_doctor() WHERE subject = 'root key'),
	"fingerprint $new, from a command",
	'as the doctor says'
);
my %command = (
	'echo the vault is sealed >&2; exit 3' => [ 'KR005', qr/root_key_command failed with exit status 3\.$/m ],
	'kill -9 $$' => [ 'KR005', qr/was ended by signal 9/ ],
	'/no/such/program' => [ 'KR005', qr/exit status 127/ ],
	'true' => [ 'KR001', qr/output of keyring.root_key_command holds no root key/ ],
	"cat '$file.former'" => [ 'KR001', qr/could not find root key $new in the output of keyring.root_key_command/ ],
	"echo 'no key' && cat '$file.elsewhere'" => [ 'KR001', qr/line 1 holds something other than hexadecimal digits/ ],
);

for my $command (sort keys %command)
{
	my ($sqlstate, $message) = @{ $command{$command} };
	my $name = $command =~ s/\Q$file\E/.../r;
	set('root_key_command', $command);
	sql_fails($node, "$cold SELECT v FROM t", $sqlstate, $message, "command $name");
}

# What a command says of itself may be anything: it is for who runs the server, and not for who reads a value.
my $position = log_position($node);
set('root_key_command', 'echo the vault is sealed >&2; exit 3');
my %refused = sql_error($node, "$cold SELECT v FROM t");
unlike($refused{all}, qr/sealed/, 'what the command said is not told to a reader');
wait_until(sub { log_since($node, $position) =~ /exit status 3: the vault is sealed\./ }, 'the log to tell it');
sql_is($node, q(SELECT bool_or(health_message LIKE '%sealed%') FROM keyring_keys), 'f', 'nor in the view of keys');
sql_is(
	$node,
	q(SELECT step, detail FROM keyring_check_key(1) WHERE ok IS NOT TRUE),
	join(
		"\n", map { "$_|keyring.root_key_command failed with exit status 3: the vault is sealed" } qw(metadata unwrap)
	),
	'but by keyring_check_key()'
);
sql_is($node, q(SELECT count(*) > 0 FROM keyring_doctor() WHERE detail LIKE '%the vault is sealed'),
	't', 'by the doctor');
sql_fails($node, 'SELECT keyring_create_key()', 'KR005', qr/the vault is sealed/, 'and where a key is made');
set('root_key_command', "cat '$file.elsewhere'");
sql_is($node, "$cold SELECT v FROM t", 'secret', 'and one that works again');
sql_fails(
	$node, 'SHOW keyring.root_key_command',
	'42501',
	qr/superuser|pg_read_all_settings/,
	'who may not see the setting',
	user => 'nobody'
) if sql_ok($node, 'CREATE ROLE nobody LOGIN', 'somebody else');

# With a limit of time.
set('kms_timeout', '1s');
set('root_key_command', 'sleep 600');
sql_fails(
	$node, "$cold SELECT v FROM t",
	'KR005',
	qr/root_key_command did not end within 1000 ms/,
	'a command that hangs'
);
set('root_key_command', "cat '$file.elsewhere'");
sql_is($node, "$cold SELECT v FROM t", 'secret', 'is forgotten once another one is set');

my $log = slurp_file($node->logfile);
chomp $other;
ok($log !~ /$line|$other/i, 'no root key is in the server log');
ok($log =~ /keyring could not unwrap a data key: not_found.*could not find root key $wanted/s, 'but what was wrong is');

done_testing();
