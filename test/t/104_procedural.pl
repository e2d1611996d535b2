# PL/pgSQL, SQL functions, rules, views, triggers, MERGE and row-level security: the same statements in a plain and in an
# encrypted database say the same, line by line.
use strict;
use warnings FATAL => 'all';

use FindBin;
use IPC::Run;
use KeyringTest;

my $node = KeyringTest->new_node('main', conf => 'jit = off');
keyring_db($node, $_) for qw(plain sealed);
sql_ok($node, 'CREATE ROLE procedural_user', 'a role');

my $statements = slurp_file("$FindBin::RealBin/procedural/statements.sql");

# <text searchable> is encrypted_text(searchable), <text> is encrypted_text; in the body of functions, modes are left out.
sub typed
{
	my ($db) = @_;
	return $statements =~ s/<(\w+)( searchable)?>/$db eq 'plain' ? $1 : "encrypted_$1" . ($2 ? '(searchable)' : '')/ger;
}

# What psql says, without what a line number or the position of a type changes.
sub said
{
	my ($db, $settings) = @_;
	my $output;
	IPC::Run::run(
		[
			$node->installed_command('psql'), '-X', '-a', '-q', '-A', '-v', 'VERBOSITY=terse', '-d', $node->connstr($db)
		],
		'<',
		\($settings . typed($db)),
		'>&',
		\$output
	);
	return $output =~ s/ at character \d+//gr =~ s/encrypted_(\w+?)(?:\(searchable\))?(?=\W)/$1/gr;
}

# Echoed statements part what is said: by them the difference is found.
sub parts
{
	my ($text) = @_;
	$text =~ s/<(\w+)(?: searchable)?>/$1/g;
	return split /\n(?=-- )/, $text;
}

for my $settings (
	'',
	'SET plan_cache_mode = force_generic_plan;',
	'SET enable_seqscan = off; SET plan_cache_mode = force_custom_plan;'
  )
{
	for my $db (qw(plain sealed))
	{
		$node->safe_psql($db,
			'DROP SCHEMA IF EXISTS work CASCADE; CREATE SCHEMA work; GRANT USAGE ON SCHEMA work TO procedural_user');
	}
	my ($plain, $sealed) =
	  map { [ parts(said($_, "SET client_min_messages = notice; SET search_path = work, public; $settings\n")) ] }
	  qw(plain sealed);
	cmp_ok(scalar @$plain, '>=', 9, "there are parts $settings");
	for my $i (0 .. $#$plain)
	{
		my ($name) = $plain->[$i] =~ /^-- (.*)/;
		$name //= 'the tables';
		is($sealed->[$i], $plain->[$i], "$name $settings");
	}
	my $errors = () = join("\n", @$plain) =~ /^ERROR: /mg;
	is($errors, 5, 'the errors that were meant');
}

# A policy on a searchable column uses the index: comparing tokens shows nothing of rows to functions that leak.
like(
	sql_value(
		$node,
		q(SET search_path = work, public; SET procedural.who = 'user7'; SET ROLE procedural_user; EXPLAIN (COSTS OFF) SELECT count(*) FROM secret),
		db => 'sealed'
	),
	qr/Index Cond: \(owner = /,
	'a policy is served by an index'
);
like(
	sql_value(
		$node,
		q(SET search_path = work, public; SET procedural.who = 'user7'; SET ROLE procedural_user; SET enable_seqscan = off;
		EXPLAIN (COSTS OFF) SELECT count(*) FROM secret WHERE note LIKE '%7' AND owner = 'user7'),
		db => 'sealed'
	),
	qr/Index Cond: \(.*owner = .*owner = .*Filter: .*note.*<>/s,
	'and a condition on such a column too, before what the policy opens'
);

done_testing();
