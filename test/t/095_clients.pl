# Real clients see the same in a plain and in an encrypted database: values in the types of their language, errors,
# metadata. Each program of test/clients runs in both; its README tells more. pgbench has a test of its own, 031.
use strict;
use warnings FATAL => 'all';

use Clients;
use ClientSteps;
use IPC::Run;
use KeyringTest;

# JDBC knows no unix sockets: loopback is for it, with a password
my $node = KeyringTest->new_node('main', conf => <<'CONF');
timezone = 'Asia/Kolkata'
listen_addresses = '127.0.0.1'
log_line_prefix = '%m [%p] %d '
CONF
my $password = join '', map { ('a' .. 'z', 0 .. 9)[ rand 36 ] } 1 .. 20;
my $user = sql_value($node, 'SELECT current_user');
sql_ok($node, "ALTER ROLE $user PASSWORD '$password'", 'a password');
PostgreSQL::Test::Utils::append_to_file($node->data_dir . '/pg_hba.tmp',
	"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n");
rename $node->data_dir . '/pg_hba.tmp', $node->data_dir . '/pg_hba.conf' or die $!;
$node->reload;

is(system("$Clients::folder/install"), 0, 'the programs are built') or BAIL_OUT('no clients, no judgement');
my $clients = Clients->new($node);
my $pooler_port = PostgreSQL::Test::Cluster::get_free_port();
my $pooler = start_pooler();
%ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGUSER => $user, PGPASSWORD => $password);
$ENV{PYTHONDONTWRITEBYTECODE} = 1;
my $pooled = 'through pgbouncer';

$clients->sql('schema.sql');
$clients->encrypt($_) for qw(item once);
psycopg();
node_postgres();
jdbc();
pgx();
psql();
pgbench();
sqlalchemy();
django();
sequelize();
schema_tools();

$pooler->signal('INT');
$pooler->finish;
$clients->report;
# psql's own commands are few; pgbench ends at the first error
$clients->operations('psql, own commands' => qr/./, map { ("pgbench, $_" => qr/UNIQUE/) } qw(simple extended prepared));
done_testing();

sub psycopg
{
	my $version = package_version('python3-psycopg');

	for my $mode (qw(text binary))
	{
		$clients->compare('psycopg 3', $mode, $version, sub { python('psycopg3.py', "dbname=$_[0]", $mode) });
	}
	$clients->compare('psycopg 3', $pooled, $version,
		sub { python('psycopg3.py', "dbname=$_[0] port=$pooler_port", 'pooled') });
	$version = package_version('python3-psycopg2');
	my %servers = (text => '', $pooled => " port=$pooler_port");
	for my $mode (sort keys %servers)
	{
		$clients->compare('psycopg 2', $mode, $version,
			sub { python('psycopg2_driver.py', "dbname=$_[0]$servers{$mode}") });
	}
	return;
}

sub node_postgres
{
	my $version = npm_version('pg');
	my @program = ('node', "$Clients::build/node/driver.mjs", "$Clients::folder/steps.txt");

	$clients->compare('node-postgres', 'unnamed statements',
		$version, sub { ('env', "PGDATABASE=$_[0]", @program, 'unnamed') });
	$clients->compare('node-postgres', 'named statements',
		$version, sub { ('env', "PGDATABASE=$_[0]", @program, 'named') });
	$clients->compare('node-postgres', $pooled, $version,
		sub { ('env', "PGDATABASE=$_[0]", "PGPORT=$pooler_port", @program, 'unnamed') });
	return;
}

# A threshold of -1 prepares each statement and transfers in binary from the first time on; 0 never does.
sub jdbc
{
	my $version = package_version('libpostgresql-jdbc-java');
	my %modes = (
		'binary transfer' => [ $node->port, 'prepareThreshold=-1' ],
		'text transfer' => [ $node->port, 'binaryTransfer=false' ],
		$pooled => [ $pooler_port, 'prepareThreshold=0' ],
	);
	for my $mode (sort keys %modes)
	{
		my ($port, $option) = @{ $modes{$mode} };
		$clients->compare(
			'JDBC', $mode, $version,
			sub {
				my $url = "jdbc:postgresql://127.0.0.1:$port/$_[0]?user=$user&password=$password&$option";
				# short runs want no optimizing compiler
				return ('java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp',
					"$Clients::build/java:/usr/share/java/*",
					'Driver', "$Clients::folder/steps.txt", $url);
			}
		);
	}
	return;
}

