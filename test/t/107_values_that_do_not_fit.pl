# What does not fit the modifier or the type of a column: refused where a plain column refuses it, also by statements that find no row.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use KeyringTest;
use KeyringWire;

my $node = KeyringTest->new_node('main');
keyring_db($node);
sql_ok(
	$node,
	q(CREATE TABLE plain (id integer PRIMARY KEY, price numeric(10,2), small smallint, stamp timestamp(0), word text);
	CREATE TABLE sealed (id integer PRIMARY KEY, price encrypted_numeric(searchable,10,2), small encrypted_smallint,
		stamp encrypted_timestamp(randomized,0), word encrypted_text);
	INSERT INTO plain VALUES (1, 1.005, 1, '2000-01-01 00:00:00.6', 'w');
	INSERT INTO sealed SELECT * FROM plain),
	'tables'
);

my @statements = (
	'UPDATE T SET price = 123456789.1 WHERE id = 0',
	'UPDATE T SET price = 123456789.1',
	'UPDATE T SET price = -1.005, stamp = $q$2001-02-03 04:05:06.7$q$ WHERE id = 1',
	'UPDATE T SET small = 70000 WHERE id = 0',
	'UPDATE T SET price = 99999999.996 WHERE id = 0',
	'UPDATE T SET price = $q$NaN$q$ WHERE id = 1',
	'UPDATE T SET price = NULL WHERE id = 0',
	'UPDATE T SET price = CASE WHEN false THEN 123456789.1 ELSE 5.255 END WHERE id = 1',
	'UPDATE T SET price = price * 1e9 WHERE id = 0',
	'UPDATE T SET price = price * 1e9 WHERE id = 1',
	'EXPLAIN (COSTS OFF) UPDATE T SET price = 123456789.1 WHERE id = 0',
	'INSERT INTO T (id, price) VALUES (1, 2.5) ON CONFLICT (id) DO UPDATE SET price = 123456789.1',
	'INSERT INTO T (id, price) VALUES (2, 7.777)',
	'SELECT id, price, small, stamp FROM T ORDER BY id'
);
my $wire = KeyringWire->new($node);

sub outcome
{
	my ($answer) = @_;
	return $answer->{error}
	  ? "$answer->{error}{sqlstate} $answer->{error}{message}"
	  : join ';', map {
		join ',',
		  map { $_ // 'NULL' }
		  @$_
	  } @{ $answer->{rows} // [] };
}
for my $statement (@statements)
{
	my ($plain, $sealed) = map { outcome($wire->query($statement =~ s/\bT\b/$_/gr)) =~ s/\b$_\b/T/gr } qw(plain sealed);
	is($sealed, $plain, "as on a plain table: $statement");
}

# Parameters, in plans for their values and in generic ones.
for my $mode (qw(force_custom_plan force_generic_plan))
{
	$wire->query("SET plan_cache_mode = $mode");
	for my $value ('123456789.1', '4.445', 'NaN')
	{
		my ($plain, $sealed) = map {
			$wire->prepare("$mode $_ $value", "UPDATE $_ SET price = \$1 WHERE id = \$2");
			join ' ',
			  map({ outcome($_) } $wire->execute("$mode $_ $value", parameters => [ $value, 0 ]),
				$wire->execute("$mode $_ $value", parameters => [ $value, 1 ]),
				$wire->query("SELECT price FROM $_ WHERE id = 1"));
		} qw(plain sealed);
		is($sealed, $plain, "as on a plain table: parameter $value, $mode");
	}
}
$wire->close;
done_testing();
