#!/usr/bin/perl
#
# Measures in a running scratch cluster (PGHOST, PGPORT): called by test/bench/run.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;

use Bench;

my $openssl = 0;

# $wide: the same work on plain values as long as envelopes, which is PostgreSQL's part of what is added
sub added
{
	my ($name, $plain, $wide, $encrypted, $factor, $fixed) = @_;
	my $budget = $factor * $openssl + $fixed;
	my $added = difference($plain, $encrypted);
	line($name, $added, 'ns/value', sprintf('%.0f ns', $budget), $added <= $budget);
	printf "    %-40s %10.0f, as long as envelopes %.0f, encrypted %.0f\n",
	  'plain', map { median(@$_) } $plain, $wide, $encrypted;
	return;
}

# OpenSSL alone, on the size of the values, from bench_crypto's own lines
sub measure_openssl
{
	my $said = `build/unit/plain/test/unit/bench_crypto 21`;
	my ($seal) = $said =~ /^OpenSSL seal\s+(\d+)/m;
	my ($open) = $said =~ /^OpenSSL open\s+(\d+)/m;
	die "bench_crypto did not say what OpenSSL alone costs\n" unless $seal && $open;
	$openssl = ($seal + $open) / 2;
	printf "G: OpenSSL alone, 11 bytes: %.0f ns\n", $openssl;
	return;
}

sub set_up
{
	ask(<<"SQL");
SET client_min_messages = error;
CREATE EXTENSION keyring;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
SELECT keyring_activate(keyring_create_key());
CREATE UNLOGGED TABLE source (id integer, v text);
INSERT INTO source SELECT i, lpad(i::text, 11, 'x') FROM generate_series(1, $rows) i;
CREATE UNLOGGED TABLE plain (id integer, v text);
CREATE UNLOGGED TABLE source_wide (id integer, v text);
INSERT INTO source_wide SELECT id, v || repeat('x', 40) FROM source;
CREATE UNLOGGED TABLE wide (id integer, v text);
CREATE UNLOGGED TABLE randomized (id integer, v encrypted_text(randomized));
CREATE UNLOGGED TABLE searchable (id integer, v encrypted_text(searchable));
CREATE UNLOGGED TABLE crypto (id integer, v bytea);
COPY source TO '/tmp/kr_bench.$$';
COPY source_wide TO '/tmp/kr_bench_wide.$$';
VACUUM ANALYZE source;
VACUUM ANALYZE source_wide;
SQL
	return;
}

sub measure_writes
{
	my ($plain, $wide, $randomized, $searchable, $pgcrypto) = compare(
		$rows,
		[ 'INSERT INTO plain SELECT * FROM source;', 'TRUNCATE plain;' ],
		[ 'INSERT INTO wide SELECT * FROM source_wide;', 'TRUNCATE wide;' ],
		[ 'INSERT INTO randomized SELECT * FROM source;', 'TRUNCATE randomized;' ],
		[ 'INSERT INTO searchable SELECT * FROM source;', 'TRUNCATE searchable;' ],
		[
			"INSERT INTO crypto SELECT id, encrypt(v::bytea, 'a key of thirty-two bytes, it is', 'aes') FROM source;",
			'TRUNCATE crypto;'
		]
	);
	added('INSERT ... SELECT', $plain, $wide, $randomized, 1.5, 150);
	printf "    %-40s %10.0f ns/value added\n", 'searchable', difference($plain, $searchable);
	printf "    %-40s %10.0f ns/value added, not authenticated\n", 'pgcrypto encrypt()', difference($plain, $pgcrypto);

	($plain, $wide, $randomized, $searchable) = compare(
		$rows,
		[ "COPY plain FROM '/tmp/kr_bench.$$';", 'TRUNCATE plain;' ],
		[ "COPY wide FROM '/tmp/kr_bench_wide.$$';", 'TRUNCATE wide;' ],
		map { [ "COPY $_ FROM '/tmp/kr_bench.$$';", "TRUNCATE $_;" ] } qw(randomized searchable)
	);
	added('COPY FROM', $plain, $wide, $randomized, 1.5, 150);
	printf "    %-40s %10.0f ns/value added\n", 'searchable', difference($plain, $searchable);
	unlink "/tmp/kr_bench.$$", "/tmp/kr_bench_wide.$$";
	ask("VACUUM ANALYZE $_;") for qw(plain wide randomized searchable crypto);
	return;
}

