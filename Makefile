# keyring: transparent column encryption. "make help" lists what to type.

EXTENSION = keyring
EXTVERSION = 0.1.0
MODULE_big = keyring

ROOMS = crypto kms pg keys types search worker
OBJS = src/keyring.o $(patsubst %.c,%.o,$(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.c))))
DATA_built = sql/keyring--$(EXTVERSION).sql

PG_CPPFLAGS = -Isrc -I$(srcdir)/src -D'PGDLLEXPORT=__attribute__((visibility("default")))'
PG_CFLAGS = -fvisibility=hidden
SHLIB_LINK = -lcrypto

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/keyring--$(EXTVERSION).sql: $(wildcard sql/parts/*) scripts/sql
	scripts/sql > $@.tmp && mv $@.tmp $@
