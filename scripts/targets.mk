# Targets of developers and CI. Nothing here needs pg_config to answer when make reads it.

.PHONY: help setup check check-lint check-unit check-regress check-isolation check-tap check-assert
.PHONY: lint unit fuzz coverage bench demo soak dist

help:
	@sed -n 's/^## \{0,1\}//p' scripts/targets.mk

## make                    build for the server of $PG_CONFIG (default: pg_config); with_llvm=no is faster
## make install            install it; DESTDIR= as usual
## make installcheck       regress and isolation tests in a server of its own, against what is installed
##                         (REGRESS=name, ISOLATION=name pick; RUNNING_SERVER=1 takes the server of PGHOST, PGPORT)
## make clean
##
## make demo               shows a person what keyring does; installs what is missing when root
## make check              every test, in scratch servers; the same as root and as an ordinary user
## make check-lint         one suite of it: check-unit, check-regress (REGRESS=), check-isolation (ISOLATION=),
##                         check-tap (PROVE_TESTS=test/t/020_x.pl)
## make check-assert       the server suites on a PostgreSQL built with assertions (slow the first time)
## make setup              only installs what is missing, or prints the line that would
## make lint               the style checks in place; LINT="layers headers" picks
## make unit               builds and runs the unit tests in place, no server; UNIT=name picks
## make fuzz               TARGET=envelope SECONDS=60
## make coverage           line coverage per room, from every suite
## make bench              design's budgets, measured
## make soak               the long run
## make dist               the zip for PGXN
##
## Other servers: PG_CONFIG=/path/to/pg_config with any of these. test/matrix runs 17 and 18 in chroots.

setup:
	scripts/setup check

export PG_CONFIG REGRESS_ONLY ISOLATION_ONLY PROVE_TESTS UNIT
check-lint check-unit check-tap:
	@scripts/check $(@:check-%=%)
# REGRESS and ISOLATION have defaults in the Makefile; only what was typed narrows a run.
check-regress check-isolation: export REGRESS_ONLY = $(if $(filter command line environment,$(origin REGRESS)),$(REGRESS))
check-regress check-isolation: export ISOLATION_ONLY = $(if $(filter command line environment,$(origin ISOLATION)),$(ISOLATION))
check-regress check-isolation:
	@scripts/check $(@:check-%=%)
check-assert:
	@scripts/assert-server
	@PG_CONFIG="$(CURDIR)/build/assert/bin/pg_config" scripts/check regress isolation tap

bench:
	@test/bench/run $(BENCH)
demo:
	@scripts/demo
soak:
	@test/soak/run $(SOAK)
coverage:
	@scripts/coverage

dist:
	@mkdir -p build
	git archive --format=zip --prefix=keyring-$(EXTVERSION)/ -o build/keyring-$(EXTVERSION).zip HEAD
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
	@$(MAKE) --no-print-directory -s with_llvm=no all
	@scripts/tap -j2 $(if $(LINT),$(LINT:%=test/lint/%),$(sort $(wildcard test/lint/*)))

# --- Unit tests: every file of test/unit with a main() is a program; the other files go into each. ---
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS = -std=c11 -D_GNU_SOURCE -g -O1 $(SANITIZE) -MMD -MP -Isrc -Itest $(COPT_EXTRA)
UNIT_SOURCES := $(sort $(wildcard test/unit/*.c))
UNIT_MAINS := $(if $(UNIT_SOURCES),$(sort $(shell grep -lE '^(int )?main.(void|int)' $(UNIT_SOURCES))))
UNIT_SHARED = $(filter-out $(UNIT_MAINS),$(UNIT_SOURCES)) $(INNER_SOURCES)
UNIT_PROGRAMS = $(UNIT_MAINS:%.c=build/unit/%)
inner_flags = $(WARNINGS) $(if $(filter src/%,$(1)),$(WARNINGS_INNER))

build/unit/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(call inner_flags,$<) $(if $(findstring clang,$(CC)),,$(WARNINGS_GCC)) -c -o $@ $<
$(UNIT_PROGRAMS): build/unit/%: build/unit/%.o $(UNIT_SHARED:%.c=build/unit/%.o)
	$(CC) $(UNIT_CFLAGS) -o $@ $^ $(INNER_LIBS)
.SECONDARY: $(UNIT_SOURCES:%.c=build/unit/%.o) $(INNER_SOURCES:%.c=build/unit/%.o)
-include $(wildcard build/unit/*/*/*.d)

unit-programs: $(UNIT_PROGRAMS)
unit: unit-programs
	@scripts/tap $(if $(UNIT),$(UNIT:%=build/unit/test/unit/%),$(UNIT_PROGRAMS))
.PHONY: unit-programs

# --- Fuzzing: clang's libFuzzer over the inner rooms; a crash becomes a corpus file and a unit test. ---
TARGET = envelope
SECONDS = 60
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc -Itest
build/fuzz/%: test/fuzz/fuzz_%.c $(INNER_SOURCES) $(wildcard $(INNER_ROOMS:%=src/%/*.h))
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -o $@ $(filter %.c,$^) $(INNER_LIBS)
fuzz: build/fuzz/$(TARGET)
	@mkdir -p build/fuzz/corpus/$(TARGET) build/fuzz/crashes
	build/fuzz/$(TARGET) -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/crashes/ build/fuzz/corpus/$(TARGET) $(wildcard test/fuzz/corpus/$(TARGET))