sub pgx
{
	my $version = package_version('golang-github-jackc-pgx-v4-dev');
	for my $mode ('prepared statements', 'simple statements', $pooled)
	{
		my $server = $mode eq $pooled ? " port=$pooler_port" : '';
		my $protocol = $mode =~ /^prepared/ ? 'prepared' : 'simple';
		$clients->compare('pgx', $mode, $version,
			sub { ("$Clients::build/driver", "$Clients::folder/steps.txt", "dbname=$_[0]$server", $protocol) });
	}
	return;
}

sub psql
{
	my ($version) = `psql --version` =~ /([\d.]+)/;
	my $file = $node->basedir . '/copied';

	$clients->compare(
		'psql',
		'own commands',
		$version,
		sub {
			mkdir "$file.$_[0]";
			('psql', '-X', '-d', $_[0], '-v', "dir=$file.$_[0]", '-f', "$Clients::folder/psql/steps.sql");
		}
	);
	psql_script("$file.sql");
	$clients->compare('psql', 'the steps, as literals',
		$version, sub { ('psql', '-X', '-d', $_[0], '-f', "$file.sql") });
	return;
}

# What it reads goes nowhere: the tables show what it has written, before and after it deletes.
sub pgbench
{
	my ($version) = `pgbench --version` =~ /([\d.]+)/;

	for my $mode (qw(simple extended prepared))
	{
		my $file = $node->basedir . "/pgbench_$mode";
		my @before = pgbench_script("$file.1", $mode, qr/^(?!delete|left)/, 'v');
		my @after = pgbench_script("$file.2", $mode, qr/^(?:delete|left)/, 'w');
		my $run =
			q(file=$1; shift; for part in 1 2; do said=$(pgbench -n -t 1 -M "$0" -f "$file.$part" "$@" 2>&1);)
		  . q( echo "$said" | grep 'processed: 1/1$' || { echo "$said"; exit 1; };)
		  . q( psql -XA -c 'TABLE item ORDER BY id' -c 'SELECT * FROM once ORDER BY once::text'; done);
		$clients->compare('pgbench', $mode, $version,
			sub { ('env', "PGDATABASE=$_[0]", 'sh', '-c', $run, $mode, $file, @before, @after) });
	}
	return;
}

sub sqlalchemy
{
	my @program = python('sqlalchemy_orm.py');
	my $url = sub { "postgresql+psycopg2:///$_[0]" };

	$clients->both('create', sub { (@program, $url->($_[0]), 'create') });
	$clients->encrypt($_) for qw(alchemist alchemist_once);
	$clients->compare(
		'SQLAlchemy', 'models',
		package_version('python3-sqlalchemy'),
		sub { (@program, $url->($_[0]), 'run') }
	);
	return;
}

# The migrations are written once, as their author would, and run in both databases.
sub django
{
	my $version = package_version('python3-django');
	my $migrations = $node->basedir . '/shop_migrations';
	my $manage = sub {
		my ($release, @arguments) = @_;
		return sub {
			(
				'env', "PGDATABASE=$_[0]", "DJANGO_FOLDER=" . $node->basedir,
				"SHOP_RELEASE=$release", python('django/manage.py', @arguments)
			);
		};
	};
	mkdir $migrations or die $!;
	append_to_file("$migrations/__init__.py", '');

	my @made = $clients->run($manage->(1, 'makemigrations', 'shop')->('plain'));
	like("@made", qr/Create model Item/, 'Django: a migration is made');
	$clients->both('Django: migrate', $manage->(1, 'migrate'));
	$clients->encrypt($_) for qw(shop_item shop_once);
	my %models = map { $_ => $clients->run($manage->(1, 'inspectdb', 'shop_item')->($_)) } qw(plain encrypted);
	like($models{plain}, qr/CharField\(unique=True, max_length=20\)/, 'Django: inspectdb sees the limit of varchar(n)');
	is($models{encrypted}, $models{plain}, 'Django: and sees the same on the encrypted table');
	$clients->compare('Django', 'models and queries', $version, $manage->(1, 'steps'));

	my $before = sql_value($node, $clients->types_of('shop_item'), db => 'encrypted');
	like($clients->run($manage->(1, 'makemigrations', '--check')->('encrypted')),
		qr/No changes/, 'Django: encryption calls for no migration');
	$clients->run($manage->(2, 'makemigrations', 'shop')->('encrypted'));
	$clients->both('Django: migrate after encryption', $manage->(2, 'migrate'));
	like(sql_value($node, $clients->types_of('shop_item'), db => 'encrypted'),
		qr/^\Q$before\E/, 'Django: the migration leaves the columns encrypted');
	$clients->compare('Django', 'after a migration', $version, $manage->(2, 'steps'));
	return;
}

