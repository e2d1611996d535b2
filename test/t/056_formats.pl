# Text, csv and binary forms of encrypted values, in plaintext and in ciphertext, both ways, byte by byte; in another
# server encoding; and through the extended protocol.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use KeyringTest;
use MIME::Base64;

my $node = KeyringTest->new_node('main');
keyring_db($node);
my $files = $node->basedir;
my $columns = 'r encrypted_text, s encrypted_text(searchable), b encrypted_bytea, k encrypted_bytea(searchable)';
sql_ok(
	$node, qq(
	CREATE TABLE original (id integer, $columns);
	INSERT INTO original VALUES
		(1, 'one', 'one', 'one', 'one'),
		(2, '', '', '', ''),
		(3, NULL, NULL, NULL, NULL),
		(4, E'tab\\tline\\nback\\\\slash "quotes", \\\\N', E'\\\\.', '\\x00ff5c0a', '\\x'),
		(5, 'keyring:notreally', 'ungewöhnliche Zeichen: 漢字', 'keyring:', '\\xff01'),
		(6, repeat('long and repeated ', 3000), repeat('x', 2000), convert_to(repeat('long', 3000), 'UTF8'), '\\x01');
	INSERT INTO original SELECT 7, string_agg(md5(i::text), ''), NULL, decode(string_agg(md5(i::text), ''), 'hex'), NULL FROM generate_series(1, 300) i),
	'values of all kinds'
);
my $content =
  'SELECT id, md5(r::text), r IS NULL, left(r::text, 100), left(s::text, 100), md5(b::bytea), b IS NULL, k FROM %s ORDER BY id';
my $expected = sql_value($node, sprintf $content, 'original');
my $sealed = 'SET keyring.output_format = ciphertext; SELECT * FROM %s ORDER BY id';
my $envelopes = sql_value($node, sprintf $sealed, 'original');

# --- COPY, each format, each form -----------------------------------------------------------------

for my $format (qw(text csv binary))
{
	for my $form (qw(plaintext ciphertext))
	{
		my $name = "$format, $form";
		my $file = "$files/$format.$form";
		my $set = "SET keyring.output_format = $form; SET keyring.input_format = $form;";
		sql_ok($node, "$set COPY (SELECT * FROM original ORDER BY id) TO '$file' (FORMAT $format)", "$name: out");
		sql_ok(
			$node,
			"DROP TABLE IF EXISTS copy; CREATE TABLE copy (LIKE original); $set COPY copy FROM '$file' (FORMAT $format)",
			"$name: in"
		);
		sql_is($node, sprintf($content, 'copy'), $expected, "$name: the same values");
		my $again = sql_value($node, sprintf $sealed, 'copy');
		$form eq 'ciphertext'
		  ? is($again, $envelopes, "$name: the same envelopes")
		  : isnt($again, $envelopes, "$name: sealed anew");
		my $bytes = slurp_file($file);
		my $holds = $bytes =~ /ungew/;
		is(
			$holds ? 1 : 0,
			$form eq 'plaintext' ? 1 : 0,
			"$name: " . ($form eq 'plaintext' ? 'values' : 'no value') . ' in the file'
		);
	}
}

# The fields of the first rows of a file in COPY's binary format.
sub binary_fields
{
	my ($file) = @_;
	my $bytes = slurp_file($file);
	my $at = 19;
	my @rows;
	while ((my $count = unpack 'n', substr $bytes, $at, 2) != 0xffff)
	{
		my @row;
		$at += 2;
		for (1 .. $count)
		{
			my $length = unpack 'N', substr $bytes, $at, 4;
			$at += 4;
			push @row, $length == 0xffffffff ? undef : substr $bytes, $at, $length;
			$at += $length if defined $row[-1];
		}
		push @rows, \@row;
	}
	return @rows;
}

