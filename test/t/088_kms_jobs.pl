# Jobs of re-encryption whose old key is in Cloud KMS and is not to be had: they wait, say why, and go on by themselves; what
# nobody can open any more is recorded, and the job ends.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KmsServer;

my $kms = KmsServer->start;
my $node = KeyringTest->new_node('main', conf => <<"END");
@{[ $kms->settings ]}
keyring.kms_timeout = '2s'
keyring.cache_ttl = '1h'
END
my $name = $kms->create_key('k');
$kms->grant($name);
sql_ok($node, 'CREATE EXTENSION keyring; SELECT keyring_activate(keyring_create_key())', 'a managed key');

# A table of values under a key of its own, while another one is primary.
sub old_values
{
	my ($table) = @_;
	$node->safe_psql('postgres', "SELECT keyring_activate(keyring_create_key('gcp-kms', '$name'))");
	$node->safe_psql('postgres',
		"CREATE TABLE $table (id int PRIMARY KEY, v encrypted_text); INSERT INTO $table SELECT i, 'value ' || i FROM generate_series(1, 50) i"
	);
	my $key = sql_value($node, q(SELECT id FROM keyring_keys WHERE state = 'primary'));
	$node->safe_psql('postgres', 'SELECT keyring_activate(keyring_create_key())');
	return $key;
}

sub is_moved
{
	my ($table, $test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return sql_is(
		$node,
		qq(SELECT (SELECT string_agg(state, ',') FROM keyring_keys k JOIN keyring_census('$table') c ON c.key_id = k.id),
			(SELECT count(*) FROM $table WHERE v::text = 'value ' || id)),
		'primary|50',
		$test_name
	);
}

my %obstacles = (
	denied => [ 'does not allow it', sub { $kms->revoke($name) }, sub { $kms->grant($name) } ],
	disabled => [
		'is disabled',
		sub { $kms->control(set_state => name => $name, state => 'DISABLED') },
		sub { $kms->control(set_state => name => $name, state => 'ENABLED') }
	],
	scheduled => [
		'is scheduled for destruction',
		sub { $kms->control(set_state => name => $name, state => 'DESTROY_SCHEDULED') },
		sub { $kms->control(set_state => name => $name, state => 'ENABLED') }
	],
	unreachable => [
		'did not answer',
		sub { $kms->fault(kind => 'any', error => 'unavailable', count => 100_000) },
		sub { $kms->control('clear_faults') }
	]
);

for my $obstacle (sort keys %obstacles)
{
	my ($reason, $harm, $mend) = @{ $obstacles{$obstacle} };
	my $table = "t_$obstacle";
	my $key = old_values($table);
	$harm->();
	sql_ok($node, 'SELECT keyring_flush_cache()', "$obstacle: nothing is cached");
	my $job = sql_value($node, "SELECT keyring_reencrypt('$table')");
	wait_for(
		$node,
		"SELECT state, waiting_reason LIKE '%could not open a value with key $key:%$reason%' FROM keyring_jobs WHERE id = $job",
		'waiting|t',
		"$obstacle: the job waits, with the reason"
	);
	sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', "$obstacle: nothing is given up");
	wait_for(
		$node, "SELECT waiting_reason ~ 'scheduled for destruction at 20\\S+Z(\$|:)' FROM keyring_jobs WHERE id = $job",
		't',
		'the job says until when its key can be restored',
		timeout => 30
	) if $obstacle eq 'scheduled';
	$mend->();
	sql_ok($node, "CALL keyring_wait_for_job($job, '30 s')", "$obstacle ends: the job goes on by itself");
	is_moved($table, "$obstacle ends: all is moved");
}

# The token is refused in the middle of a job.
old_values('t_token');
sql_ok($node, q(ALTER SYSTEM SET keyring.reencrypt_batch_time = 1), 'small steps');
sql_ok($node, q(ALTER SYSTEM SET keyring.reencrypt_delay = 300), 'with pauses');
$node->reload;
sql_ok($node, q(INSERT INTO t_token SELECT i, 'value ' || i FROM generate_series(51, 5000) i), 'more values');
my $tokens = $kms->count('token');
sql_ok($node, q(SELECT keyring_reencrypt('t_token')), 'a job');
sleep 6;
$kms->control('expire_tokens');
sql_ok($node, 'SELECT keyring_flush_cache()', 'its token has expired');
sql_ok($node, q(ALTER SYSTEM RESET ALL), 'no more pauses');
$node->reload;
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '30 s')), 'the job ends nevertheless');
sql_is($node, q(SELECT count(*) FROM t_token WHERE v::text = 'value ' || id), '5000', 'with all values');

# What cannot be had for now is passed over when that is wanted, and taken up by a later job.
my $skipped = old_values('t_skipped');
$kms->revoke($name);
sql_ok($node, 'SELECT keyring_flush_cache()', 'access is taken away');
sql_ok($node, q(SELECT keyring_reencrypt('t_skipped', skip_unavailable => true)), 'a job that skips');
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '60 s')), 'it ends');
sql_is(
	$node,
	'SELECT key_id, reason, count(*) FROM keyring_unrecoverable GROUP BY 1, 2',
	"$skipped|key unavailable|50",
	'and has recorded the values'
);
$kms->grant($name);
sql_ok($node, q(SELECT keyring_reencrypt('t_skipped')), 'another one, with access');
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '30 s')), 'ends');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'nothing is unrecoverable now');
is_moved('t_skipped', 'all is moved');

# A version that is gone for good.
my $lost = old_values('t_lost');
$kms->control(set_state => name => $name, state => 'DESTROYED');
sql_ok($node, 'SELECT keyring_flush_cache()', 'the version is destroyed');
my $last = sql_value($node, q(SELECT keyring_reencrypt('t_lost')));
sql_ok($node, qq(CALL keyring_wait_for_job($last, '60 s')), 'the job ends');
sql_is(
	$node,
	'SELECT key_id, reason, count(*), count(DISTINCT primary_key) FROM keyring_unrecoverable GROUP BY 1, 2',
	"$lost|key destroyed|50|50",
	'each value is recorded, with its reason'
);
sql_is($node, "SELECT state, unrecoverable FROM keyring_jobs WHERE id = $last", 'completed|50', 'the job counts them');

done_testing();