sub sequelize
{
	my @program = ('node', "$Clients::build/node/orm.mjs");
	my $version = npm_version('sequelize');
	my $orm = sub {
		my @arguments = @_;
		return sub { ('env', "PGDATABASE=$_[0]", @program, @arguments) }
	};

	$clients->both('Sequelize: migrate', $orm->(qw(migrate 1)));
	$clients->encrypt($_) for qw(sequel sequel_once);
	$clients->compare('Sequelize', 'models and queries', $version, $orm->('steps'));
	my $before = sql_value($node, $clients->types_of('sequel'), db => 'encrypted');
	$clients->both('Sequelize: migrate after encryption', $orm->(qw(migrate 2)));
	like(sql_value($node, $clients->types_of('sequel'), db => 'encrypted'),
		qr/^\Q$before\E/, 'Sequelize: the migration leaves the columns encrypted');
	return;
}

# What asks the catalogs instead of the result sees the encrypted types: doc/applications.md shows these lines.
sub schema_tools
{
	sql_is(
		$node, q(SELECT column_name, data_type, udt_name, is_nullable, numeric_precision, character_maximum_length
		           FROM information_schema.columns WHERE table_name = 'item' AND column_name IN ('id', 'name', 'price') ORDER BY 1),
		"id|integer|int4|NO|32|\nname|USER-DEFINED|encrypted_text|NO||\nprice|USER-DEFINED|encrypted_numeric|YES||",
		'information_schema shows the encrypted types', db => 'encrypted'
	);
	sql_is(
		$node, q(SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute
		          WHERE attrelid = 'item'::regclass AND attname IN ('name', 'note', 'price')),
		'encrypted_text(searchable), encrypted_text(randomized), encrypted_numeric(searchable,10,2)',
		'format_type() shows them with their options', db => 'encrypted'
	);
	like(
		$clients->run('psql', '-X', '-d', 'encrypted', '-c', '\\d item'),
		qr/^ name +\| encrypted_text\(searchable\) .*^ note +\| encrypted_text\(randomized\) .*"item_name_key" UNIQUE/ms,
		'and so does psql'
	);
	my $reflected = $clients->run(python('reflect.py', 'postgresql+psycopg2:///encrypted', 'item'));
	like(
		$reflected,
		qr/^id INTEGER\(\)\nname NullType\(\)\n/,
		'the inspector of SQLAlchemy knows no type for an encrypted column'
	);
	return;
}

sub start_pooler
{
	my $base = $node->basedir . '/pgbouncer';
	append_to_file("$base.users", qq("$user" "$password"\n));
	append_to_file("$base.ini", <<"CONF");
[databases]
* = host=@{[$node->host]} port=@{[$node->port]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler_port
unix_socket_dir = @{[$node->host]}
auth_type = scram-sha-256
auth_file = $base.users
pool_mode = transaction
ignore_startup_parameters = extra_float_digits
logfile = $base.log
CONF
	my ($program) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
	my $said = '';
	my $run = IPC::Run::start([ $program, '-q', "$base.ini" ], '<', \undef, '>&', \$said);
	my $waited = 0;
	until (-S $node->host . "/.s.PGSQL.$pooler_port" || $waited++ > 100)
	{
		select undef, undef, undef, 0.1;
	}
	cmp_ok($waited, '<', 100, 'pgbouncer runs') or diag(slurp_file("$base.log"));
	return $run;
}

# The distribution's Python, which has its packages.
sub python
{
	my ($program, @arguments) = @_;
	return ('/usr/bin/python3', "$Clients::folder/python/$program", @arguments);
}

sub package_version
{
	my ($package) = @_;
	my ($version) = `dpkg-query -W -f '\${Version}' $package` =~ /^(?:\d+:)?([\d.]+)/;
	return $version;
}

sub npm_version
{
	my ($package) = @_;
	my ($version) = slurp_file("$Clients::build/node/node_modules/$package/package.json") =~ /"version": "([\d.]+)"/;
	return $version;
}
