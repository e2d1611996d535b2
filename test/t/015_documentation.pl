# The reference pages say what the server says: functions, views, types, settings, SQLSTATEs. Fails when one is
# missing from its page, when a page has one that does not exist, and when the two differ.
use strict;
use warnings FATAL => 'all';

use KeyringTest;

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok($node, q(CREATE ROLE admin; CREATE ROLE reader; CREATE ROLE backup; CREATE ROLE nobody), 'roles');
sql_ok($node, qq(SELECT keyring_grant('$_', '$_')), "capability $_") for qw(admin reader backup);

my %page = map { $_ => slurp_file($_) } 'README.md', 'SECURITY.md', 'CHANGELOG.md', glob 'doc/*.md';
my $functions = $page{'doc/functions.md'};
my $errors = $page{'doc/errors.md'};

sub rows
{
	my ($sql) = @_;
	return map { [ split /\t/, $_, -1 ] } split /\n/,
	  sql_value($node, "\\pset fieldsep '\t' \\\\ $sql") =~ s/^Field sep.*\n//r;
}

# Of queries with one column.
sub cells
{
	return map { $_->[0] } rows(@_);
}

# Two lists of the same things, in any order.
sub same
{
	my ($name, $documented, $real) = @_;
	my %documented = map { $_ => 1 } @$documented;
	my %real = map { $_ => 1 } @$real;
	is(join("\n", sort grep { !$documented{$_} } keys %real), '', "$name: all are documented");
	is(join("\n", sort grep { !$real{$_} } keys %documented), '', "$name: all that is documented exists");
	cmp_ok(scalar @$real, '>', 0, "$name: there are some");
	return;
}