my @plain = binary_fields("$files/binary.plaintext");
is_deeply([ map { $plain[0][$_] } 1 .. 4 ], [ ('one') x 4 ], 'binary, plaintext: what text and bytea would send');
is_deeply([ @{ $plain[2] }[ 1 .. 4 ] ], [ (undef) x 4 ], 'and NULL');
is($plain[3][3], "\x00\xff\x5c\x0a", 'bytes as they are');
my @binary = binary_fields("$files/binary.ciphertext");
my @armored = map { [ split /\|/, $_, -1 ] } split /\n/, $envelopes;
for my $row (0 .. $#binary)
{
	my @bytes = map { defined $_ ? 'keyring:' . encode_base64($_, '') : '' } @{ $binary[$row] }[ 1 .. 4 ];
	is_deeply(
		\@bytes,
		[ @{ $armored[$row] }[ 1 .. 4 ] ],
		'binary, ciphertext: row ' . ($row + 1) . ' is the envelopes themselves'
	);
}

# --- what is refused ------------------------------------------------------------------------------

sub binary_file
{
	my ($name, $value) = @_;
	my $file = "$files/refused.$name";
	unlink $file;
	append_to_file(
		$file,
		"PGCOPY\n\377\r\n\0"
		  . pack('NN', 0, 0)
		  . pack('n', 1)
		  . (defined $value ? pack('N', length $value) . $value : pack 'N', 0xffffffff)
		  . pack 'n',
		0xffff
	);
	return $file;
}

my $in = 'SET keyring.input_format = ciphertext;';
my ($r, $s) = @{ $binary[0] }[ 1, 2 ];
my %refused = (
	'plaintext' => [ 'r', 'one', 'KR006' ],
	'nothing' => [ 'r', '', 'KR006' ],
	'an armored envelope' => [ 'r', $armored[0][1], 'KR006' ],
	'a cut one' => [ 'r', substr($r, 0, -1), 'KR006' ],
	'one and more' => [ 'r', "$r\0", 'KR006' ],
	'a header alone' => [ 'r', substr($r, 0, 24), 'KR006' ],
	'a changed one' => [ 'r', substr($r, 0, -1) . chr(ord(substr $r, -1) ^ 1), 'KR006' ],
	'one with a token' => [ 'r', $s, '22023' ],
	'one without' => [ 's', $r, '22023' ],
	'one of another type' => [ 'b', $r, 'KR006' ]
);
for my $what (sort keys %refused)
{
	my ($column, $value, $sqlstate) = @{ $refused{$what} };
	my $file = binary_file($column, $value);
	sql_fails($node, "$in COPY copy ($column) FROM '$file' (FORMAT binary)",
		$sqlstate, qr/./, "binary, ciphertext: $what is refused");
}
sql_ok($node, "$in COPY copy (r) FROM '" . binary_file('r', undef) . "' (FORMAT binary)", 'NULL is not');
sql_fails($node, "COPY copy (r) FROM '" . binary_file('r', "\xff\xfe") . "' (FORMAT binary)",
	'22021', qr/UTF8/, 'binary, plaintext: not UTF-8');
sql_ok(
	$node,
	"COPY copy (b) FROM '" . binary_file('b', $r) . "' (FORMAT binary)",
	'an envelope as a value of bytea is a value'
);
sql_is(
	$node,
	q(SELECT encode(b, 'hex') FROM copy WHERE r IS NULL AND length(b) = ) . length($r),
	unpack('H*', $r),
	'and comes back as that'
);

my $armor = $armored[0][1];
my %texts = (
	'plaintext' => 'one',
	'the prefix alone' => 'keyring:',
	'no base64' => 'keyring:???',
	'a cut base64' => substr($armor, 0, -2),
	'a blank in front' => " $armor",
	'upper case' => uc $armor,
	'another prefix' => $armor =~ s/keyring/keyrink/r
);
for my $what (sort keys %texts)
{
	my %error = sql_error($node, "$in COPY copy (r) FROM STDIN;\n$texts{$what}\n\\.\n");
	like($error{sqlstate}, qr/^(22P02|KR006)$/, "text, ciphertext: $what is refused") || diag($error{all});
}

# --- parameters -----------------------------------------------------------------------------------

# Runs a statement with the parameter :v in a session with these settings; returns what the client was told.
sub with_parameter
{
	my ($settings, $sql, $value) = @_;
	local $ENV{PGOPTIONS} = $settings;
	my $script = "$files/script.sql";
	my $said = '';
	unlink $script;
	append_to_file($script, "$sql\n");
	IPC::Run::run(
		[
			$node->installed_command('pgbench'),
			'-n', '-t', 1, '-M', 'extended', '-f', $script, '-D', "v=$value", $node->connstr('postgres')
		],
		'<',
		\undef,
		'>&',
		\$said
	);
	return $said;
}

my $done = qr{actually processed: 1/1};
my $ciphertext = '-c keyring.input_format=ciphertext';
like(with_parameter($ciphertext, 'INSERT INTO copy (id, r) VALUES (100, :v);', $armored[0][1]),
	$done, 'a parameter: an envelope');
sql_is($node, "SET keyring.output_format = ciphertext; SELECT r FROM copy WHERE id = 100",
	$armored[0][1], 'is stored as it is');
like(with_parameter($ciphertext, 'SELECT 1 / count(*) FROM copy WHERE s = :v;', $armored[0][2]),
	$done, 'and found by its token');
like(
	with_parameter($ciphertext, 'INSERT INTO copy (id, r) VALUES (101, :v);', 'one'),
	qr/not an armored envelope/,
	'plaintext is refused'
);
like(with_parameter('', 'INSERT INTO copy (id, r) VALUES (102, :v);', $armored[0][1]),
	$done, 'the same where plaintext is expected');
sql_is($node, 'SELECT r FROM copy WHERE id = 102', $armored[0][1], 'is a value like another: it is never guessed');
sql_is($node, 'SELECT count(*) FROM copy WHERE id = 101', '0', 'nothing else was stored');
done_testing();
