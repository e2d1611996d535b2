/*
 * src/keys/init.c
 *
 * Starts the room.
 */
#include "postgres.h"

#include "keys/access.h"
#include "keys/counters.h"
#include "keys/dek_cache.h"
#include "keys/destroy.h"
#include "keys/holders.h"
#include "keys/init.h"
#include "keys/kek_health.h"
#include "keys/request.h"
#include "keys/ring.h"

void
kr_keys_init(void)
{
	kr_keys_cache_init();
	kr_keys_kek_init();
	kr_keys_request_init();
	kr_keys_counters_init();
	kr_keys_ring_init();
	kr_keys_access_init();
	kr_keys_holders_init();
	kr_keys_destroy_init();
}
