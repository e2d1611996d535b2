# A standby and its keys in Cloud KMS: it has a health of its own for each, obeys a revocation by itself, and forgets a key that nobody
# reads. The standby's clock is set forward by a preloaded library, since a key is kept for ten minutes at least.
use strict;
use warnings FATAL => 'all';

use KeyringTest;
use KeyringHold qw(wait_until);
use KmsServer;

my $kms = KmsServer->start;
my %name = map { $_ => $kms->create_key($_) } qw(busy idle);
$kms->grant($_) for values %name;

my $primary = KeyringTest->new_node('primary', streaming => 1, conf => $kms->settings . "\nkeyring.cache_ttl = '1d'\n");
$primary->safe_psql('postgres', 'CREATE EXTENSION keyring');
for my $id (qw(busy idle))
{
	$primary->safe_psql('postgres', "SELECT keyring_activate(keyring_create_key('gcp-kms', '$name{$id}', '$id'))");
	$primary->safe_psql('postgres', "CREATE TABLE $id (v encrypted_text); INSERT INTO $id VALUES ('$id')");
}

# --- a clock of its own ---------------------------------------------------------------------------

my $dir = $primary->basedir;
my $clock = "$dir/clock";
append_to_file($clock, "\0" x 8);
append_to_file("$dir/clock.c", <<'END');
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long *ahead;

__attribute__((constructor)) static void
find_clock(void)
{
	const char *path = getenv("KEYRING_TEST_CLOCK");
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		ahead = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);
	if (ahead == MAP_FAILED)
		ahead = NULL;
}

/* What PostgreSQL reads the time of day with. */
int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	now->tv_sec = real.tv_sec + (ahead == NULL ? 0 : *ahead);
	now->tv_usec = real.tv_nsec / 1000;
	return 0;
}
END
system('cc', '-O1', '-shared', '-fPIC', '-o', "$dir/clock.so", "$dir/clock.c") == 0 or die "cc fails\n";

sub set_clock_ahead
{
	my ($seconds) = @_;
	open my $out, '+<', $clock or die "$clock: $!\n";
	binmode $out;
	print {$out} pack 'q', $seconds;
	close $out;
	return;
}

my $standby = new_standby(
	$primary,
	'standby',
	start => 0,
	conf => <<'END');
keyring.cache_ttl = '60s'
keyring.health_check_interval = '1s'
wal_receiver_timeout = 0
authentication_timeout = '10min'
END
{
	local @ENV{qw(LD_PRELOAD KEYRING_TEST_CLOCK)} = ("$dir/clock.so", $clock);
	$standby->start;
}
$primary->wait_for_catchup($standby);

sub decrypts
{
	my ($id) = @_;
	return $kms->count(decrypt => $name{$id});
}

sub standby_sees
{
	my ($id, $columns, $expected, $test_name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for($standby, "SELECT $columns FROM keyring_keys WHERE label = '$id'", $expected, $test_name,
		timeout => 60);
}

# --- health ---------------------------------------------------------------------------------------

sql_is(
	$standby, 'SELECT health IS NULL, cached FROM keyring_keys',
	"t|f\nt|f", 'a standby that has just been started knows nothing'
);
sql_is($standby, "SELECT v FROM $_", $_, "$_: it reads") for qw(busy idle);
standby_sees($_, 'health, cached, kek_version, current_version, kek_checked_at <= now()',
	'ok|t|1|1|t', "$_: a good key")
  for qw(busy idle);
$kms->control(set_state => name => $name{idle}, state => 'DISABLED');
standby_sees(
	'idle',
	'health, cached, health_message',
	'disabled|t|version 1 of the wrapping key is disabled',
	'what a version\'s owner does is seen on the standby'
);
sql_is($primary, q(SELECT health FROM keyring_keys WHERE label = 'idle'), 'ok', 'each server has a health of its own');
sql_is($standby,
	q(SELECT count(*) FROM keyring_doctor() WHERE NOT ok AND detail = 'version 1 of its wrapping key is disabled'),
	'1', 'and the doctor works there');
$kms->control(set_state => name => $name{idle}, state => 'ENABLED');
standby_sees('idle', 'health', 'ok', 'enabled again');

# --- keys that nobody uses --------------------------------------------------------------------------

my %before = map { $_ => decrypts($_) } qw(busy idle);
set_clock_ahead(400);
wait_until(sub { decrypts($_) > $before{$_} }, "$_ to be verified") for qw(busy idle);
sql_is($standby, 'SELECT v FROM busy', 'busy', 'nearly seven minutes later one of the keys is used');
standby_sees('idle', 'cached', 't', 'the other one is kept still');
%before = map { $_ => decrypts($_) } qw(busy idle);
set_clock_ahead(700);
standby_sees('idle', 'cached', 'f', 'nobody has used it for more than ten minutes: it is forgotten');
is(decrypts('idle'), $before{idle}, 'without a call');
wait_until(sub { decrypts('busy') > $before{busy} }, 'busy to be verified');
standby_sees('busy', 'health, cached', 'ok|t', 'the one in use is verified and kept');
sql_is($standby, 'SELECT v FROM idle', 'idle', 'whoever needs the other one');
is(decrypts('idle'), $before{idle} + 1, 'has it fetched again');

# --- revocation -----------------------------------------------------------------------------------

my $session = background($standby);
is($session->query('SELECT v FROM busy'), 'busy', 'a session on the standby');
$kms->revoke($name{busy});
set_clock_ahead(800);
wait_until(
	sub {
		$session->{stderr} = '';
		$session->query('SELECT v FROM busy');
		return $session->{stderr} =~ /KR002/;
	},
	'the session to be locked out'
);
pass('it is locked out within keyring.cache_ttl');
standby_sees('busy', 'health, cached', 'denied|f', 'as keyring_keys says there');
is($session->query('SELECT v FROM idle'), 'idle', 'other keys are not touched');
$kms->grant($name{busy});
wait_until(sub { ($session->query('SELECT v FROM busy') // '') eq 'busy' }, 'access to return');
pass('and reads again by itself');
$session->quit;

done_testing();
