# Targets of developers and CI. Nothing here needs pg_config to answer when make reads it.

.PHONY: help setup check check-lint check-unit check-regress check-isolation check-tap check-fuzz check-server check-assert
.PHONY: check-gcp soak soak-clients lint unit fuzz fuzz-sql coverage bench bench-clients bench-instructions bench-reencrypt demo demo-byok dist

help:
	@sed -n 's/^## \{0,1\}//p' scripts/targets.mk

## make                    build for the server of $PG_CONFIG (default: pg_config); with_llvm=no is faster
## make install            install it; DESTDIR= as usual
## make installcheck       regress and isolation tests in a server of its own, against what is installed
##                         (REGRESS=name, ISOLATION=name pick; RUNNING_SERVER=1 takes the server of PGHOST, PGPORT)
## make clean
##
## make demo               shows a person what keyring does; installs what is missing when root
## make demo-byok          the same with a customer's own key in a Cloud KMS, which the tests' KMS plays
## make check              every test, in scratch servers; the same as root and as an ordinary user
## make check-lint         one suite of it: check-unit, check-regress (REGRESS=), check-isolation (ISOLATION=),
##                         check-tap (PROVE_TESTS=test/t/020_x.pl)
## make check-assert       the server suites on a PostgreSQL built with assertions (slow the first time)
## make check-server       all but the lints, which want the tools of Debian 12, and fuzzing, which wants clang
## make check-gcp          against the real Cloud KMS, with credentials and a key from the environment (test/kms/check-gcp)
## make setup              only installs what is missing, or prints the line that would
## make lint               the style checks in place; LINT="layers headers" picks
## make unit               builds and runs the unit tests in place, no server; UNIT=name picks
## make bench-crypto       cost of sealing and opening, next to OpenSSL alone
## make fuzz               TARGET=envelope SECONDS=60; check-fuzz runs each target for a moment, as make check does
## make fuzz-sql           random statements on plain and encrypted tables: QUERIES=5000 SEED=7; make check runs 100
## make coverage           line coverage per room, from every suite
## make soak               SOAK='20 100': minutes, kill -9 among them, a full disk, then clients' latency while jobs run
## make soak-clients       of these the latency at the default throttle alone, and whether the budget is met: two minutes
## make bench              design's budgets, measured
## make bench-clients      a part of it: pgbench in three query modes and round trips over libpq; BENCH=rounds
## make bench-instructions the same statements, in instructions, counted by valgrind
## make bench-reencrypt    a job against a plain UPDATE; BENCH='1000000 5', or with 10000000 rows too: LONG=1
## make dist               the zip for PGXN
##
## Other servers: PG_CONFIG=/path/to/pg_config with any of these. test/matrix runs 17 and 18 in chroots.

setup:
	scripts/setup test lint fuzz

export PG_CONFIG REGRESS_ONLY ISOLATION_ONLY PROVE_TESTS UNIT
check-lint check-unit check-tap check-fuzz:
	@scripts/check $(@:check-%=%)
# REGRESS and ISOLATION have defaults in the Makefile; only what was typed narrows a run.
check-regress check-isolation: export REGRESS_ONLY = $(if $(filter command line environment,$(origin REGRESS)),$(REGRESS))
check-regress check-isolation: export ISOLATION_ONLY = $(if $(filter command line environment,$(origin ISOLATION)),$(ISOLATION))
check-regress check-isolation:
	@scripts/check $(@:check-%=%)
check-server:
	@scripts/check unit regress isolation tap
check-assert:
	@scripts/assert-server
	@PG_CONFIG="$(CURDIR)/build/assert/bin/pg_config" scripts/check regress isolation tap

check-gcp:
	@test/kms/check-gcp

fuzz-sql: export KEYRING_FUZZ_SEED = $(SEED)
fuzz-sql: export KEYRING_FUZZ_QUERIES = $(or $(QUERIES),3000)
fuzz-sql: export KEYRING_SUITE_TIMEOUT = 36000
fuzz-sql:
	@PROVE_TESTS=test/t/118_differential.pl scripts/check tap
soak:
	@test/soak/run $(SOAK)
soak-clients:
	@SOAK_DELAYS='none 10' SOAK_ROUNDS=5 PROVE_TESTS=test/soak/clients.pl scripts/check tap
bench:
	@test/bench/run $(BENCH)
bench-clients:
	@test/bench/run-clients $(BENCH)
bench-instructions:
	@test/bench/run-instructions
bench-reencrypt:
	@test/bench/run-reencrypt $(BENCH)
demo:
	@scripts/demo
demo-byok:
	@scripts/demo-byok
coverage:
	@KEYRING_COVERAGE=1 scripts/check unit regress isolation tap

# With the generated install script, which META.json names.
dist:
	@mkdir -p build
	scripts/sql > $(INSTALL_SCRIPT_SQL)
	git archive --format=zip -o build/keyring-$(EXTVERSION).zip \
		--prefix=keyring-$(EXTVERSION)/sql/ --add-file=$(INSTALL_SCRIPT_SQL) --prefix=keyring-$(EXTVERSION)/ HEAD
	@echo build/keyring-$(EXTVERSION).zip

# What scripts want to know from the Makefile.
print-%:
	@printf '%s\n' '$(subst ','\'',$($*))'

# --- Warnings. -Werror here and in lint only: a user's compiler may know more of them. ---
WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wshadow -Wformat=2 -Wstrict-prototypes -Wvla -Wwrite-strings -Wnull-dereference
WARNINGS_GCC = -Wduplicated-cond -Wlogical-op
WARNINGS_INNER = -Wconversion -Wcast-qual -Wundef

export WARNINGS WARNINGS_GCC WARNINGS_INNER SOURCES INNER_SOURCES PG_CPPFLAGS
lint:
	@$(MAKE) --no-print-directory -s -k with_llvm=no all || true
	@scripts/tap -j2 $(or $(lint_picked:%=test/lint/%),$(sort $(wildcard test/lint/*)))
# make itself has a LINT by default
lint_picked = $(if $(filter default,$(origin LINT)),,$(LINT))

include test/unit.mk