# The text below a heading, up to the next of its level or above.
sub section
{
	my ($text, $title) = @_;
	my ($level, $body) = $text =~ /^(#+) \Q$title\E\n(.*)/ms or return '';
	my $hashes = length $level;
	$body =~ s/^#{1,$hashes} .*//ms;
	return $body;
}

# First cells of a section's table, without its head.
sub first_cells
{
	my ($text) = @_;
	my @cells = map { /^\|\s*((?:\\\||[^|])*?)\s*\|/ ? $1 =~ s/\\\|/|/gr : () } split /\n/, $text;
	return @cells[ 2 .. $#cells ];
}

# --- functions --------------------------------------------------------------------------------

my $members = q(FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass
	AND d.refobjid = e.oid AND d.deptype = 'e' AND e.extname = 'keyring');
my @bases = cells(<<"END");
	SELECT substr(t.typname, 11) $members JOIN pg_type t ON d.classid = 'pg_type'::regclass AND d.objid = t.oid
	WHERE t.typname LIKE 'encrypted%'
END
my $per_type = join '|', map { quotemeta } @bases;

# Signatures as functions.md writes them.
my @catalog = rows(<<"END");
	SELECT p.proname,
		p.proname || '(' || coalesce((SELECT string_agg(regexp_replace(a, '^IN ', ''), ', ') FROM regexp_split_to_table(
			regexp_replace(pg_get_function_arguments(p.oid), '::[a-z ]+', '', 'g'), ', ') a WHERE a NOT LIKE 'OUT %'), '')
		|| ')' || CASE WHEN p.prokind = 'p' THEN '' ELSE ' → ' END || CASE WHEN p.prokind = 'p' THEN ''
			WHEN p.proallargtypes IS NULL THEN pg_get_function_result(p.oid)
			ELSE CASE WHEN p.proretset THEN 'setof ' ELSE '' END || '(' || (SELECT string_agg(substr(a, 5), ', ')
				FROM regexp_split_to_table(pg_get_function_arguments(p.oid), ', ') a WHERE a LIKE 'OUT %') || ')' END,
		concat_ws(' ', CASE WHEN has_function_privilege('nobody', p.oid, 'EXECUTE') THEN 'everyone' ELSE
			(SELECT string_agg(r, ' ') FROM unnest('{admin,reader,backup}'::text[]) r
			 WHERE has_function_privilege(r, p.oid, 'EXECUTE')) END)
	$members JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
END

# X in a name or class stands for each base type.
sub for_each_base
{
	my ($text) = @_;
	return $text =~ /X/ ? map { for_each_base($text =~ s/X/$_/r) } @bases : $text;
}

# Not every base type is converted to every other, and json is not compared.
my %exists = map { $_->[0] => 1 } @catalog;
my @support = grep { $exists{$_} || !/_to_|_fittings?$|^keyring_json_/ }
  map { for_each_base($_) } map { /`(\w+)`/g } first_cells(section($functions, 'Support functions'));
my %is_support = map { $_ => 1 } @support;
same('support functions', \@support,
	[ grep { /^keyring_(?:$per_type)_/ || $is_support{$_} } map { $_->[0] } @catalog ]);

my @public = grep { !$is_support{ $_->[0] } } @catalog;
my @signatures = map { /^(keyring_\w+\(.*)$/mg } $functions =~ /^```\n(.*?)^```$/msg;
same('functions', \@signatures, [ map { $_->[1] } @public ]);

for my $function (@public)
{
	my ($name, undef, $who) = @$function;
	my $text = section($functions, $name);
	for my $item ('May call', 'Errors', 'Locks', 'Example')
	{
		like($text, qr/^\* \*\*$item\*\*: \S/m, "$name: $item");
	}
	my ($says) = $text =~ /^\* \*\*May call\*\*: (\w+)/m;
	is($says, $who, "$name: who may call it");
	my ($example) = $text =~ /^\* \*\*Example\*\*: `(.*)`/m;
	like($example, qr/\b\Q$name\E\b/, "$name: its example calls it");
}
my @closed = map { $_->[0] } grep { $is_support{ $_->[0] } && $_->[2] ne 'everyone' } @catalog;
is("@closed", 'keyring_key_guard', 'support functions are open to everyone, but the trigger');

# --- views and tables -------------------------------------------------------------------------

my @relations = rows(<<"END");
	SELECT c.relname, c.relkind, concat_ws(' ', CASE WHEN has_table_privilege('nobody', c.oid, 'SELECT') THEN 'everyone' ELSE
			(SELECT string_agg(r, ' ') FROM unnest('{admin,reader,backup}'::text[]) r
			 WHERE has_table_privilege(r, c.oid, 'SELECT')) END)
	$members JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
END
my @views = map { $_->[0] } grep { $_->[1] eq 'v' } @relations;
same('views', [ section($functions, 'Views') =~ /^### (\w+)$/mg ], \@views);
for my $relation (@relations)
{
	my ($name, $kind, $who) = @$relation;
	if ($kind eq 'r')
	{
		like(section($functions, 'Tables'), qr/`$name`/, "table $name is documented");
		is($who, 'backup', "table $name: who may read it");
		next;
	}
	my $text = section($functions, $name);
	same(
		"columns of $name",
		[ map { s/`//gr } first_cells($text) ],
		[ cells("SELECT attname FROM pg_attribute WHERE attrelid = '$name'::regclass AND attnum > 0") ]
	);
	my ($says) = $text =~ /May read: (\w+)/;
	is($says, $who, "$name: who may read it");
}
my ($counters) = section($functions, 'keyring_stats') =~ /^\| `name` \| (.*)$/m;
same('counters', [ $counters =~ /`(\w+)`/g ], [ cells('SELECT name FROM keyring_stats') ]);
for my $subject (cells(q(SELECT regexp_replace(subject, '\d.*', '') FROM keyring_doctor())))
{
	like(
		section($functions, 'keyring_doctor'),
		qr/^\| `\Q$subject\E/m,
		"keyring_doctor: subject $subject is documented"
	);
}

# --- types, casts, operators, classes ---------------------------------------------------------

same('types', [ section($functions, 'Types') =~ /^### (encrypted_\w+)$/mg ], [ map { "encrypted_$_" } @bases ]);
my @modes =
  cells('SELECT t FROM generate_series(0, 9) i, CAST(keyring_text_typmod_out(i) AS text) t WHERE t LIKE $$(%$$');
for my $base (@bases)
{
	same(
		"typmods of encrypted_$base",
		[ section($functions, "encrypted_$base") =~ /`encrypted_$base(\(\w+\))`/g ],
		$base eq 'json' ? ['(randomized)'] : \@modes
	);
}
same('operators', [ map { /`(\S+)`/g } first_cells(section($functions, 'Operators')) ], [ cells(<<"END") ]);
	SELECT DISTINCT o.oprname $members JOIN pg_operator o ON d.classid = 'pg_operator'::regclass AND d.objid = o.oid
END
my @classes = $functions =~ /^\| `(encrypted_X_\w+` \| (?:btree|hash)(?:, default)?)/mg;
same('operator classes', [ grep { !/^encrypted_json_/ } map { for_each_base($_) } @classes ], [ cells(<<"END") ]);
	SELECT c.opcname || '` | ' || m.amname || CASE WHEN c.opcdefault THEN ', default' ELSE '' END
	$members JOIN pg_opclass c ON d.classid = 'pg_opclass'::regclass AND d.objid = c.oid JOIN pg_am m ON m.oid = c.opcmethod
END

# --- settings ---------------------------------------------------------------------------------

my %table;
for (split /\n/, $page{'doc/settings.md'})
{
	$table{$1} = "$2 | $3 | $4" if /^\| `(keyring\.\w+)` \| (.*?) \| (.*?) \| (\w+) \|$/;
}
my @settings = rows(<<'END');
	SELECT name,
		concat(CASE WHEN vartype = 'string' THEN '`''' || boot_val || '''`' ELSE concat_ws(' ', boot_val, unit) END, ' | ',
			CASE vartype WHEN 'bool' THEN 'on, off' WHEN 'enum' THEN array_to_string(enumvals, ', ')
				WHEN 'integer' THEN concat_ws(' ', min_val || ' – ' || max_val, unit) ELSE 'text' END, ' | ', context)
	FROM pg_settings WHERE name LIKE 'keyring.%'
END
same('settings', [ keys %table ], [ map { $_->[0] } @settings ]);
for my $setting (@settings)
{
	my ($name, $facts) = @$setting;
	$facts =~ s/\| text \|/| absolute path |/ if $name =~ /_file$/;
	is($table{$name}, $facts, "$name: default, range, context");
	cmp_ok(length section($page{'doc/settings.md'}, $name), '>', 100, "$name has its section");
}

# --- errors -----------------------------------------------------------------------------------

my @codes = map { join '', /'(\w)'/g } slurp_file('src/pg/errcodes.h') =~ /MAKE_SQLSTATE\((.*?)\)/g;
same('SQLSTATEs', [ $errors =~ /^\| `(KR\d\d\d)` \|/mg ], \@codes);
for my $line (grep { /^\|(?:[^|]*\|){6}$/ } split /\n/, $errors)
{
	my @cells = map { s/^\s+|\s+$//gr } split /\|/, $line =~ s/^\|//r;
	my ($fault, $test) = @cells[ 0, 5 ];
	next if $fault =~ /^(?:fault|-+|\*\*.*\*\*)$/ || $test eq 'none';
	my ($file, $check) = $test =~ /^`([\w\/]+)`(?: \*(.+)\*)?$/;
	my @paths =
	  grep { -e } map { glob "test/$_" } "t/${file}_*.pl", "$file.sql", "$file.c", $file =~ s{/}{/specs/}r . '.spec';
	ok(@paths > 0, "$fault: test $test exists") or next;
	ok((grep { slurp_file($_) =~ /(['"])\Q$check\E\g1/ } @paths) > 0, "$fault: $file has \"$check\"")
	  if defined $check;
}

# --- traps ------------------------------------------------------------------------------------

my @traps = map { [/^\| (.*?) \| (.*) \|$/] } grep { /^\|.*`/ } split /\n/,
  section($page{'doc/development.md'}, 'Traps');
cmp_ok(scalar(@traps), '>', 30, 'traps are listed');
for my $trap (@traps)
{
	my ($name, $tests) = @$trap;
	my @tests = $tests =~ /`([\w\/]+)` \*(.+?)\*(?=, `|$)/g;
	ok(@tests > 0, "$name: has a test");
	while (my ($file, $words) = splice @tests, 0, 2)
	{
		my @paths =
		  grep { -e } map { glob "test/$_" } "t/${file}_*.pl", "t/$file.sql", "$file.sql",
		  $file =~ s{/}{/specs/}r . '.spec';
		ok((grep { index(slurp_file($_), $words) >= 0 } @paths) > 0, "$name: $file has \"$words\"");
	}
}

# --- what an application may use, and the tests of it ------------------------------------------

my @features = grep { /^\| / } split /\n/, section($page{'doc/applications.md'}, 'SQL features and modes');
cmp_ok(scalar @features, '>', 10, 'features are listed');
is(join("\n", grep { !m{`test/t/\w+\.pl` \|$} } @features[ 1 .. $#features ]), '', 'each feature names its tests');

# --- every page -------------------------------------------------------------------------------

my %function = map { $_->[0] => 1 } @catalog;
my %setting = map { $_->[0] => 1 } @settings;
for my $file (sort keys %page)
{
	my $text = $page{$file};
	my %called = map { $_ => 1 } grep { !/_X_/ } $text =~ /\b(keyring_\w+)\(/g;
	is(join(' ', grep { !$function{$_} } sort keys %called), '', "$file: its functions exist");
	my %named = map { $_ => 1 } $text =~ /(?<![\w\/])(keyring\.[a-z]\w+)/g;
	is(join(' ', grep { !-e } $text =~ m{`(test/t/\w+\.pl)`}g), '', "$file: its tests exist");
	is(join(' ', grep { !$setting{$_} && !/\.(?:control|so|conf)$/ } sort keys %named), '',
		"$file: its settings exist");
}

done_testing();
