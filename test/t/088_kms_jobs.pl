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
keyring.reencrypt_workers = 4
keyring.cache_ttl = '1h'
END
sql_ok($node, 'CREATE EXTENSION keyring; SELECT keyring_activate(keyring_create_key())', 'a managed key');

# A table of values under a key of its own, which a wrapping key of its own wraps, while another one is primary.
my %wrapping;

sub old_values
{
	my ($table, $rows) = @_;
	$rows //= 50;
	$wrapping{$table} = $kms->create_key($table);
	$kms->grant($wrapping{$table});
	$node->safe_psql('postgres', <<"END");
SELECT keyring_activate(keyring_create_key('gcp-kms', '$wrapping{$table}'));
CREATE TABLE $table (id int PRIMARY KEY, v encrypted_text);
INSERT INTO $table SELECT i, 'value ' || i FROM generate_series(1, $rows) i;
SELECT keyring_activate(keyring_create_key())
END
	return sql_value($node, "SELECT id FROM keyring_keys WHERE resource = '$wrapping{$table}'");
}

sub sets_state
{
	my ($state) = @_;
	return sub { $kms->control(set_state => name => $_[0], state => $state) };
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

# --- the token is refused in the middle of a job ----------------------------------------------------

my $fetched = time;    # a token younger than 5 s is not given up
old_values('t_token', 5000);
sql_ok($node, q(ALTER SYSTEM SET keyring.reencrypt_batch_time = 1), 'small steps');
sql_ok($node, q(ALTER SYSTEM SET keyring.reencrypt_delay = 1000), 'with pauses');
$node->reload;
my $tokens = $kms->count('token');
my $slow = sql_value($node, q(SELECT keyring_reencrypt('t_token')));
sleep 1 while time <= $fetched + 6;
$kms->control('expire_tokens');
sql_ok($node, 'SELECT keyring_flush_cache()', 'its token has expired');
wait_for($node, q(SELECT count(*) > 0 FROM keyring_keys WHERE cached AND provider = 'gcp-kms'),
	't', 'the key is asked for');
cmp_ok($kms->count('token'), '>', $tokens, 'with another token');
sql_is($node, "SELECT state FROM keyring_jobs WHERE id = $slow", 'running', 'in the middle of the job');
sql_ok($node, q(ALTER SYSTEM RESET ALL), 'no more pauses');
$node->reload;
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '30 s')), 'the job ends nevertheless');
sql_is($node, q(SELECT count(*) FROM t_token WHERE v::text = 'value ' || id), '5000', 'with all values');

# --- obstacles --------------------------------------------------------------------------------------

my %obstacles = (
	denied => [ 'does not allow it', sub { $kms->revoke($_[0]) }, sub { $kms->grant($_[0]) } ],
	disabled => [ 'is disabled', sets_state('DISABLED'), sets_state('ENABLED') ],
	scheduled => [ 'is scheduled for destruction', sets_state('DESTROY_SCHEDULED'), sets_state('ENABLED') ],
	unreachable => [
		'did not answer',
		sub { $kms->fault(kind => 'any', key => $_[0], error => 'unavailable', count => 100_000) },
		sub { $kms->control('clear_faults') }
	]
);
my %key = map { $_ => old_values("t_$_") } sort keys %obstacles;
$obstacles{$_}[1]->($wrapping{"t_$_"}) for keys %obstacles;
sql_ok($node, 'SELECT keyring_flush_cache()', 'nothing is cached');
my %job = map { $_ => sql_value($node, "SELECT keyring_reencrypt('t_$_')") } sort keys %obstacles;
for my $obstacle (sort keys %obstacles)
{
	wait_for(
		$node,
		"SELECT state, waiting_reason LIKE '%could not open a value with key $key{$obstacle}:%$obstacles{$obstacle}[0]%'
			FROM keyring_jobs WHERE id = $job{$obstacle}",
		'waiting|t',
		"$obstacle: the job waits, with the reason"
	);
}
wait_for(
	$node,
	"SELECT waiting_reason ~ 'scheduled for destruction at 20\\S+Z(\$|:)' FROM keyring_jobs WHERE id = $job{scheduled}",
	't',
	'the job says until when its key can be restored',
	timeout => 30
);
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'nothing is given up');
$obstacles{$_}[2]->($wrapping{"t_$_"}) for keys %obstacles;
for my $obstacle (sort keys %obstacles)
{
	sql_ok($node, "CALL keyring_wait_for_job($job{$obstacle}, '30 s')", "$obstacle ends: the job goes on by itself");
	is_moved("t_$obstacle", "$obstacle ends: all is moved");
}

# --- what cannot be moved ---------------------------------------------------------------------------

# What cannot be had for now is passed over when that is wanted, and taken up by a later job.
my $skipped = old_values('t_skipped');
$kms->revoke($wrapping{t_skipped});
sql_ok($node, 'SELECT keyring_flush_cache()', 'access is taken away');
sql_ok($node, q(SELECT keyring_reencrypt('t_skipped', skip_unavailable => true)), 'a job that skips');
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '60 s')), 'it ends');
sql_is(
	$node,
	'SELECT key_id, reason, count(*) FROM keyring_unrecoverable GROUP BY 1, 2',
	"$skipped|key unavailable|50",
	'and has recorded the values'
);
$kms->grant($wrapping{t_skipped});
sql_ok($node, q(SELECT keyring_reencrypt('t_skipped')), 'another one, with access');
sql_ok($node, q(CALL keyring_wait_for_job(timeout => '30 s')), 'ends');
sql_is($node, 'SELECT count(*) FROM keyring_unrecoverable', '0', 'nothing is unrecoverable now');
is_moved('t_skipped', 'all is moved');

# A version that is gone for good.
my $lost = old_values('t_lost');
$kms->control(set_state => name => $wrapping{t_lost}, state => 'DESTROYED');
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
