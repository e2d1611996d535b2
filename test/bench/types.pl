#!/usr/bin/perl
#
# Other types than text, and work on many rows at once: called by test/bench/run in a running scratch cluster.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use Bench;

# type => a value made of the number i
my %value = (
	integer => 'i * 7',
	numeric => '(i * 7)::numeric / 100',
	timestamptz => q(timestamptz '2000-01-01' + i * interval '1 minute'),
	jsonb => q(jsonb_build_object('name', 'n' || i, 'visits', i % 10)),
	text => q(lpad(i::text, 11, 'x'))
);
my @modes = qw(plain randomized searchable);

# Tables "plain", "randomized" and "searchable" of one type. Each value stands in $copies rows, in no order.
sub make_tables
{
	my ($type, $copies) = @_;
	my %column = (plain => $type, map { $_ => "encrypted_$type($_)" } qw(randomized searchable));
	my $distinct = int $rows / $copies;

	for my $mode (@modes)
	{
		ask(<<"SQL");
DROP TABLE IF EXISTS $mode, ${mode}_distinct;
CREATE UNLOGGED TABLE $mode (id integer, v $column{$mode});
INSERT INTO $mode SELECT g, $value{$type} FROM (SELECT g, (g::bigint * 7919 % $distinct)::integer AS i
	FROM generate_series(1, $rows) g) s;
VACUUM ANALYZE $mode;
SQL
	}
	return;
}

# A line for each mode that has a budget, how many times the plain work.
sub times_plain
{
	my ($name, $budget, $statement, @encrypted) = @_;
	my ($plain, @costs) = compare($rows, map { $statement->($_) } 'plain', @encrypted);

	for my $mode (@encrypted)
	{
		my $cost = shift @costs;
		my $ratio = ratio($plain, $cost);
		my $limit = $budget->{$mode};

		if (defined $limit)
		{
			line("$name, $mode", $ratio, 'x plain', sprintf('%.2f', $limit), $ratio <= $limit);
		}
		else
		{
			printf "%-44s %10.2f %s\n", "$name, $mode", $ratio, 'x plain';
		}
		printf "    %-40s %10.0f ns/row, encrypted %.0f\n", 'plain', median(@$plain), median(@$cost);
	}
	return;
}

sub measure_type
{
	my ($type) = @_;

	make_tables($type, 10);
	ask(<<"SQL");
DROP TABLE IF EXISTS source;
CREATE UNLOGGED TABLE source AS SELECT * FROM plain;
VACUUM ANALYZE source;
SQL
	times_plain(
		"$type: sort",
		{ randomized => 2 },
		sub { ["SELECT count(*) FROM (SELECT v FROM $_[0] ORDER BY v OFFSET 0) s;"] },
		qw(randomized searchable)
	);
	times_plain(
		"$type: GROUP BY",
		{ randomized => 2 },
		sub { ["SELECT count(*) FROM (SELECT v, count(*) FROM $_[0] GROUP BY v OFFSET 0) s;"] },
		qw(randomized searchable)
	);
	times_plain("$type: scan", {}, sub { ["SELECT count(*) FROM $_[0] WHERE v::$type IS NOT NULL;"] }, 'randomized');
	times_plain(
		"$type: btree index build",
		{ searchable => 2 },
		sub { [ "CREATE INDEX built ON $_[0] (v);", 'DROP INDEX IF EXISTS built;' ] }, 'searchable'
	);
	ask('DROP INDEX built;');
	times_plain(
		"$type: hash index build",
		{ searchable => 2 },
		sub { [ "CREATE INDEX built ON $_[0] USING hash (v);", 'DROP INDEX IF EXISTS built;' ] }, 'searchable'
	) if $rows <= 100_000;
	ask('DROP INDEX IF EXISTS built;');
	ask("CREATE UNLOGGED TABLE ${_}_distinct AS SELECT v FROM $_ WHERE id <= $rows / 10; ANALYZE ${_}_distinct;")
	  for qw(plain searchable);
	times_plain(
		"$type: hash join",
		{ searchable => 1.3 },
		sub { ["SELECT count(*) FROM $_[0] t JOIN $_[0]_distinct d ON t.v = d.v;"] }, 'searchable'
	);
	times_plain(
		"$type: INSERT ... SELECT",
		{},
		sub { [ "INSERT INTO $_[0] SELECT * FROM source;", "TRUNCATE $_[0];" ] },
		qw(randomized searchable)
	);
	return;
}

session();
ask(<<'SQL');
SET client_min_messages = error;
SET enable_mergejoin = off;
SET enable_nestloop = off;
CREATE EXTENSION IF NOT EXISTS keyring;
SELECT keyring_activate(keyring_create_key()) WHERE NOT EXISTS (SELECT FROM keyring_keys WHERE state = 'primary');
SQL
measure_type($_) for qw(text integer numeric timestamptz jsonb);
finish();