sub measure_reads
{
	my ($plain, $wide, $randomized, $pgcrypto) = compare(
		$rows,
		['SELECT sum(octet_length(v)) FROM plain;'],
		['SELECT sum(octet_length(v)) FROM wide;'],
		['SELECT sum(octet_length(v)) FROM randomized;'],
		["SELECT sum(octet_length(decrypt(v, 'a key of thirty-two bytes, it is', 'aes'))) FROM crypto;"]
	);
	added('scan that reads every value', $plain, $wide, $randomized, 1.5, 0);
	printf "    %-40s %10.0f ns/value added, not authenticated\n", 'pgcrypto decrypt()', difference($plain, $pgcrypto);

	my %bytes = map { $_ => ask("SELECT pg_table_size('$_');") } qw(plain randomized);
	($plain, $randomized) = compare(1, map { ["SELECT sum(id) FROM $_;"] } qw(plain randomized));
	my $ratio = ratio($plain, $randomized) * $bytes{plain} / $bytes{randomized};
	line('scan past the column, per byte of table', $ratio, 'x plain', '1.00', $ratio <= 1.02);

	($plain, $wide, $randomized) =
	  compare($rows,
		map { ["SELECT count(*) FROM (SELECT v FROM $_ ORDER BY v OFFSET 0) s;"] } qw(plain wide randomized));
	added('sort', $plain, $wide, $randomized, 2, 0);
	return;
}

# Short statements, as an application sends them: one transaction each, results sent, prepared before.
sub points
{
	my ($query, @tables) = @_;
	my $n = 20_000;
	my @ids = map { 1 + int rand $rows } 1 .. $n;
	my @statements;

	for my $table (@tables)
	{
		ask("PREPARE $table (integer) AS " . $query =~ s/\btable\b/$table/r . ';');
		push @statements, [ join("\n", '\\o /dev/null', (map { "EXECUTE $table ($_);" } @ids), '\\o') ];
	}
	my @costs = compare($n, @statements);
	ask('DEALLOCATE ALL;');
	return @costs;
}

sub measure_points
{
	for my $table (qw(plain randomized searchable))
	{
		ask("ALTER TABLE $table ADD PRIMARY KEY (id);");
	}
	ask("CREATE INDEX ON $_ (v);") for qw(plain searchable);
	ask("ANALYZE $_;") for qw(plain randomized searchable);

	my ($plain, $encrypted) = points('SELECT v FROM table WHERE id = $1', qw(plain randomized));
	my $ratio = ratio($plain, $encrypted);
	line('point read by primary key', $ratio, 'x plain', '1.08', $ratio <= 1.08);
	printf "    %-40s %10.0f ns, encrypted %.0f\n", 'plain', map { median(@$_) } $plain, $encrypted;

	($plain, $encrypted) = points(q{SELECT id FROM table WHERE v = lpad($1::text, 11, 'x')}, qw(plain searchable));
	$ratio = ratio($plain, $encrypted);
	line('equality lookup through an index', $ratio, 'x plain', '1.25', $ratio <= 1.25);
	printf "    %-40s %10.0f ns, encrypted %.0f\n", 'plain', map { median(@$_) } $plain, $encrypted;
	return;
}

sub measure_size
{
	my %size = map {
		$_ => ask(
			"SELECT avg(octet_length(v::text) - 11 + pg_column_size(v) - octet_length(v::text)) FROM (SELECT v FROM $_ LIMIT 1000) s;"
		)
	} qw(plain randomized searchable);
	line(
		'overhead per value, randomized',
		$size{randomized} - $size{plain},
		'bytes', '40', $size{randomized} - $size{plain} <= 40
	);
	line(
		'overhead per value, searchable',
		$size{searchable} - $size{plain},
		'bytes', '52', $size{searchable} - $size{plain} <= 52
	);
	return;
}

session();
set_up();
measure_openssl();
measure_writes();
measure_openssl();
measure_reads();
measure_size();
measure_points();
finish();
