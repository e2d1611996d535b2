# Unit tests and fuzzing of the rooms that know no PostgreSQL. Included by scripts/targets.mk.
#
# Each test/unit/test_*.c is a program, built twice: as it ships, and under sanitizers; each tool_*.c
# is one that tests of the server run. The other files and the rooms' objects form an archive. So a
# program that includes a room's .c file, to look inside or to change a constant, takes the place of
# that object; and a palloc in one fails to link.

UNIT_SOURCES := $(sort $(wildcard test/unit/*.c))
UNIT_TESTS := $(filter test/unit/test_%,$(UNIT_SOURCES))
UNIT_BENCHES := $(filter test/unit/bench_%,$(UNIT_SOURCES))
UNIT_TOOLS := $(filter test/unit/tool_%,$(UNIT_SOURCES))
UNIT_SHARED := $(filter-out test/unit/test_% test/unit/bench_% test/unit/tool_%,$(UNIT_SOURCES)) $(INNER_SOURCES)

SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_FLAGS_plain = -O2
UNIT_FLAGS_sanitized = -O1 $(SANITIZE)
UNIT_CFLAGS = -std=c11 -D_GNU_SOURCE -g -MMD -MP -Isrc -Itest $(INNER_CPPFLAGS) $(COPT_EXTRA)
# bound at start, as Debian links extensions: test_stack.c says why
UNIT_LIBS = -Wl,-z,now $(INNER_LIBS)
# tests cut names to fit on purpose; gcc's complaint about that comes and goes with -O
UNIT_GCC_WARNINGS = $(if $(findstring clang,$(CC)),,$(WARNINGS_GCC) -Wno-format-truncation)
inner_flags = $(WARNINGS) $(UNIT_GCC_WARNINGS) $(if $(filter src/%,$(1)),$(WARNINGS_INNER))

# unit_flavour(plain or sanitized): the rules of one build
define unit_flavour
UNIT_PROGRAMS_$(1) := $$(UNIT_TESTS:%.c=build/unit/$(1)/%)
build/unit/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(CC) $$(UNIT_CFLAGS) $$(UNIT_FLAGS_$(1)) $$(call inner_flags,$$<) -c -o $$@ $$<
build/unit/$(1)/inner.a: $$(UNIT_SHARED:%.c=build/unit/$(1)/%.o)
	@rm -f $$@
	@$$(AR) crs $$@ $$^
$$(UNIT_PROGRAMS_$(1)) $$(patsubst %.c,build/unit/$(1)/%,$$(UNIT_BENCHES) $$(UNIT_TOOLS)): %: %.o build/unit/$(1)/inner.a
	$$(CC) $$(UNIT_CFLAGS) $$(UNIT_FLAGS_$(1)) -o $$@ $$^ $$(UNIT_LIBS)
.SECONDARY: $$(UNIT_SOURCES:%.c=build/unit/$(1)/%.o) $$(INNER_SOURCES:%.c=build/unit/$(1)/%.o)
endef
$(eval $(call unit_flavour,plain))
$(eval $(call unit_flavour,sanitized))
-include $(wildcard build/unit/*/*/*/*.d)

UNIT_PROGRAMS = $(UNIT_PROGRAMS_plain) $(UNIT_PROGRAMS_sanitized)
UNIT_CHOSEN = $(if $(UNIT),$(foreach flavour,plain sanitized,$(UNIT:%=build/unit/$(flavour)/test/unit/%)),$(UNIT_PROGRAMS))

unit-programs: $(UNIT_PROGRAMS)
unit: $(UNIT_CHOSEN)
	@scripts/tap -j2 $(UNIT_CHOSEN)
bench-crypto: build/unit/plain/test/unit/bench_crypto
	@$<
.PHONY: unit-programs bench-crypto

# --- Fuzzing: clang's libFuzzer. A crash becomes a corpus file and a unit test. ---
# The run collects in build; test/fuzz/corpus holds the few files with names.
TARGET = envelope
SECONDS = 60
FUZZ_CFLAGS = -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc -Itest $(INNER_CPPFLAGS)
build/fuzz/%: test/fuzz/fuzz_%.c test/fuzz/check.h $(INNER_SOURCES) $(wildcard $(INNER_ROOMS:%=src/%/*.h))
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -o $@ $(filter %.c,$^) $(INNER_LIBS)
fuzz: build/fuzz/$(TARGET)
	@mkdir -p build/fuzz/corpus/$(TARGET) build/fuzz/crashes
	build/fuzz/$(TARGET) -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/crashes/ build/fuzz/corpus/$(TARGET) $(wildcard test/fuzz/corpus/$(TARGET))
# Every target, side by side: the answers of the KMS for a minute, the others for a moment.
FUZZ_TARGETS = $(patsubst test/fuzz/fuzz_%.c,%,$(sort $(wildcard test/fuzz/fuzz_*.c)))
FUZZ_SECONDS_gcp_answer = 60
FUZZ_SECONDS_gcp_token = 60
fuzz-all: $(FUZZ_TARGETS:%=build/fuzz/%)
	@test/fuzz/run $(foreach name,$(FUZZ_TARGETS),$(name)=$(or $(FUZZ_SECONDS_$(name)),5))
.PHONY: fuzz-all
