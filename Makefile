# keyring: transparent column encryption for PostgreSQL. "make help" lists what to type.

EXTENSION = keyring
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" keyring.control)
MODULE_big = keyring

# One folder per room, lowest first; a new file is found by its name.
INNER_ROOMS = crypto kms
ROOMS = $(INNER_ROOMS) pg keys types search worker reencrypt
SOURCES := $(sort $(wildcard src/*.c $(ROOMS:%=src/%/*.c)))
INNER_SOURCES := $(sort $(wildcard $(INNER_ROOMS:%=src/%/*.c)))
OBJS = $(SOURCES:.c=.o)

INSTALL_SCRIPT_SQL = sql/keyring--$(EXTVERSION).sql
DATA = $(sort $(wildcard sql/keyring--*--*.sql))
DATA_built = $(INSTALL_SCRIPT_SQL)

# Everything is hidden but what is declared PGDLLEXPORT, which is empty on 15.
PG_CPPFLAGS = -I$(srcdir)/src -D'PGDLLEXPORT=__attribute__((visibility("default")))' $(INNER_CPPFLAGS)
# -MMD in CFLAGS and not in CPPFLAGS: the bitcode step would overwrite the dependencies.
PG_CFLAGS = -fvisibility=hidden -MMD -MP $(COPT_EXTRA)
SHLIB_LINK = $(INNER_LIBS) $(LINK_EXTRA)
# libcurl and jansson: as pkg-config says, else where compilers look by themselves
pkg_config = $(shell pkg-config $(1) libcurl jansson 2>/dev/null)
INNER_CPPFLAGS := $(call pkg_config,--cflags)
INNER_LIBS := -lssl -lcrypto $(or $(call pkg_config,--libs),-lcurl -ljansson)

# installcheck starts a server of its own, with keyring preloaded, unless RUNNING_SERVER=1.
REGRESS := $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test $(call temp_instance,regress)
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation $(call temp_instance,isolation)
# what people here have set would otherwise decide about encodings, case and order
ENCODING = UTF8
installcheck: export LANG = C.UTF-8
temp_instance = $(if $(RUNNING_SERVER),,--temp-instance=build/$(1) --temp-config=build/regress.conf)
REGRESS_PREP = $(if $(RUNNING_SERVER),,ordinary-user build/regress.conf)
EXTRA_CLEAN = build log results output_iso regression.diffs regression.out $(OBJS:.o=.d)

PG_CONFIG ?= pg_config

# Targets that need no PostgreSQL on the machine yet: scripts/targets.mk. They end with "make check".
OWN_GOALS = help setup dist check check-% soak soak-clients lint fuzz fuzz-sql coverage bench bench-clients bench-crypto bench-instructions bench-reencrypt demo demo-byok unit print-%
include scripts/targets.mk

ifneq ($(filter-out $(OWN_GOALS),$(or $(MAKECMDGOALS),all)),)
.DEFAULT_GOAL := all
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error "$(PG_CONFIG)" does not answer: install the PostgreSQL server headers, as "make setup" does, or name it with PG_CONFIG=)
endif
include $(PGXS)

# Rebuilds what was built for another server or with other flags, and links again when a source is gone.
FLAGS_STAMP := build/flags
$(OBJS) $(shlib): $(FLAGS_STAMP)
$(FLAGS_STAMP): always
	@mkdir -p build
	@printf '%s\n' '$(subst ','\'',$(VERSION) $(CC) $(CFLAGS) $(CPPFLAGS) $(OBJS))' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
.PHONY: always

# Bitcode follows the object, whose dependencies are known.
$(OBJS:.o=.bc): %.bc: %.o
-include $(OBJS:.o=.d)

$(INSTALL_SCRIPT_SQL): $(wildcard sql/parts/*) sql/parts scripts/sql
	$(SHELL) scripts/sql > $@.tmp && mv $@.tmp $@

build/regress.conf: test/regress.conf.in scripts/server-conf always
	@mkdir -p build
	@$(SHELL) scripts/server-conf '$(PG_CONFIG)' '$(abspath $(DESTDIR))' < $< > $@

# initdb refuses root in the middle of things; say it first, and say what to do.
.PHONY: ordinary-user
ordinary-user:
	@[ "$$(id -u)" != 0 ] || { echo 'installcheck starts a server, which root may not: run it as another user, or run "make check"' >&2; exit 1; }

else
# PGXS has a "check" of its own, which only says that it does nothing.
check:
	@scripts/check lint unit regress isolation tap fuzz
endif
